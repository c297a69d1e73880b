package comet

import (
	"unsafe"

	"ccomet/reactor"
)

// subscriber is one waiting client: a cursor on a channel, and how it is to be
// written to. 32 bytes, and its connection's record beside. It has no queue:
// what it has not got yet is what its channel's history holds from its cursor
// on.
type subscriber struct {
	conn      uint32 // its connection's index
	roster    uint32 // 0 until its channel's home has answered
	next      uint32 // in the roster
	prev      uint32
	cursor    int32 // the number it wants next
	noop      int32 // the counter that a noop carries; of transportCComet its seat
	cbAt      uint32
	flags     uint16
	cbLen     uint8
	transport transport
}

const (
	subBehind  uint16 = 1 << iota // a write was short: it goes on from its cursor when it has drained
	subAsking                     // its channel's home owes it an answer: to its joining, or what it has missed
	subClose                      // HTTP: the connection ends with the response
	subOld                        // HTTP/1.0: no chunks
	subTell                       // it is to be told its channel's epoch with the first that it hears of it
	subSayLost                    // it wants to be told of messages that are gone
	subGone                       // the client has ended its side: it is not going to wait (endGone)
	subHead                       // it stands for its members (bundle.go)
	subMember
)

var _ [32]byte = [unsafe.Sizeof(subscriber{})]byte{}

func (sub *subscriber) has(flag uint16) bool { return sub.flags&flag != 0 }
func (sub *subscriber) callback() name       { return name{sub.cbAt, sub.cbLen} }
func (sub *subscriber) poll() bool           { return sub.transport.row().poll }

// How a subscriber comes and goes:
//
//  1. newSub, subscribe: the request is good. A record is taken, the connection
//     paused, and the channel's home asked (mailJoin).
//  2. joined: the home's answer. A poll that can be answered at once is; any
//     other subscriber is linked into the channel's roster on this loop, and
//     sent the head of its response with the backlog.
//  3. The pump writes what is published (pump.go), the timer noops.
//  4. A short write leaves it behind: the pump passes it over. Once it has
//     drained, the home is asked for what it has missed (mailCatchUp), and it
//     goes on from there (caughtUp).
//  5. endSub: the response has ended or the connection is gone. The home is
//     told (mailLeave).
//
// With several channels on a connection each has a record of its own, that goes
// the same way (bundle.go).

// enter makes a connection a subscriber to what it wants, and asks for that; false: no
// record is free.
func (s *shard) enter(c reactor.Conn, cb []byte, sub subscriber, wants []want) bool {
	i := s.newSub(c, cb, sub, wants)
	if i != 0 {
		s.subscribeAll(i, c, wants)
	}
	return i != 0
}

// newSub makes a connection a subscriber to what it wants; 0: no record is free.
func (s *shard) newSub(c reactor.Conn, cb []byte, sub subscriber, wants []want) uint32 {
	i := s.subs.Alloc()
	if i == 0 {
		return 0
	}
	sub.conn = c.Index()
	*s.subs.At(i) = sub
	if len(wants) == 1 {
		s.subs.At(i).begin(&wants[0])
	} else if !s.newMembers(i, wants) {
		s.endSub(i)
		return 0
	}
	if len(cb) > 0 {
		at := s.callbacks.put(cb)
		if at.at == 0 {
			s.endSub(i)
			return 0
		}
		s.subs.At(i).cbAt, s.subs.At(i).cbLen = at.at, at.len
	}
	s.setState(c, stateWaiting, i)
	s.loop.Pause(c)
	s.loop.SetTimer(c, s.cfg.RequestTimeout)
	return i
}

// begin sets a subscriber to what it wants of its channel.
func (sub *subscriber) begin(w *want) {
	sub.cursor = w.seq
	if w.tell {
		sub.flags |= subTell
	}
}

// subscribeAll asks for each channel that is wanted. A refusal may end the
// response, and with it the connection's subscriber. A poll of several ends with
// the first that has something, so each time another is asked, and the rest when
// that has answered: a busy channel does not keep the others from it for ever.
func (s *shard) subscribeAll(owner uint32, c reactor.Conn, wants []want) {
	var members [MaxBundle]uint32
	n := 0
	for i := s.first(owner); i != 0; i = s.following(i) {
		members[n] = i
		n++
	}
	start := 0
	if n > 1 && s.subs.At(owner).poll() {
		start = int(s.rng.next() % uint64(n))
	}
	for k := range n {
		i, w := members[(start+k)%n], &wants[(start+k)%n]
		if w.over() {
			continue
		}
		m := s.joinMail(i, c, w)
		switch {
		case k > 0 && s.subs.At(owner).poll():
			s.laterJoins[owner] = append(s.laterJoins[owner], m)
		default:
			s.subscribe(&m)
		}
		if what, _ := s.state(c); what != stateWaiting {
			return
		}
	}
}

// joinMail is what asks a channel's home to have subscriber i from its place on.
func (s *shard) joinMail(i uint32, c reactor.Conn, w *want) mail {
	sub := s.subs.At(i)
	m := mail{kind: mailJoin, conn: c, slot: i, seq: w.seq, ref: ref{gen: w.epoch}}
	if w.place {
		m.flag |= joinPlace
	}
	if sub.poll() {
		m.flag |= joinPoll
	}
	if sub.has(subSayLost) {
		m.flag |= joinSayLost
	}
	if s.cfg.Auth == AuthToken {
		m.flag |= joinExist
	}
	m.buf, m.nlen = nameBuffer(w.cname), uint8(len(w.cname))
	if len(w.token) == tokenLen {
		m.buf.B = append(m.buf.B, w.token...)
	}
	return m
}

func (s *shard) subscribe(m *mail) {
	s.subs.At(m.slot).flags |= subAsking
	s.send(s.homes.of(m.cname()), *m)
}

// subscribeRest asks for the channels of a poll that have not been asked yet.
func (s *shard) subscribeRest(owner uint32) {
	for _, m := range s.laterJoins[owner] {
		s.subscribe(&m)
	}
	delete(s.laterJoins, owner)
}

// answeredSub takes the subscriber that an answer of a channel's home is for; false:
// it has gone meanwhile, and its record is free now.
func (s *shard) answeredSub(i uint32) bool {
	sub := s.subs.At(i)
	sub.flags &^= subAsking
	if sub.conn == 0 {
		s.subs.Free(i)
		return false
	}
	return true
}

// joined takes the home's answer to a subscription.
func (s *shard) joined(m *mail) {
	i := m.slot
	if !s.answeredSub(i) {
		s.unjoin(m)
		return
	}
	sub := s.subs.At(i)
	if !s.loop.Alive(m.conn) {
		s.unjoin(m)
		return
	}
	if m.flag&joinMember == 0 {
		if m.code != codeOK && m.code != codeMoved {
			s.refuseSub(i, m.code, m.cname())
			return
		}
		s.scratch = s.appendPoll(s.scratch[:0], i, m.cname(), m)
		s.finishPoll(i, s.scratch)
		return
	}
	roster := s.rosterFor(m)
	if roster == 0 {
		s.unjoin(m)
		s.refuseSub(i, codeNoMemory, nil)
		return
	}
	s.enlist(roster, i)
	s.heartbeat(m.conn)
	if sub.poll() {
		if m.flag&joinLost != 0 {
			s.loseBefore(m)
		}
		sub.cursor = m.seq
		if sub.has(subMember) {
			s.subscribeRest(s.owner(i))
		}
		s.endGone(s.owner(i), m.conn)
		return
	}
	b := &s.batch
	s.resetFor(b, i)
	if s.begins(i) {
		b.buf = s.appendStreamHead(b.buf, sub)
		b.head = len(b.buf)
	}
	if s.replayLeft <= 0 && m.n > 0 {
		m.seq, m.msg, m.n = firstOf(m), nil, 0
		m.flag |= joinMore // in its turn
	}
	s.replayInto(b, sub, s.rosterName(roster), m)
	s.writeReplay(i, b, m)
	s.endGone(s.owner(i), m.conn)
}

// unjoin has the home forget whom it has just counted.
func (s *shard) unjoin(m *mail) {
	if m.flag&joinMember != 0 {
		s.send(m.from, mail{kind: mailLeave, ref: m.ref, n: 1})
	}
}

func (sub *subscriber) framing() framing {
	f := framing(sub.transport) * 2
	if sub.has(subOld) {
		f++
	}
	return f
}
