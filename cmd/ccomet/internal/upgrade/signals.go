package upgrade

import (
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// Signals are what a server is told by. None is lost where one program goes on for another:
// in the moment of that, SIGTERM and SIGINT end the process at once, SIGHUP does nothing,
// since the other program opens the log anyway, and SIGUSR2 waits.
type Signals struct {
	Stops, Hangups, Upgrades chan os.Signal
	deaf                     bool // SIGHUP was ignored when the first program was started
}

// Catch has signals come from here on. A program that goes on for another has caught them
// already.
func Catch() *Signals {
	if process.signals == nil {
		process.signals = newSignals(signal.Ignored(unix.SIGHUP))
	}
	return process.signals
}

func newSignals(deaf bool) *Signals {
	s := &Signals{make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan os.Signal, 1), deaf}
	signal.Notify(s.Upgrades, unix.SIGUSR2)
	s.hear()
	return s
}

func (s *Signals) hear() {
	signal.Notify(s.Stops, unix.SIGTERM, unix.SIGINT)
	if !s.deaf {
		signal.Notify(s.Hangups, unix.SIGHUP)
	}
}

// leave is called before the other program is executed. What has come before is in the
// channels when it returns. What comes later ends the process, or waits.
func (s *Signals) leave() {
	told()
	signal.Reset(unix.SIGTERM, unix.SIGINT)
	signal.Ignore(unix.SIGHUP)
	told() // the execution ends all threads: also one that has taken a signal, and not yet told of it
}

// told returns when all signals that have come are in the channels.
func told() {
	handled()
	idle := make(chan os.Signal, 1)
	signal.Notify(idle, unix.SIGUSR2)
	signal.Stop(idle) // returns when all are told that a thread has handled
}

// What the other program must know of signals.
const (
	isDeaf  = "deaf"
	toldEnd = "end"
)

// state is what the other program must know.
func (s *Signals) state() (words string) {
	if s.deaf {
		words += isDeaf
	}
	if len(s.Stops) > 0 {
		words += toldEnd
	}
	return words
}

// signalsOf are those of a program that another one has told so.
func signalsOf(state string) *Signals {
	s := newSignals(strings.Contains(state, isDeaf))
	if strings.Contains(state, toldEnd) {
		s.Stops <- unix.SIGTERM
	}
	return s
}
