package upgrade

import (
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// Signals has a channel for each kind of signal that a server receives. No signal is lost while one
// program executes the next. In that moment, SIGTERM and SIGINT end the process at once. SIGHUP is
// ignored, because the next program opens the log anyway. SIGUSR2 stays pending.
type Signals struct {
	Stops, Hangups, Upgrades chan os.Signal
	ignoresHangup            bool // SIGHUP was ignored when the first program was started (nohup)
}

// Catch starts to catch signals. In a successor, Begin has done so already.
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

// catch starts to catch signals, also again after release.
func (s *Signals) catch() {
	signal.Notify(s.Stops, unix.SIGTERM, unix.SIGINT)
	if !s.ignoresHangup {
		signal.Notify(s.Hangups, unix.SIGHUP)
	}
}

// release stops catching, before the next program is executed. When it returns, all signals received
// before are in the channels. A later signal ends the process, is ignored, or stays pending: see
// Signals.
func (s *Signals) release() {
	flushSignals()
	signal.Reset(unix.SIGTERM, unix.SIGINT)
	signal.Ignore(unix.SIGHUP)
	flushSignals() // execution ends all threads, also one whose handler has not finished
}

// flushSignals returns when all signals received so far are in their channels.
func flushSignals() {
	awaitHandlers()
	idle := make(chan os.Signal, 1)
	signal.Notify(idle, unix.SIGUSR2)
	signal.Stop(idle) // returns when all handled signals are in their channels
}

// The words of Signals.state. Other versions know them.
const (
	wordIgnoresHangup = "deaf"
	wordStop          = "end"
)

// state returns, as words, what the next program must know about signals.
func (s *Signals) state() (words string) {
	if s.ignoresHangup {
		words += wordIgnoresHangup
	}
	if len(s.Stops) > 0 {
		words += wordStop
	}
	return words
}

// signalsOf catches signals in a program that has received a state.
func signalsOf(state string) *Signals {
	s := newSignals(strings.Contains(state, wordIgnoresHangup))
	if strings.Contains(state, wordStop) {
		s.Stops <- unix.SIGTERM
	}
	return s
}
