package bench

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// soakOrder is a command to a crowd.
type soakOrder struct {
	kind  orderKind
	life  soakLife
	phase soakPhase
	next  []int32     // the channels' next numbers
	at    int64       // when the state file was begun; 0: the last server was not killed
	tell  *soakCounts // receives the figures
	text  *string     // receives a description of what is missing
	heard soakHeard
	done  chan struct{} // closed when the order is done
}

type orderKind uint8

const (
	orderLife    orderKind = iota // sets what may be expected of the server
	orderGone                     // the server has ended: done when all its clients know it
	orderRestart                  // the server was started again
	orderPhase                    // starts a phase
	orderCalm                     // stops all activity: done when all publishes are answered, and attackers have left
	orderMark                     // publishes one more message to each channel: done when all are acknowledged
	orderMissing                  // describes which clients do not have everything before next
	orderJudge                    // makes the judge judge the cycle
	orderGo                       // ends the calm
	orderCounts                   // returns the figures
	orderHeard                    // an event of a gopher; nobody waits for it
)

// orderNames describes what an order waits for.
var orderNames = map[orderKind]string{
	orderGone: "see that the server has ended", orderCalm: "have their publishes answered", orderMark: "have a message to each channel answered",
}

// order sends an order to the crowd, and waits until it is done.
func (m *soaking) order(ctx context.Context, o soakOrder) error {
	o.done = make(chan struct{})
	m.crowd.mail.Post(o)
	late := time.NewTimer(hangTimeout)
	defer late.Stop()
	select {
	case <-o.done:
		return nil
	case <-late.C:
		return fmt.Errorf("waited %v for the harness's own clients to %s", hangTimeout, orderNames[o.kind])
	case <-ctx.Done():
		return ctx.Err()
	case err := <-m.crashed:
		return err
	}
}

func (c *soakCrowd) obey(o soakOrder) {
	switch o.kind {
	case orderHeard:
		c.heard(&o.heard)
		return
	case orderLife:
		c.life = o.life
	case orderGone:
		c.life.up, c.life.ending = false, true
		c.stopGophers()
		// Slow and stalled clients are reset, and what they have not read counts as lost on the
		// way: the kernel could continue to send it for minutes.
		for i := range c.clients {
			if sub := &c.clients[i]; sub.slow || !sub.stalled.IsZero() {
				c.leave(sub, leaveRST, time.Second)
			}
		}
	case orderRestart:
		c.judge.restarted(o.next, o.at, o.life.sheds)
		for i := range c.publishers {
			clear(c.publishers[i].last)
		}
		c.life = o.life
		c.startGophers()
	case orderPhase:
		c.begin(&o.phase)
	case orderCalm:
		c.calm = true
		for i := range c.attackers {
			if a := &c.attackers[i]; a.conn != 0 {
				c.end(a.conn, leaveFIN)
			}
		}
	case orderMark:
		for channel := range c.judge.channels {
			c.publishTo(uint32(channel), minContent, false)
		}
	case orderMissing:
		*o.text = c.missing(o.next)
	case orderJudge:
		c.judge.calm(o.next)
		for i := range c.publishers { // during the calm they may be idle for longer than the server allows
			c.loop.Close(c.publishers[i].conn)
		}
	case orderGo:
		c.calm, c.lastBeat = false, c.loop.Now()
	case orderCounts:
		c.kept = c.judge.kept()
		*o.tell = c.soakCounts
	}
	c.waits = append(c.waits, o)
}

// reached reports whether an order is done.
func (c *soakCrowd) reached(o soakOrder) bool {
	switch o.kind {
	case orderGone:
		for i := range c.clients {
			if c.clients[i].conn != 0 {
				return false
			}
		}
		return c.unanswered() == 0 && len(c.idle) == len(c.attackers) && !c.gophersRun()
	case orderCalm:
		return c.unanswered() == 0 && len(c.idle) == len(c.attackers)
	case orderMark:
		return c.unanswered() == 0
	}
	return true
}

// missing describes which clients do not have everything before next; "": none.
func (c *soakCrowd) missing(next []int32) string {
	var b strings.Builder
	n := 0
	for i := range c.clients {
		sub := &c.clients[i]
		for _, w := range sub.wants {
			if w.next == next[w.channel] {
				continue
			}
			if n++; n <= 5 {
				fmt.Fprintf(&b, "; a %s client of %s wants %d of %d (connected %v, answered %v)", sub, c.name(w.channel), w.next, next[w.channel], sub.conn != 0, sub.headRead)
			}
		}
	}
	for _, g := range c.gophers {
		for _, w := range g.as.wants {
			if w.next != next[w.channel] {
				if n++; n <= 5 {
					fmt.Fprintf(&b, "; a %s client of %s wants %d of %d", &g.as, c.name(w.channel), w.next, next[w.channel])
				}
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d are not there%s", n, b.String())
}
