package client

import (
	"context"
	"fmt"
	"time"
)

// aside is what a receiver remembers of channels that the server refuses for now, for example because
// they have too many subscribers. The others continue. When the wait is over, the receiver makes another
// connection, which requests all of them.
type aside struct {
	backoff backoff
	until   time.Time   // when they are requested again; zero: no channel waits
	timer   *time.Timer // ends the connection at that time
	cancel  context.CancelCauseFunc
}

// begin prepares for a connection, which cancel ends.
func (a *aside) begin(r *receiver, cancel context.CancelCauseFunc) {
	a.cancel = cancel
	if a.until.IsZero() {
		return
	}
	if wait := time.Until(a.until); wait > 0 && r.requested() > 0 {
		a.endAfter(wait)
		return
	}
	a.clear(r)
}

// endAfter ends the present connection after a time.
func (a *aside) endAfter(wait time.Duration) {
	cancel := a.cancel
	a.timer = time.AfterFunc(wait, func() { cancel(errAgain) })
}

// clear makes the next connection request all channels.
func (a *aside) clear(r *receiver) {
	a.until = time.Time{}
	for _, c := range r.channels {
		c.waits = false
	}
}

func (a *aside) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// requested returns the number of channels that are neither over nor wait.
func (r *receiver) requested() (n int) {
	for _, c := range r.channels {
		if !c.over && !c.waits {
			n++
		}
	}
	return n
}

// refusedForNow handles a temporary refusal. If it concerns one of several channels, that channel waits.
// Otherwise the error ends the connection.
func (r *receiver) refusedForNow(m *message) error {
	a, c := &r.aside, r.channel(m.Cname)
	err := fmt.Errorf("channel %q: the server answers %s: %s", m.Cname, m.Type, m.Content)
	if m.Type == "503" || c == nil || c.waits {
		r.heard = false
		return err
	}
	c.refused, c.waits = true, true
	if r.requested() == 0 {
		r.heard = false
		a.clear(r) // the wait before the next connection is enough
		return err
	}
	wait := time.Until(a.until)
	if a.until.IsZero() {
		wait = max(a.backoff.next(0), r.told)
		a.until = time.Now().Add(wait)
		a.endAfter(wait)
	}
	if r.Retrying != nil {
		r.Retrying(err, wait)
	}
	return nil
}

// heard notes that something has come from a channel. The wait is short again when no channel is refused
// any more.
func (a *aside) heard(r *receiver, of *channel) {
	if !of.refused {
		return
	}
	of.refused = false
	for _, c := range r.channels {
		if c.refused && !c.over {
			return
		}
	}
	a.backoff.reset()
}
