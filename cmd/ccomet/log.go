package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/rs/zerolog/diode"
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

// newLogger returns the logger that writes to out, and what stands between them.
func newLogger(out io.Writer, level logLevel, format logFormat) (zerolog.Logger, *logWriter) {
	zerolog.DurationFieldUnit = time.Second // as the flags are
	if format == "" && isTerminal(out) {
		format = "console"
	}
	to := func(w io.Writer) zerolog.Logger {
		log := zerolog.New(w)
		if format == "console" {
			log = zerolog.New(zerolog.ConsoleWriter{Out: w, TimeFormat: time.DateTime, NoColor: !isTerminal(out)})
		}
		return log.Level(zerolog.Level(level)).With().Timestamp().Logger()
	}
	w := &logWriter{out: out, slow: to(out)}
	return to(w), w
}

// logWriter writes each line, and from detach on has nobody wait for that: a disk
// that hangs, or a reader who stands still, would else stop the loops. Lines beyond
// logQueue are lost, and the log says how many.
type logWriter struct {
	out   io.Writer
	slow  zerolog.Logger
	queue atomic.Pointer[diode.Writer] // nil: before detach
}

const (
	logQueue    = 1024 // lines
	logPatience = time.Second
)

// Write may be called from any goroutine.
func (w *logWriter) Write(line []byte) (int, error) {
	if queue := w.queue.Load(); queue != nil {
		return queue.Write(line)
	}
	return w.out.Write(line)
}

// reopen opens the file anew, if it is one.
func (w *logWriter) reopen() error {
	if file, ok := w.out.(*logFile); ok {
		return file.reopen()
	}
	return nil
}

// detach has lines wait in a queue from now on.
func (w *logWriter) detach() {
	queue := diode.NewWriter(struct{ io.Writer }{w.out}, logQueue, 0, func(lost int) {
		w.slow.Warn().Int("lines", lost).Msg("the log takes too long to write: lines are missing")
	})
	w.queue.Store(&queue)
}

// end writes what waits, if that can be done within logPatience.
func (w *logWriter) end() {
	queue := w.queue.Load()
	if queue == nil {
		return
	}
	written := make(chan struct{})
	go func() {
		_ = queue.Close() // of the queue alone, which cannot fail
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(logPatience):
	}
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
