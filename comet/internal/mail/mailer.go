package mail

import (
	"sync/atomic"

	"ccomet/comet/internal/pool"
	"ccomet/reactor"
)

// Mailer is one loop's end of the mail: what it sends leaves when its turn ends,
// in order, with one lock and at most one wake for each loop that it is for.
// It belongs to the loop's goroutine, but for the inbox.
type Mailer struct {
	Id    uint8
	Inbox *reactor.Mailbox[Mail]
	all   []*Mailer // of all loops
	Out   [][]Mail  // by loop; out[id] is for itself
	Mails uint64    // received so far
	sent  []int     // bytes that the mails in Out have borrowed, by loop
	runs  []sentRun // the last run of messages that was sent, by loop

	receive func(*Mail) // takes what has come

	_       [64]byte      // no other field is in a cache line with what other loops write
	waiting atomic.Int64  // bytes that the mails in the inbox have borrowed
	arrived atomic.Uint64 // mails that other loops have sent
	read    atomic.Uint64 // of which this loop has read
	_       [40]byte
}

// sentRun is the last run of messages that was sent to a loop.
type sentRun struct {
	leaves bool   // when this turn ends
	at     uint64 // how many mails had arrived there, with it
}

// NewMailer makes the next loop's end of the mail, of as many as all has room for.
func NewMailer(all []*Mailer, id uint8, loop *reactor.Loop, receive func(*Mail)) *Mailer {
	p := &Mailer{Id: id, Inbox: reactor.NewMailbox[Mail](loop), all: all, Out: make([][]Mail, len(all)), sent: make([]int, len(all)), runs: make([]sentRun, len(all)), receive: receive}
	all[id] = p
	return p
}

// Loops is how many there are.
func (p *Mailer) Loops() int { return len(p.all) }

// Send queues a mail for a loop; it leaves when the turn ends.
func (p *Mailer) Send(to uint8, m Mail) {
	m.From, m.counted = p.Id, true
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
		if to == int(p.Id) || len(p.Out[to]) == 0 {
			continue
		}
		of := p.all[to]
		of.waiting.Add(int64(p.sent[to])) // first, so that it is not taken off before
		p.sent[to] = 0
		arrived := of.arrived.Add(uint64(len(p.Out[to])))
		if run := &p.runs[to]; run.leaves {
			run.leaves, run.at = false, arrived
		}
		of.Inbox.Post(p.Out[to]...)
		p.Out[to] = pool.Emptied(p.Out[to])
	}
}

// Take receives the mail of other loops. Nothing is kept of it: a loop may sleep for long,
// and a message that it kept would keep all that are published behind it.
func (p *Mailer) Take() {
	batch, borrowed, read := p.Inbox.Drain(), 0, uint64(0)
	for n := range batch {
		if m := &batch[n]; m.counted {
			read++
			borrowed += m.borrowed()
			m.counted = false // what is made of it is another mail
		}
		p.receive(&batch[n])
	}
	clear(batch)
	if read > 0 {
		p.waiting.Add(-int64(borrowed))
		p.read.Add(read)
	}
}

// LastRun is where the last run of messages stands that this loop has sent to another, among
// the mails that arrive there; false: it is still to leave. HasRead says whether that loop
// has read so far. A run that it has not read keeps alive what is published behind it.
func (p *Mailer) LastRun(to uint8) (at uint64, left bool) {
	return p.runs[to].at, !p.runs[to].leaves || to == p.Id
}

// HasRead says whether a loop has read the mail that stands there; see LastRun.
func (p *Mailer) HasRead(to uint8, at uint64) bool { return p.all[to].read.Load() >= at }

// Waiting is how many bytes are borrowed by mail that a loop has not read yet: names, and
// what is to be published. Of mail that is still to leave only this loop's counts.
func (p *Mailer) Waiting(to uint8) int {
	return int(p.all[to].waiting.Load()) + p.sent[to]
}

// AllWaiting is that of all loops.
func (p *Mailer) AllWaiting() (n int) {
	for to := range p.all {
		n += p.Waiting(uint8(to))
	}
	return n
}

// Borrowed is how many bytes are borrowed by the mail in the inbox. Any goroutine may ask.
func (p *Mailer) Borrowed() int64 { return p.waiting.Load() }

// Quiet says whether nothing is on its way to this loop, or from it, that another program
// could not do without: those that ask for a snapshot or for figures ask again.
func (p *Mailer) Quiet() bool {
	for to := range p.Out {
		if len(p.Out[to]) > 0 {
			return false
		}
	}
	return p.Inbox.Each(func(m *Mail) bool { return m.Kind == Snapshot || m.Kind == TellFigures })
}

// Pending says whether there is mail of this loop to itself.
func (p *Mailer) Pending() bool { return len(p.Out[p.Id]) > 0 }

// TakeOwn receives the mail of this loop to itself, and what that brings.
func (p *Mailer) TakeOwn() {
	for n := 0; n < len(p.Out[p.Id]); n++ {
		p.Out[p.Id][n].counted = false
		p.receive(&p.Out[p.Id][n]) // where it lies: a copy would be allocated
	}
	p.Out[p.Id], p.sent[p.Id] = pool.Emptied(p.Out[p.Id]), 0
}
