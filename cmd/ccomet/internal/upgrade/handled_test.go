package upgrade

import (
	"os/signal"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// When flushSignals returns, every signal for which kill(2) has returned is in its channel,
// whichever thread takes it, and however late that thread gets a processor.
func TestFlushSignals(t *testing.T) {
	s := newSignals(false)
	defer signal.Stop(s.Stops)
	defer signal.Stop(s.Hangups)
	defer signal.Stop(s.Upgrades)
	var end atomic.Bool
	defer end.Store(true)
	for range 2 * runtime.GOMAXPROCS(0) { // threads that use the processors, too
		go func() {
			for !end.Load() {
			}
		}()
	}
	for round := range 20 {
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGUSR2} {
			if err := unix.Kill(unix.Getpid(), sig); err != nil {
				t.Fatal(err)
			}
		}
		flushSignals()
		if len(s.Stops) != 1 || len(s.Hangups) != 1 || len(s.Upgrades) != 1 {
			t.Fatalf("round %d: told of %d SIGTERM, %d SIGHUP, %d SIGUSR2: want 1 each", round, len(s.Stops), len(s.Hangups), len(s.Upgrades))
		}
		<-s.Stops
		<-s.Hangups
		<-s.Upgrades
	}
}

// A running thread that blocks only SIGUSR2, as threads of a successor do, handles no signal:
// awaitHandlers must not wait for it.
func TestHandlingIsNotBlocking(t *testing.T) {
	runtime.LockOSThread() // undone when the test ends
	block := unix.Sigset_t{}
	block.Val[0] = 1 << (unix.SIGUSR2 - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, nil); err != nil {
		t.Fatal(err)
	}
	for range 10_000 { // the runtime sends itself signals, which are soon handled
		if !handlerRuns() {
			return
		}
	}
	t.Error("a thread that blocks SIGUSR2 is taken for one that handles a signal")
}
