// Package logging writes the log without blocking the server.
package logging

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

// Level is the lowest severity that is logged.
type Level zerolog.Level

var Levels = map[string]zerolog.Level{
	"trace": zerolog.TraceLevel, "debug": zerolog.DebugLevel, "info": zerolog.InfoLevel,
	"warn": zerolog.WarnLevel, "error": zerolog.ErrorLevel, "fatal": zerolog.FatalLevel, "none": zerolog.Disabled,
}

// UnmarshalText parses the name of a level.
func (l *Level) UnmarshalText(text []byte) error {
	level, ok := Levels[string(text)]
	if !ok {
		return fmt.Errorf("%q: want trace, debug, info, warn, error, fatal or none", text)
	}
	*l = Level(level)
	return nil
}

// Format is the format of log lines: "console", "json", or "" for the default.
type Format string

// UnmarshalText parses the name of a format.
func (f *Format) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "console", "json":
		*f = Format(text)
		return nil
	}
	return fmt.Errorf("%q: want console or json", text)
}

// New returns a logger that writes to out through a Writer.
func New(out io.Writer, level Level, format Format) (zerolog.Logger, *Writer) {
	zerolog.DurationFieldUnit = time.Second // seconds, as in flags
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
	w := &Writer{out: out, slow: to(out)}
	return to(w), w
}

// Writer writes log lines. After Detach it queues them, so that a slow disk or a blocked
// reader does not stop the loops. If more than logQueue lines wait, lines are dropped, and
// the log reports how many.
type Writer struct {
	out   io.Writer
	slow  zerolog.Logger
	queue atomic.Pointer[diode.Writer] // nil before Detach
}

const (
	logQueue   = 1024 // lines
	logTimeout = time.Second
)

// Write may be called from any goroutine.
func (w *Writer) Write(line []byte) (int, error) {
	if queue := w.queue.Load(); queue != nil {
		return queue.Write(line)
	}
	return w.out.Write(line)
}

// Reopen opens the log file again, if the output is a file.
func (w *Writer) Reopen() error {
	if file, ok := w.out.(*File); ok {
		return file.reopen()
	}
	return nil
}

// Detach starts queuing lines.
func (w *Writer) Detach() {
	queue := diode.NewWriter(struct{ io.Writer }{w.out}, logQueue, 0, func(lost int) {
		w.slow.Warn().Int("lines", lost).Msg("writing the log takes too long: lines were dropped")
	})
	w.queue.Store(&queue)
}

// End writes the queued lines, but takes at most logTimeout.
func (w *Writer) End() {
	queue := w.queue.Load()
	if queue == nil {
		return
	}
	written := make(chan struct{})
	go func() {
		_ = queue.Close() // closes the queue only, which cannot fail
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(logTimeout):
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

// Open opens the output of a name.
func Open(name string, rotateSize int) (io.Writer, error) {
	switch name {
	case "", "stderr":
		return os.Stderr, nil
	case "stdout":
		return os.Stdout, nil
	}
	return openFile(name, int64(rotateSize))
}
