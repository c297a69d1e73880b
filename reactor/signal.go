package reactor

import (
	"os"
	"os/signal"
	"sync"
)

// SignalHandler is a Handler that also gets the signals named to Loop.Notify.
type SignalHandler interface {
	Handler
	// Signaled reports a signal to the process. It is called on the loop's
	// goroutine.
	Signaled(os.Signal)
}

// Notify passes signals to the handler, which must be a SignalHandler, until
// cancel is called or the loop is released. Call Notify and cancel before Run
// or on the loop's goroutine.
func (l *Loop) Notify(sig ...os.Signal) (cancel func()) {
	_ = l.handler.(SignalHandler) // better to fail here than at the first signal
	if l.signals == nil {
		l.signals = NewMailbox[os.Signal](l)
	}
	got := make(chan os.Signal, 8)
	signal.Notify(got, sig...)
	go func() {
		for s := range got {
			l.signals.Post(s)
		}
	}()
	cancel = sync.OnceFunc(func() {
		signal.Stop(got)
		close(got)
	})
	l.cancels = append(l.cancels, cancel)
	return cancel
}

func (l *Loop) tellSignals() {
	if l.signals == nil {
		return
	}
	for _, s := range l.signals.Drain() {
		l.handler.(SignalHandler).Signaled(s)
	}
}
