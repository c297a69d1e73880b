package comet

import "ccomet/reactor"

// mailer is one loop's end of the mail: what it sends leaves when its turn ends,
// in order, with one lock and at most one wake for each loop that it is for.
// It belongs to the loop's goroutine, but for the inbox.
type mailer struct {
	id    uint8
	inbox *reactor.Mailbox[mail]
	all   []*mailer // of all loops
	out   [][]mail  // by loop; out[id] is for itself
	mails uint64    // received so far

	receive func(*mail) // takes what has come
}

// newMailer makes the next loop's end of the mail, of as many as all has room for.
func newMailer(all []*mailer, id uint8, loop *reactor.Loop, receive func(*mail)) *mailer {
	p := &mailer{id: id, inbox: reactor.NewMailbox[mail](loop), all: all, out: make([][]mail, len(all)), receive: receive}
	all[id] = p
	return p
}

// loops is how many there are.
func (p *mailer) loops() int { return len(p.all) }

// send queues a mail for a loop; it leaves when the turn ends.
func (p *mailer) send(to uint8, m mail) {
	m.from = p.id
	p.out[to] = append(p.out[to], m)
}

// sendAll queues a mail for each loop, this one included.
func (p *mailer) sendAll(m mail) {
	for to := range p.all {
		p.send(uint8(to), m)
	}
}

// flush sends what is queued for other loops.
func (p *mailer) flush() {
	for to := range p.out {
		if to == int(p.id) || len(p.out[to]) == 0 {
			continue
		}
		p.all[to].inbox.Post(p.out[to]...)
		p.out[to] = emptied(p.out[to])
	}
}

// pending says whether there is mail of this loop to itself.
func (p *mailer) pending() bool { return len(p.out[p.id]) > 0 }

// takeOwn receives the mail of this loop to itself, and what that brings.
func (p *mailer) takeOwn() {
	for n := 0; n < len(p.out[p.id]); n++ {
		p.receive(&p.out[p.id][n]) // where it lies: a copy would be allocated
	}
	p.out[p.id] = emptied(p.out[p.id])
}
