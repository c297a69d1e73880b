package reactor

import (
	"os"
	"syscall"
	"testing"
)

// A probe that also gets signals.
type signaled struct {
	probe
	got []os.Signal
}

func (s *signaled) Signaled(sig os.Signal) {
	s.got = append(s.got, sig)
	s.loop.Stop()
}

func TestNotify(t *testing.T) {
	s := &signaled{probe: probe{t: t, closed: map[Conn]error{}}}
	loop, err := NewLoop(s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.loop = loop
	cancel := loop.Notify(syscall.SIGUSR1)
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := loop.Run(); err != nil { // returns only if the signal wakes it
		t.Fatal(err)
	}
	if len(s.got) != 1 || s.got[0] != syscall.SIGUSR1 {
		t.Fatal("told of", s.got)
	}
	cancel() // Release has called it; a second call is harmless
}

func TestNotifyNeedsASignalHandler(t *testing.T) {
	p := newProbe(t, Config{})
	defer func() {
		if recover() == nil {
			t.Fatal("a handler that cannot be told of signals was taken")
		}
	}()
	p.loop.Notify(syscall.SIGUSR1)
}
