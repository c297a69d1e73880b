package upgrade

import (
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// Signals has a channel for each kind of signal that a server receives. None is lost when one program
// executes the next: in that moment, SIGTERM and SIGINT end the process at once, SIGHUP is ignored,
// since the next program opens the log anyway, and SIGUSR2 waits.
type Signals struct {
	Stops, Hangups, Upgrades chan os.Signal
	ignoresHangup            bool // SIGHUP was ignored when the first program was started (nohup)
}

// Catch catches signals from here on. A successor does so already in Begin.
func Catch() *Signals {
	if process.signals == nil {
		process.signals = newSignals(signal.Ignored(unix.SIGHUP))
	}
	return process.signals
}

func newSignals(ignoresHangup bool) *Signals {
	s := &Signals{make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan os.Signal, 1), ignoresHangup}
	signal.Notify(s.Upgrades, unix.SIGUSR2)
	s.catch()
	return s
}

// catch catches signals, also again after release.
func (s *Signals) catch() {
	signal.Notify(s.Stops, unix.SIGTERM, unix.SIGINT)
	if !s.ignoresHangup {
		signal.Notify(s.Hangups, unix.SIGHUP)
	}
}

// release stops catching, before the next program is executed. Signals received before are in the
// channels when it returns. A later one ends the process, is ignored, or waits: see Signals.
func (s *Signals) release() {
	flushSignals()
	signal.Reset(unix.SIGTERM, unix.SIGINT)
	signal.Ignore(unix.SIGHUP)
	flushSignals() // the execution ends all threads, also one whose handler has not finished
}

// flushSignals returns when all signals received so far are in the channels.
func flushSignals() {
	awaitHandlers()
	idle := make(chan os.Signal, 1)
	signal.Notify(idle, unix.SIGUSR2)
	signal.Stop(idle) // returns when all signals that were handled are in their channels
}

// The words of state. Other versions know them.
const (
	wordIgnoresHangup = "deaf"
	wordStop          = "end"
)

// state is what the next program must know of signals.
func (s *Signals) state() (words string) {
	if s.ignoresHangup {
		words += wordIgnoresHangup
	}
	if len(s.Stops) > 0 {
		words += wordStop
	}
	return words
}

// signalsOf catches signals in a program that was passed on a state.
func signalsOf(state string) *Signals {
	s := newSignals(strings.Contains(state, wordIgnoresHangup))
	if strings.Contains(state, wordStop) {
		s.Stops <- unix.SIGTERM
	}
	return s
}
