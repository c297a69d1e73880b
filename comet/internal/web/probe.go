package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
)

// Probe determines readiness (/readyz). It sends mail on every path that a message may take:
//
//  1. From the loop that serves the request to each loop, as a publish goes to its channel's
//     home.
//  2. From each of these to each loop, as a message goes to the loops with subscribers.
//  3. From there back to the first loop, as an answer does.
//
// The result proves that each loop runs, and that mail passes from every loop to every other
// and wakes sleeping loops. It does not prove that sockets can be written to, or that
// connections are accepted, except the one of the request.
//
// A loop runs one round at a time. A request that comes during a round gets that round's
// result.
type Probe struct {
	*Web
	round    uint32
	Askers   []mail.ReplyTo // requests that wait; empty if no round is running
	Deadline time.Time
	left     int                     // number of mails that have not come back
	Passed   [record.MaxLoops]uint64 // indexed by the loop in the role of home: bit set of the loops whose mail has come back
}

// ReadyTime is the time limit of a round.
const ReadyTime = time.Second

func (w *Web) ready(x *exchange) {
	if w.drain.On() {
		w.health(x)
		return
	}
	asker := mail.ReplyTo{Conn: x.conn, Reply: w.pipelines.await(x, pendingReply{})}
	if w.Probe.ask(asker, w.Loops(), w.loop.Now()) {
		w.SendAll(mail.OfRound(mail.ProbeHome, w.Probe.round))
	}
}

// Forward handles mail.ProbeHome, mail.ProbeLoop and mail.ProbeBack.
func (p *Probe) Forward(m *mail.Mail) {
	switch m.Kind {
	case mail.ProbeHome:
		on := mail.OfRound(mail.ProbeLoop, m.Round())
		on.SetVia(m.From)
		p.SendAll(on)
	case mail.ProbeLoop:
		on := mail.OfRound(mail.ProbeBack, m.Round())
		on.SetVia(m.From)
		p.Send(m.Via(), on)
	case mail.ProbeBack:
		if p.back(m) {
			p.finish()
		}
	}
}

// Expire ends a round whose deadline has passed.
func (p *Probe) Expire(now time.Time) {
	if p.Due(now) == 0 {
		p.finish()
	}
}

// finish answers all requests that wait for the round.
func (p *Probe) finish() {
	status, text := 200, "ok"
	away := p.cfg.shared().away()
	switch {
	case p.drain.On():
		status, text = 503, "draining"
	case p.left > 0:
		status, text = 503, p.missing(p.Loops())+" within "+ReadyTime.String()+"\n"
	case away != nil:
		status, text = 503, "publishes are refused: "+away.Error()+"\n"
	case p.site.Upgrading.Load():
		text = "upgrading"
	}
	for _, asker := range p.Askers {
		p.pipelines.resolve(asker, status, frame.TypeText, []byte(text))
	}
	p.Askers = pool.Emptied(p.Askers)
}

// ask makes a request wait for the current round. It returns true if there is none, and the
// caller must start one.
func (p *Probe) ask(asker mail.ReplyTo, loops int, now time.Time) (begins bool) {
	p.Askers = append(p.Askers, asker)
	if len(p.Askers) > 1 {
		return false
	}
	p.round++
	p.left, p.Passed = loops*loops, [record.MaxLoops]uint64{}
	p.Deadline = now.Add(ReadyTime)
	return true
}

// back records a mail that has come back, and returns whether it was the last of the round.
func (p *Probe) back(m *mail.Mail) (last bool) {
	if len(p.Askers) == 0 || m.Round() != p.round {
		return false // from an earlier round
	}
	p.Passed[m.Via()] |= 1 << m.From
	p.left--
	return p.left == 0
}

// Due returns the time until the round's deadline, or a negative value if no round is running.
func (p *Probe) Due(now time.Time) time.Duration {
	if len(p.Askers) == 0 {
		return -1
	}
	return max(p.Deadline.Sub(now), 0)
}

// missing names the loops that did not answer. If all did, it names a path on which mail was
// lost.
func (p *Probe) missing(loops int) string {
	var answered uint64
	for _, from := range p.Passed {
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
			if p.Passed[home]&(1<<loop) == 0 {
				return fmt.Sprintf("no answer by way of loop %d and then loop %d", home, loop)
			}
		}
	}
	return ""
}
