package reactor

import "golang.org/x/sys/unix"

// expireBudget is how many timers are told in one turn; the rest are told in the next ones.
// What has to be told of most of them is a write: a request that comes while a thousand
// heartbeats are due waits for a tenth of a millisecond, and not for five.
const expireBudget = 16

// catchUp takes what the kernel has to report beyond the turn's first events, where
// timers have run out: all that had arrived when the time was read is dispatched before
// any timer runs out. A process that was stopped for a while (SIGSTOP, a paused
// machine) finds more waiting than one call tells, or is woken by none of it.
//
// Time stands still for the timers until all that have run out are told: none waits for
// those that run out after it, and a turn that goes on with them need not ask again.
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
			// More has arrived than one turn reads: it is looked at first. That does not
			// put it off for ever, since input that is not consumed is bounded.
			l.wheel.Schedule(i, l.wheel.now+1)
		default:
			l.handler.Expired(makeConn(i, r.gen))
		}
	}
}
