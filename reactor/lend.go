package reactor

import (
	"sync"
	"time"
)

// A loop that sleeps can be lent. Where another loop has mail for it, to wake it costs a
// write, and then a processor that is to be got from its own sleep, and the answer costs
// the same on the way back: far more than what mostly is to be done about the mail. So the
// goroutine that has posted the mail takes the turn itself, if it finds the loop asleep:
//
//   - A loop belongs to one goroutine at a time, which has its owner lock: its own, but for
//     the time that this one sleeps in the kernel. Nobody waits for that lock but the loop's
//     own goroutine when it wakes, and then for the rest of one short turn.
//   - A lent turn is TurnEnded alone. What the kernel has to report, input and timers wait for
//     the loop's own goroutine. The handler is asked to be brief (Lent).
//   - Where the turn leaves something to do, or to be done earlier than the goroutine would
//     wake, it is woken.

// lending is what lets another goroutine turn a loop.
type lending struct {
	owner sync.Mutex // held by the goroutine that turns the loop
	until time.Time  // when its goroutine wakes by itself; zero: it does not
	lent  bool
}

// WakeOrTurn is Wake for the goroutine of another loop, which has posted mail (Mailbox.Add): a
// loop that sleeps takes its turn on that goroutine. Handler.TurnEnded is then called before
// WakeOrTurn returns, and may post mail to the loop that called.
func (l *Loop) WakeOrTurn() {
	if l.woken.Swap(1) != 0 {
		return
	}
	l.wakers.Add(1)
	if l.asleep.Load() == 1 && (!l.owner.TryLock() || l.takeLentTurn()) {
		l.poller.wake()
	}
	l.wakers.Add(-1)
}

// Lent says whether a turn is under way that another loop's goroutine takes: it is to be as
// short as waking this loop would be.
func (l *Loop) Lent() bool { return l.lent }

// sooner is how much earlier than it would wake a loop's goroutine is woken for something
// that is due: its sleep is no more exact than that.
const sooner = time.Millisecond

// takeLentTurn takes a turn of a loop that sleeps, whose owner lock the caller has got. It
// says whether its own goroutine is to be woken.
func (l *Loop) takeLentTurn() (wake bool) {
	defer l.owner.Unlock()
	l.woken.Store(0) // as in wait
	l.stats.turns.Add(1)
	l.stats.lent.Add(1)
	l.now = l.cfg.Clock()
	l.lent = true
	l.endTurn()
	l.lent = false
	now := l.cfg.Clock()
	l.tally.TurnTimes.add(now.Sub(l.now))
	if l.finishing || l.stopped.Load() {
		return true
	}
	d := l.waitTime(-1, now)
	return d == 0 || d > 0 && (l.until.IsZero() || now.Add(d).Before(l.until.Add(-sooner)))
}
