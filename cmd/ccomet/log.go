package main

import (
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// logLevel is the least important kind of line that is logged.
type logLevel zerolog.Level

var logLevels = map[string]zerolog.Level{
	"trace": zerolog.TraceLevel, "debug": zerolog.DebugLevel, "info": zerolog.InfoLevel,
	"warn": zerolog.WarnLevel, "error": zerolog.ErrorLevel,
}

// UnmarshalText reads its name.
func (l *logLevel) UnmarshalText(text []byte) error {
	level, ok := logLevels[string(text)]
	if !ok {
		return fmt.Errorf("%q: want trace, debug, info, warn or error", text)
	}
	*l = logLevel(level)
	return nil
}

// logFormat is how a log line looks: "console", "json", or "" to choose.
type logFormat string

// UnmarshalText reads its name.
func (f *logFormat) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "console", "json":
		*f = logFormat(text)
		return nil
	}
	return fmt.Errorf("%q: want console or json", text)
}

// newLogger returns the logger that writes to out.
func newLogger(out *os.File, level logLevel, format logFormat) zerolog.Logger {
	zerolog.DurationFieldUnit = time.Second // as the flags are
	if format == "" && isTerminal(out) {
		format = "console"
	}
	log := zerolog.New(out)
	if format == "console" {
		log = zerolog.New(zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: !isTerminal(out)})
	}
	return log.Level(zerolog.Level(level)).With().Timestamp().Logger()
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
