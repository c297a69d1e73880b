package mail

import (
	"sync/atomic"

	"ccomet/comet/internal/pool"
	"ccomet/reactor"
)

// Mailer is one loop's end of the mail. What it sends leaves when its turn ends, in order,
// with one lock and at most one wake-up for each loop that gets some. Only the loop's
// goroutine may use it, except for the inbox.
type Mailer struct {
	ID    uint8
	Inbox *reactor.Mailbox[Mail]
	all   []*Mailer // of all loops
	Out   [][]Mail  // by loop; that of the loop itself is mail to itself
	Mails uint64    // received so far
	sent  []int     // bytes that the mails in Out have borrowed, by loop
	runs  []sentRun // last run of messages that was sent, by loop

	receive func(*Mail) // handles a mail that has arrived

	_       [64]byte      // keeps other fields out of the cache line that other loops write
	waiting atomic.Int64  // bytes that the mails in the inbox have borrowed
	arrived atomic.Uint64 // mails that other loops have sent
	read    atomic.Uint64 // of which this loop has read so many
	_       [40]byte
}

// sentRun is the last run of messages that was sent to a loop.
type sentRun struct {
	leaves bool   // it leaves when this turn ends
	at     uint64 // number of mails that had arrived there, including it
}

// NewMailer makes the Mailer of a loop, and stores it in all, which has room for all loops.
func NewMailer(all []*Mailer, id uint8, loop *reactor.Loop, receive func(*Mail)) *Mailer {
	p := &Mailer{ID: id, Inbox: reactor.NewMailbox[Mail](loop), all: all, Out: make([][]Mail, len(all)), sent: make([]int, len(all)), runs: make([]sentRun, len(all)), receive: receive}
	all[id] = p
	return p
}

// Loops returns the number of loops.
func (p *Mailer) Loops() int { return len(p.all) }

// Send queues a mail for a loop; it leaves when the turn ends.
func (p *Mailer) Send(to uint8, m Mail) {
	m.From, m.counted = p.ID, true
	p.sent[to] += m.borrowed()
	if m.Msg != nil {
		m.Msg.Lend(m.N)
		if m.N > 0 {
			p.runs[to].leaves = true
		}
	}
	p.Out[to] = append(p.Out[to], m)
}

// SendAll queues a mail for each loop, this one included.
func (p *Mailer) SendAll(m Mail) {
	for to := range p.all {
		p.Send(uint8(to), m)
	}
}

// Flush sends what is queued for other loops.
func (p *Mailer) Flush() {
	for to := range p.Out {
		if to == int(p.ID) || len(p.Out[to]) == 0 {
			continue
		}
		of := p.all[to]
		of.waiting.Add(int64(p.sent[to])) // first, so that the receiver does not subtract it before
		p.sent[to] = 0
		arrived := of.arrived.Add(uint64(len(p.Out[to])))
		if run := &p.runs[to]; run.leaves {
			run.leaves, run.at = false, arrived
		}
		of.Inbox.Post(p.Out[to]...)
		p.Out[to] = pool.Emptied(p.Out[to])
	}
}

// Take receives the mail of other loops. It keeps no reference to any: a loop may sleep for
// long, and a message keeps all that are published after it alive.
func (p *Mailer) Take() {
	batch, borrowed, read := p.Inbox.Drain(), 0, uint64(0)
	for n := range batch {
		if m := &batch[n]; m.counted {
			read++
			borrowed += m.borrowed()
			m.counted = false // mail that is made from it is not counted
		}
		p.receive(&batch[n])
	}
	clear(batch)
	if read > 0 {
		p.waiting.Add(-int64(borrowed))
		p.read.Add(read)
	}
}

// LastRun returns where the last run of messages that this loop has sent to another stands,
// among the mails that arrive there; false: it has not left yet. HasRead reports whether
// that loop has read so far. A run that it has not read keeps alive what is published after
// it.
func (p *Mailer) LastRun(to uint8) (at uint64, left bool) {
	return p.runs[to].at, !p.runs[to].leaves || to == p.ID
}

// HasRead reports whether a loop has read the mail at that position; see LastRun.
func (p *Mailer) HasRead(to uint8, at uint64) bool { return p.all[to].read.Load() >= at }

// Waiting returns how many bytes are borrowed by mail that a loop has not read yet: names,
// and content to publish. Of mail that has not left, only this loop's counts.
func (p *Mailer) Waiting(to uint8) int {
	return int(p.all[to].waiting.Load()) + p.sent[to]
}

// AllWaiting returns the sum of Waiting for all loops.
func (p *Mailer) AllWaiting() (n int) {
	for to := range p.all {
		n += p.Waiting(uint8(to))
	}
	return n
}

// Borrowed returns how many bytes are borrowed by the mail in the inbox. Any goroutine may
// call it.
func (p *Mailer) Borrowed() int64 { return p.waiting.Load() }

// Quiet reports whether no mail is on its way to or from this loop that another program
// would need. Requests for a snapshot or for figures are not needed: they are repeated.
func (p *Mailer) Quiet() bool {
	for to := range p.Out {
		if len(p.Out[to]) > 0 {
			return false
		}
	}
	return p.Inbox.Each(func(m *Mail) bool { return m.Kind == Snapshot || m.Kind == TellFigures })
}

// Pending says whether there is mail of this loop to itself.
func (p *Mailer) Pending() bool { return len(p.Out[p.ID]) > 0 }

// TakeOwn receives the mail of this loop to itself, and the mail that this causes.
func (p *Mailer) TakeOwn() {
	for n := 0; n < len(p.Out[p.ID]); n++ {
		p.Out[p.ID][n].counted = false
		p.receive(&p.Out[p.ID][n]) // where it lies: a copy would be allocated
	}
	p.Out[p.ID], p.sent[p.ID] = pool.Emptied(p.Out[p.ID]), 0
}
