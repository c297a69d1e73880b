package bench

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// soakOrder tells a crowd what to do.
type soakOrder struct {
	kind  orderKind
	life  soakLife
	phase soakPhase
	next  []int32     // the numbers that channels go on with
	at    int64       // when the state file was begun; 0 where that ended as it should
	tell  *soakCounts // is given the figures
	text  *string     // is told what is missing
	heard soakHeard
	done  chan struct{} // closed when it is so
}

type orderKind uint8

const (
	orderLife    orderKind = iota // the server is like this now
	orderGone                     // the server has ended: done when no client hears of it any more
	orderRestart                  // it has been started again
	orderPhase                    // something happens
	orderCalm                     // nothing happens any more: done when all publishes are answered, and attackers gone
	orderMark                     // one more message to each channel: done when they are acknowledged
	orderMissing                  // tells which clients do not have everything before next
	orderJudge                    // the verdict
	orderGo                       // no more calm
	orderCounts                   // tells the figures
	orderHeard                    // a gopher has heard something; nobody waits for it
)

// orderNames says what is waited for.
var orderNames = map[orderKind]string{
	orderGone: "see that the server has ended", orderCalm: "have their publishes answered", orderMark: "have a message to each channel answered",
}

// order has the crowd do something, and waits until it is done.
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
		// What slow and stalled clients have not read counts as lost on the way: the
		// kernel could go on sending it to them for minutes.
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
		for i := range c.publishers { // while it is calm the server may find them idle for too long
			c.loop.Close(c.publishers[i].conn)
		}
	case orderGo:
		c.calm, c.beaten = false, c.loop.Now()
	case orderCounts:
		c.kept = c.judge.kept()
		*o.tell = c.soakCounts
	}
	c.waits = append(c.waits, o)
}

// reached says whether what an order waits for is so.
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

// missing tells which clients do not have everything before next; "" for none.
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
				fmt.Fprintf(&b, "; a %s client of %s wants %d of %d (connected %v, answered %v)", sub, c.name(w.channel), w.next, next[w.channel], sub.conn != 0, sub.headed)
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
