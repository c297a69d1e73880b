package cluster

import (
	"slices"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/mail"
)

// loop connects one loop of the server with the log. Its methods are called on that loop's goroutine;
// other goroutines post mail to its inbox.
type loop struct {
	log       *Log
	id        uint8
	inbox     broker.Inbox
	interest  *interest
	unhandled window       // unsolicited mail that the loop has not handled yet
	departing []*partition // partitions with proposals of this turn
}

func newLoop(l *Log, id uint8, inbox broker.Inbox) *loop {
	return &loop{log: l, id: id, inbox: inbox, interest: new(interest), unhandled: window{room: newSignal()}}
}

// full reports whether any loop has a full window.
func (l *Log) full() bool {
	return slices.ContainsFunc(*l.loops.Load(), func(t *loop) bool { return t.unhandled.full() })
}

// posts collects mail for the loops; post sends it.
type posts struct {
	loops []*loop
	mail  [][]mail.Mail // by loop
	sizes [][]int32     // bytes of each unsolicited mail, by loop
}

func (l *Log) posts() *posts {
	s := new(posts)
	s.begin(l)
	return s
}

// begin prepares for mail to the present loops. Mail from before must have been posted.
func (s *posts) begin(l *Log) {
	if s.loops = *l.loops.Load(); len(s.mail) != len(s.loops) {
		s.mail, s.sizes = make([][]mail.Mail, len(s.loops)), make([][]int32, len(s.loops))
	}
}

func (s *posts) add(to *loop, m mail.Mail) { s.mail[to.id] = append(s.mail[to.id], m) }

// count adds unsolicited mail: the loop's window counts it until the loop has handled it.
func (s *posts) count(to *loop, m *mail.Mail) {
	size := mail.Bytes
	if m.Buf != nil {
		size += len(m.Buf.B)
	}
	if m.Msg != nil {
		size += m.Msg.Size()
	}
	s.add(to, *m)
	s.sizes[to.id] = append(s.sizes[to.id], int32(size))
}

// all adds unsolicited mail for every loop.
func (s *posts) all(m mail.Mail) {
	for _, to := range s.loops {
		s.count(to, &m)
	}
}

// post posts the collected mail, and returns whether there was any.
func (s *posts) post() (any bool) {
	for n, to := range s.loops {
		if len(s.mail[n]) == 0 {
			continue
		}
		to.unhandled.add(s.sizes[n])
		to.inbox.Post(s.mail[n]...)
		any = true
		clear(s.mail[n])
		if s.mail[n], s.sizes[n] = s.mail[n][:0], s.sizes[n][:0]; cap(s.mail[n]) > keepPosts {
			s.mail[n], s.sizes[n] = nil, nil
		}
	}
	return any
}

// keepPosts is the number of mails up to which a list's memory is kept.
const keepPosts = 256

// Propose requests a number for the message of an operation; for a broadcast, in every partition.
func (t *loop) Propose(m mail.Mail) {
	w := proposal{m: m, from: t, at: time.Now()}
	if m.Op != mail.OpBroadcast {
		t.offer(t.log.of(m.Cname()), &w)
		return
	}
	w.cast = &broadcast{left: len(t.log.partitions)}
	for _, p := range t.log.partitions {
		t.offer(p, &w)
	}
}

func (t *loop) offer(p *partition, w *proposal) {
	t.log.offer(p, w)
	if last := len(t.departing) - 1; last < 0 || t.departing[last] != p {
		t.departing = append(t.departing, p)
	}
}

// Flush publishes the proposals of this turn.
func (t *loop) Flush() {
	for _, p := range t.departing {
		if p.flush() {
			t.inbox.GiveWay()
		}
	}
	t.departing = t.departing[:0]
}

// Attach requests the state of a channel, and its history from number from on (0: none).
func (t *loop) Attach(channel mail.Ref, cname []byte, from int32) {
	t.Follow(cname)
	q := &t.log.of(cname).attaches
	if q.put(attachment{to: t, channel: channel, name: string(cname), history: from != 0, from: from}) {
		q.filled.tell()
		t.inbox.GiveWay()
	}
}

// Follow records that a channel is attached.
func (t *loop) Follow(cname []byte) {
	if t.interest.add(cname) {
		for _, r := range t.log.readers {
			r.wake()
		}
	}
}

// Detach records that a channel is no longer attached.
func (t *loop) Detach(cname []byte) { t.interest.remove(cname) }

// Partition returns the partition of a channel.
func (t *loop) Partition(cname []byte) uint32 { return uint32(t.log.of(cname).id) }

// Taken records that the loop has handled n unsolicited mails.
func (t *loop) Taken(n int) { t.unhandled.taken(n) }
