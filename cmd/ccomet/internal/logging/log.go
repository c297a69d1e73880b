// Package logging writes the log so that nothing waits for it.
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

// Level is the least important kind of line that is logged.
type Level zerolog.Level

var Levels = map[string]zerolog.Level{
	"trace": zerolog.TraceLevel, "debug": zerolog.DebugLevel, "info": zerolog.InfoLevel,
	"warn": zerolog.WarnLevel, "error": zerolog.ErrorLevel, "fatal": zerolog.FatalLevel, "none": zerolog.Disabled,
}

// UnmarshalText reads its name.
func (l *Level) UnmarshalText(text []byte) error {
	level, ok := Levels[string(text)]
	if !ok {
		return fmt.Errorf("%q: want trace, debug, info, warn, error, fatal or none", text)
	}
	*l = Level(level)
	return nil
}

// Format is how a log line looks: "console", "json", or "" to choose.
type Format string

// UnmarshalText reads its name.
func (f *Format) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "console", "json":
		*f = Format(text)
		return nil
	}
	return fmt.Errorf("%q: want console or json", text)
}

// New returns the logger that writes to out, and what stands between them.
func New(out io.Writer, level Level, format Format) (zerolog.Logger, *Writer) {
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
	w := &Writer{out: out, slow: to(out)}
	return to(w), w
}

// Writer writes each line, and from Detach on has nothing wait for that: a disk
// that hangs, or a reader that stands still, would else stop the loops. Lines beyond
// logQueue are lost, and the log says how many.
type Writer struct {
	out   io.Writer
	slow  zerolog.Logger
	queue atomic.Pointer[diode.Writer] // nil: before detach
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

// Reopen opens the file anew, if it is one.
func (w *Writer) Reopen() error {
	if file, ok := w.out.(*File); ok {
		return file.reopen()
	}
	return nil
}

// Detach has lines wait in a queue from now on.
func (w *Writer) Detach() {
	queue := diode.NewWriter(struct{ io.Writer }{w.out}, logQueue, 0, func(lost int) {
		w.slow.Warn().Int("lines", lost).Msg("the log takes too long to write: lines are missing")
	})
	w.queue.Store(&queue)
}

// End writes what waits, if that can be done within logTimeout.
func (w *Writer) End() {
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

// Open opens what the log is written to, by its name.
func Open(name string, rotateSize int) (io.Writer, error) {
	switch name {
	case "", "stderr":
		return os.Stderr, nil
	case "stdout":
		return os.Stdout, nil
	}
	return OpenFile(name, int64(rotateSize))
}
