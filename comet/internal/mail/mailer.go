package mail

import (
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

	receive func(*Mail) // takes what has come
}

// NewMailer makes the next loop's end of the mail, of as many as all has room for.
func NewMailer(all []*Mailer, id uint8, loop *reactor.Loop, receive func(*Mail)) *Mailer {
	p := &Mailer{Id: id, Inbox: reactor.NewMailbox[Mail](loop), all: all, Out: make([][]Mail, len(all)), receive: receive}
	all[id] = p
	return p
}

// Loops is how many there are.
func (p *Mailer) Loops() int { return len(p.all) }

// Send queues a mail for a loop; it leaves when the turn ends.
func (p *Mailer) Send(to uint8, m Mail) {
	m.From = p.Id
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
		p.all[to].Inbox.Post(p.Out[to]...)
		p.Out[to] = pool.Emptied(p.Out[to])
	}
}

// Pending says whether there is mail of this loop to itself.
func (p *Mailer) Pending() bool { return len(p.Out[p.Id]) > 0 }

// TakeOwn receives the mail of this loop to itself, and what that brings.
func (p *Mailer) TakeOwn() {
	for n := 0; n < len(p.Out[p.Id]); n++ {
		p.receive(&p.Out[p.Id][n]) // where it lies: a copy would be allocated
	}
	p.Out[p.Id] = pool.Emptied(p.Out[p.Id])
}
