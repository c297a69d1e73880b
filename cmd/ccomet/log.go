package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// logLevel is the least important kind of line that is logged.
type logLevel zerolog.Level

var logLevels = map[string]zerolog.Level{
	"trace": zerolog.TraceLevel, "debug": zerolog.DebugLevel, "info": zerolog.InfoLevel,
	"warn": zerolog.WarnLevel, "error": zerolog.ErrorLevel, "fatal": zerolog.FatalLevel, "none": zerolog.Disabled,
}

// UnmarshalText reads its name.
func (l *logLevel) UnmarshalText(text []byte) error {
	level, ok := logLevels[string(text)]
	if !ok {
		return fmt.Errorf("%q: want trace, debug, info, warn, error, fatal or none", text)
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
func newLogger(out io.Writer, level logLevel, format logFormat) zerolog.Logger {
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

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// openLog opens what the log is written to, by its name.
func openLog(name string, rotateSize int) (io.Writer, error) {
	switch name {
	case "", "stderr":
		return os.Stderr, nil
	case "stdout":
		return os.Stdout, nil
	}
	return openLogFile(name, int64(rotateSize))
}
