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

// Probe is how readiness (/readyz) is found out: by a mail that goes every way that a
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
// A loop has one round under way at the most. A request that comes meanwhile is answered
// with that round's result.
type Probe struct {
	*Web
	round    uint32
	Askers   []mail.ReplyTo // none: no round is under way
	Deadline time.Time
	left     int                     // mails that are still to come back
	Passed   [record.MaxLoops]uint64 // by the loop that was a home: the loops that its mail has come back from
}

// ReadyTime is how long a round may take.
const ReadyTime = time.Second

// ready serves /readyz.
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

// Forward serves mail.ProbeHome, mail.ProbeLoop and mail.ProbeBack.
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

// Expire ends a round whose time is up.
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

// ask has a request wait for the round that is under way, or that begins with it, which it
// says.
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

// back takes a mail that has come back, and says whether it was the round's last.
func (p *Probe) back(m *mail.Mail) (last bool) {
	if len(p.Askers) == 0 || m.Round() != p.round {
		return false // of a round that has ended
	}
	p.Passed[m.Via()] |= 1 << m.From
	p.left--
	return p.left == 0
}

// Due is how long a round may still take: below zero, there is none.
func (p *Probe) Due(now time.Time) time.Duration {
	if len(p.Askers) == 0 {
		return -1
	}
	return max(p.Deadline.Sub(now), 0)
}

// missing says which loops did not answer, or where mail is stuck between loops
// that did.
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
				return fmt.Sprintf("nothing came by way of loop %d and then loop %d", home, loop)
			}
		}
	}
	return ""
}
