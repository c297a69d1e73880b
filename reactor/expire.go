package reactor

import "golang.org/x/sys/unix"

// expireBudget bounds the timers that fire in one turn; the rest fire in the next turns.
// Most of them cause a write. So a request that comes while a thousand heartbeats are due
// waits for a tenth of a millisecond, not for five.
const expireBudget = 16

// catchUp dispatches further events of the kernel when timers have expired: all that had
// arrived when the turn read the clock is dispatched before any timer fires. A process that
// was stopped for a while (SIGSTOP, a suspended machine) finds more events than one call
// returns, or was woken before any of them.
//
// The wheel does not advance until all expired timers have fired: none waits for those that
// expire after it, and turns that continue with them need not ask the kernel again.
func (l *Loop) catchUp() error {
	if l.wheel.Pending() {
		return nil
	}
	l.wheel.Advance(l.Tick())
	for most := l.conns.Live()/eventBatch + 1; l.wheel.Pending() && most > 0; most-- {
		events, err := l.poller.wait(0)
		if err != nil {
			return err
		}
		for i := range events {
			l.dispatch(&events[i])
		}
		if len(events) < eventBatch {
			break
		}
	}
	return nil
}

func (l *Loop) expire() {
	for range expireBudget {
		i := l.wheel.Pop()
		if i == 0 {
			return
		}
		r := l.conns.At(i)
		switch {
		case r.flags&flagLingering != 0:
			l.doom(i, r)
		case r.flags&flagFinishing != 0:
			l.fail(makeConn(i, r.gen), r, unix.ETIMEDOUT)
		case r.rests():
			l.resumeListening(int(r.user))
		case r.flags&(flagReadable|flagPaused) == flagReadable:
			// More input has arrived than one turn reads: read it first. This does not
			// delay the timer for ever, because unconsumed input is bounded.
			l.wheel.Schedule(i, l.wheel.now+1)
		default:
			l.handler.Expired(makeConn(i, r.gen))
		}
	}
}
