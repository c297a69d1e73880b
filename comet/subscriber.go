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
func (h *hub) enter(c reactor.Conn, cb []byte, sub subscriber, wants []want) bool {
	i := h.newSub(c, cb, sub, wants)
	if i != 0 {
		h.subscribeAll(i, c, wants)
	}
	return i != 0
}

// newSub makes a connection a subscriber to what it wants; 0: no record is free.
func (h *hub) newSub(c reactor.Conn, cb []byte, sub subscriber, wants []want) uint32 {
	i := h.subs.Alloc()
	if i == 0 {
		return 0
	}
	sub.conn = c.Index()
	*h.subs.At(i) = sub
	if len(wants) == 1 {
		h.subs.At(i).begin(&wants[0])
	} else if !h.newMembers(i, wants) {
		h.endSub(i)
		return 0
	}
	if len(cb) > 0 {
		at := h.callbacks.put(cb)
		if at.at == 0 {
			h.endSub(i)
			return 0
		}
		h.subs.At(i).cbAt, h.subs.At(i).cbLen = at.at, at.len
	}
	h.setState(c, stateWaiting, i)
	h.loop.Pause(c)
	h.loop.SetTimer(c, h.cfg.RequestTimeout)
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
func (h *hub) subscribeAll(owner uint32, c reactor.Conn, wants []want) {
	var members [MaxBundle]uint32
	n := 0
	for i := h.first(owner); i != 0; i = h.following(i) {
		members[n] = i
		n++
	}
	start := 0
	if n > 1 && h.subs.At(owner).poll() {
		start = int(h.rng.next() % uint64(n))
	}
	for k := range n {
		i, w := members[(start+k)%n], &wants[(start+k)%n]
		if w.over() {
			continue
		}
		m := h.joinMail(i, c, w)
		switch {
		case k > 0 && h.subs.At(owner).poll():
			h.laterJoins[owner] = append(h.laterJoins[owner], m)
		default:
			h.subscribe(&m)
		}
		if what, _ := h.state(c); what != stateWaiting {
			return
		}
	}
}

// joinMail is what asks a channel's home to have subscriber i from its place on.
func (h *hub) joinMail(i uint32, c reactor.Conn, w *want) mail {
	sub := h.subs.At(i)
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
	if h.cfg.Tokens {
		m.flag |= joinExist
	}
	m.buf, m.nlen = nameBuffer(w.cname), uint8(len(w.cname))
	if len(w.token) == tokenLen {
		m.buf.B = append(m.buf.B, w.token...)
	}
	return m
}

func (h *hub) subscribe(m *mail) {
	h.subs.At(m.slot).flags |= subAsking
	h.send(h.homes.of(m.cname()), *m)
}

// subscribeRest asks for the channels of a poll that have not been asked yet.
func (h *hub) subscribeRest(owner uint32) {
	for _, m := range h.laterJoins[owner] {
		h.subscribe(&m)
	}
	delete(h.laterJoins, owner)
}

// answeredSub takes the subscriber that an answer of a channel's home is for; false:
// it has gone meanwhile, and its record is free now.
func (h *hub) answeredSub(i uint32) bool {
	sub := h.subs.At(i)
	sub.flags &^= subAsking
	if sub.conn == 0 {
		h.subs.Free(i)
		return false
	}
	return true
}

// joined takes the home's answer to a subscription.
func (h *hub) joined(m *mail) {
	i := m.slot
	if !h.answeredSub(i) {
		h.unjoin(m)
		return
	}
	sub := h.subs.At(i)
	if !h.loop.Alive(m.conn) {
		h.unjoin(m)
		return
	}
	if m.flag&joinMember == 0 {
		if m.code != codeOK && m.code != codeMoved {
			h.refuseSub(i, m.code, m.cname())
			return
		}
		h.scratch = h.appendPoll(h.scratch[:0], i, m.cname(), m)
		h.finishPoll(i, h.scratch)
		return
	}
	roster := h.rosterFor(m)
	if roster == 0 {
		h.unjoin(m)
		h.refuseSub(i, codeNoMemory, nil)
		return
	}
	h.enlist(roster, i)
	h.heartbeat(m.conn)
	if sub.poll() {
		if m.flag&joinLost != 0 {
			h.loseBefore(m)
		}
		sub.cursor = m.seq
		if sub.has(subMember) {
			h.subscribeRest(h.owner(i))
		}
		h.endGone(h.owner(i), m.conn)
		return
	}
	b := &h.batch
	h.resetFor(b, i)
	if h.begins(i) {
		b.buf = h.appendStreamHead(b.buf, sub)
		b.head = len(b.buf)
	}
	if h.replayLeft <= 0 && m.n > 0 {
		m.seq, m.msg, m.n = firstOf(m), nil, 0
		m.flag |= joinMore // in its turn
	}
	h.replayInto(b, sub, h.rosterName(roster), m)
	h.writeReplay(i, b, m)
	h.endGone(h.owner(i), m.conn)
}

// unjoin has the home forget whom it has just counted.
func (h *hub) unjoin(m *mail) {
	if m.flag&joinMember != 0 {
		h.send(m.from, mail{kind: mailLeave, ref: m.ref, n: 1})
	}
}

func (sub *subscriber) framing() framing {
	f := framing(sub.transport) * 2
	if sub.has(subOld) {
		f++
	}
	return f
}
