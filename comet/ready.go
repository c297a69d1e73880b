package comet

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Readiness (/readyz) is asked of a canary, a mail that goes every way that a
// message may take:
//
//  1. From the loop that is asked to each loop, as a publish goes to its channel's home.
//  2. From each of these to each loop, as the message goes to those that have
//     subscribers of it.
//  3. From there back, as an answer does.
//
// So each loop has turned, and mail has passed every mailbox and woken every
// sleeper, from every loop to every other. What it does not prove is that sockets
// can be written to, or that connections are accepted, but for the one it is asked on.
//
// A loop has one round under way at the most. Who asks meanwhile is given its result.
type canary struct {
	round    uint32
	askers   []asker // nobody: no round is under way
	deadline time.Time
	left     int              // mails that are still to come back
	passed   [MaxLoops]uint64 // by the loop that was a home: the loops that its mail has come back from
}

// readyTime is how long a round may take.
const readyTime = time.Second

// Legs of the canary's way (mail.flag).
const (
	canaryToHome uint16 = iota
	canaryToLoop
	canaryBack
)

// ready serves /readyz.
func (w *web) ready(x *exchange) {
	if w.drain.on() {
		w.health(x)
		return
	}
	c := &w.canary
	c.askers = append(c.askers, asker{x.conn, w.waitFor(x, slot{op: opAsked})})
	if len(c.askers) > 1 {
		return
	}
	loops := w.loops()
	c.round++
	c.left, c.passed = loops*loops, [MaxLoops]uint64{}
	c.deadline = w.loop.Now().Add(readyTime)
	w.sendAll(mail{kind: mailCanary, flag: canaryToHome, slot: c.round})
}

// fly serves mailCanary.
func (w *web) fly(m *mail) {
	on := mail{kind: mailCanary, flag: m.flag + 1, slot: m.slot, n: int32(m.from)}
	switch c := &w.canary; {
	case m.flag == canaryToHome: // n: who asks
		w.sendAll(on)
	case m.flag == canaryToLoop: // n: the home
		w.send(uint8(m.n), on)
	case len(c.askers) > 0 && m.slot == c.round:
		c.passed[m.n] |= 1 << m.from
		if c.left--; c.left == 0 {
			w.land()
		}
	}
}

// expireProbe ends a round whose time is up.
func (w *web) expireProbe(now time.Time) {
	if w.probeDue(now) == 0 {
		w.land()
	}
}

// probeDue is how long a round may still take: below zero, there is none.
func (w *web) probeDue(now time.Time) time.Duration {
	if len(w.canary.askers) == 0 {
		return -1
	}
	return max(w.canary.deadline.Sub(now), 0)
}

// land answers all who wait for the round.
func (w *web) land() {
	c := &w.canary
	status, text := 200, "ok"
	switch {
	case w.drain.on():
		status, text = 503, "draining"
	case c.left > 0:
		status, text = 503, c.missing(w.loops())+" within "+readyTime.String()+"\n"
	}
	for _, a := range c.askers {
		w.settle(a, status, typeText, []byte(text))
	}
	c.askers = emptied(c.askers)
}

// missing says which loops did not answer, or where mail is stuck between loops
// that did.
func (c *canary) missing(loops int) string {
	var answered uint64
	for _, from := range c.passed {
		answered |= from
	}
	var silent []string
	for loop := range loops {
		if answered&(1<<loop) == 0 {
			silent = append(silent, strconv.Itoa(loop))
		}
	}
	switch len(silent) {
	case 0:
	case 1:
		return "loop " + silent[0] + " did not answer"
	default:
		return "loops " + strings.Join(silent, ", ") + " did not answer"
	}
	for home := range loops {
		for loop := range loops {
			if c.passed[home]&(1<<loop) == 0 {
				return fmt.Sprintf("nothing came by way of loop %d and then loop %d", home, loop)
			}
		}
	}
	return ""
}
