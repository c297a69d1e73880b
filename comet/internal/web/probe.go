package web

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
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
type Probe struct {
	round    uint32
	Askers   []mail.ReplyTo // nobody: no round is under way
	Deadline time.Time
	left     int                     // mails that are still to come back
	Passed   [record.MaxLoops]uint64 // by the loop that was a home: the loops that its mail has come back from
}

// readyTime is how long a round may take.
const ReadyTime = time.Second

// Legs of the canary's way (mail.flag).
const (
	probeToHome uint16 = iota
	probeToLoop
	probeBack
)

// ready serves /readyz.
func (w *Web) ready(x *exchange) {
	if w.drain.On() {
		w.health(x)
		return
	}
	c := &w.Probe
	c.Askers = append(c.Askers, mail.ReplyTo{Conn: x.conn, Slot: w.awaitReply(x, pendingReply{op: mail.OpAsked})})
	if len(c.Askers) > 1 {
		return
	}
	loops := w.Loops()
	c.round++
	c.left, c.Passed = loops*loops, [record.MaxLoops]uint64{}
	c.Deadline = w.loop.Now().Add(ReadyTime)
	w.SendAll(mail.Mail{Kind: mail.Probe, Flag: probeToHome, Slot: c.round})
}

// fly serves mailCanary.
func (w *Web) ForwardProbe(m *mail.Mail) {
	on := mail.Mail{Kind: mail.Probe, Flag: m.Flag + 1, Slot: m.Slot, N: int32(m.From)}
	switch c := &w.Probe; {
	case m.Flag == probeToHome: // n: who asks
		w.SendAll(on)
	case m.Flag == probeToLoop: // n: the home
		w.Send(uint8(m.N), on)
	case len(c.Askers) > 0 && m.Slot == c.round:
		c.Passed[m.N] |= 1 << m.From
		if c.left--; c.left == 0 {
			w.finishProbe()
		}
	}
}

// expireProbe ends a round whose time is up.
func (w *Web) ExpireProbe(now time.Time) {
	if w.ProbeDue(now) == 0 {
		w.finishProbe()
	}
}

// probeDue is how long a round may still take: below zero, there is none.
func (w *Web) ProbeDue(now time.Time) time.Duration {
	if len(w.Probe.Askers) == 0 {
		return -1
	}
	return max(w.Probe.Deadline.Sub(now), 0)
}

// land answers all who wait for the round.
func (w *Web) finishProbe() {
	c := &w.Probe
	status, text := 200, "ok"
	switch {
	case w.drain.On():
		status, text = 503, "draining"
	case c.left > 0:
		status, text = 503, c.Missing(w.Loops())+" within "+ReadyTime.String()+"\n"
	}
	for _, a := range c.Askers {
		w.resolve(a, status, frame.TypeText, []byte(text))
	}
	c.Askers = pool.Emptied(c.Askers)
}

// missing says which loops did not answer, or where mail is stuck between loops
// that did.
func (c *Probe) Missing(loops int) string {
	var answered uint64
	for _, from := range c.Passed {
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
			if c.Passed[home]&(1<<loop) == 0 {
				return fmt.Sprintf("nothing came by way of loop %d and then loop %d", home, loop)
			}
		}
	}
	return ""
}
