package hub

import (
	"errors"
	"unsafe"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
	"ccomet/reactor"
)

// Subscriber is one waiting client: a cursor on a channel, and how to write to the client.
// 32 bytes, and its connection's record beside. It has no queue: what it has not got yet
// is in its channel's history, from its cursor on.
type Subscriber struct {
	Conn        uint32 // index of its connection
	Roster      uint32 // 0 until its channel's home has answered
	Next        uint32 // next in the roster
	prev        uint32 // see overlay.go
	Cursor      int32  // number of the message that it gets next
	count       int32  // see overlay.go
	link        uint32 // see overlay.go
	Flags       uint16
	callbackLen uint8
	Transport   frame.Transport
}

const (
	SubBehind         uint16 = 1 << iota // a write was short, or its backlog is long: it must catch up from its cursor
	subAsking                            // its channel's home owes an answer: to its joining, or what it has missed
	SubCloseAfter                        // HTTP: the connection closes after the response
	SubHTTP10                            // HTTP/1.0: no chunks
	subTell                              // its next message must contain its channel's epoch
	SubSayLost                           // the client asked to be told if messages are lost
	subGone                              // the client has ended its side: it does not wait (endGone)
	subBegun                             // the head of its response is written
	SubMember                            // it belongs to a bundle (bundle.go)
	subHead                              // as the first
	subLast                              // as the last
	subOver                              // it waits for nothing more: a member, or a WebSocket without channels
	SubMayPublish                        // the client of a WebSocket may publish, if ws-publish is set
	subTokenPublishes                    // the token that it brought permits publishing to its channel
	subOwesAck                           // not all was acknowledged when its last noop was due (vanished)
)

var _ [32]byte = [unsafe.Sizeof(Subscriber{})]byte{}

// subscribers are the subscribers of a loop. Those of one connection are linked
// (bundle.go).
type subscribers struct {
	reactor.Slab[Subscriber]
	callbacks record.Names // names of JSONP callbacks
}

// begin prepares an empty table, in an arena, which may be nil.
func (t *subscribers) begin(a *reactor.Arena) {
	t.In(a)
	t.callbacks.In(a)
}

// resume continues with the subscribers of another program.
func (t *subscribers) resume(a *reactor.Arena, st *Handover) error {
	return errors.Join(t.Resume(a, st.Subs), t.callbacks.Resume(a, st.Callbacks))
}

func (t *subscribers) release() {
	t.Release()
	t.callbacks.Release()
}

func (sub *Subscriber) Has(flag uint16) bool { return sub.Flags&flag != 0 }
func (sub *Subscriber) poll() bool           { return sub.Transport.Row().Poll }

// How a subscriber comes and goes:
//
//  1. newSub, subscribe: the request is valid. A record is allocated, the connection is
//     paused, and the channel's home is asked (mail.Join).
//  2. Joined: the home has answered. A poll that can be answered at once is answered. Any
//     other subscriber is linked into the channel's roster on this loop, and is sent the
//     head of its response with the backlog.
//  3. The pump writes what is published (pump.go), the timer writes noops.
//  4. A short write leaves it behind: the pump skips it. When it has drained, the home is
//     asked for what it has missed (mail.CatchUp), and it continues from there (CaughtUp).
//  5. endSub: the response has ended, or the connection is gone. The home is told
//     (mail.Leave).
//
// With several channels on a connection, each has a record of its own that goes the same
// way (bundle.go).

// Enter makes a connection a subscriber of topics, and asks the channels' homes; false: no
// record is free.
func (h *Hub) Enter(c reactor.Conn, cb []byte, sub Subscriber, wants []Topic) bool {
	i := h.newSub(c, cb, sub, wants)
	if i != 0 && len(wants) > 0 { // a WebSocket may begin without any
		h.subscribeAll(i, c, wants)
	}
	return i != 0
}

// newSub makes a connection a subscriber of topics; 0: no record is free.
func (h *Hub) newSub(c reactor.Conn, cb []byte, sub Subscriber, wants []Topic) uint32 {
	i := h.Subs.Alloc()
	if i == 0 {
		return 0
	}
	if sub.Conn = c.Index(); sub.socket() {
		sub.Flags |= subBegun // the web has written its head
	}
	*h.Subs.At(i) = sub
	if len(wants) > 0 {
		h.Subs.At(i).begin(&wants[0])
	} else {
		h.Subs.At(i).Flags |= subOver
	}
	if len(wants) > 1 && !h.Subs.makeBundle(i, wants) || !h.Subs.keepCallback(h.Subs.At(i), cb) {
		h.endSub(i)
		return 0
	}
	if sub.socket() {
		h.Sockets.openSocket(i, c)
		return i
	}
	h.SetState(c, conn.Waiting, i)
	h.loop.Pause(c)
	h.loop.SetTimer(c, h.cfg.RequestTimeout)
	return i
}

// begin sets the topic of a subscriber.
func (sub *Subscriber) begin(w *Topic) {
	sub.Cursor = w.Seq
	if w.Tell {
		sub.Flags |= subTell
	}
}

// subscribeAll asks the home of each channel that is wanted. A refusal may end the
// response, and with it the connection's subscriber. A poll of several channels ends with
// the first that has something. So it asks a random one first, and the rest when that has
// answered: a busy channel does not keep the others from it for ever.
func (h *Hub) subscribeAll(owner uint32, c reactor.Conn, wants []Topic) {
	var members [MaxBundle]uint32
	n := 0
	for i := owner; i != 0; i = h.Subs.following(i) {
		members[n] = i
		n++
	}
	start := 0
	if n > 1 && h.Subs.At(owner).poll() {
		start = int(h.Rng.Next() % uint64(n))
	}
	for k := range n {
		i, w := members[(start+k)%n], &wants[(start+k)%n]
		if w.Over() {
			continue
		}
		m := h.joinMail(i, c, w)
		switch {
		case k > 0 && h.Subs.At(owner).poll():
			h.Subs.At(i).setLaterJoin(h.laterJoins.put(m))
		default:
			h.subscribe(&m)
		}
		if what, _ := h.State(c); what != conn.Waiting && what != conn.WebSocket {
			return
		}
	}
}

// joinMail returns the mail that asks a channel's home to add subscriber i, from its place
// on.
func (h *Hub) joinMail(i uint32, c reactor.Conn, w *Topic) mail.Mail {
	sub := h.Subs.At(i)
	m := mail.OfSubscriber(mail.Join, c, i)
	m.Seq = w.Seq
	m.SetEpoch(w.Epoch)
	if w.Place {
		m.Flag |= mail.FlagPlace
	}
	if sub.poll() {
		m.Flag |= mail.FlagPoll
	}
	if sub.Has(SubSayLost) {
		m.Flag |= mail.FlagSayLost
	}
	if h.cfg.Tokens {
		m.Flag |= mail.FlagExist
	}
	m.Buf, m.Nlen = pool.NameBuffer(w.Cname), uint8(len(w.Cname))
	if len(w.Token) == token.Len {
		m.Buf.B = append(m.Buf.B, w.Token...)
		if sub.socket() {
			m.Flag |= mail.FlagPublish
		}
	}
	return m
}

func (h *Hub) subscribe(m *mail.Mail) {
	h.Subs.At(m.Subscriber()).Flags |= subAsking
	h.Send(h.homes.Of(m.Cname()), *m)
}

// answeredSub handles the arrival of an answer of a channel's home; false: the subscriber
// has gone meanwhile, and its record is free now.
func (h *Hub) answeredSub(i uint32) bool {
	sub := h.Subs.At(i)
	sub.Flags &^= subAsking
	if sub.Conn == 0 {
		h.Subs.Free(i)
		return false
	}
	return true
}

// Joined handles the home's answer to a subscription.
func (h *Hub) Joined(m *mail.Mail) {
	i := m.Subscriber()
	if !h.answeredSub(i) {
		h.unjoin(m)
		return
	}
	sub := h.Subs.At(i)
	if !h.loop.Alive(m.Conn) {
		h.unjoin(m)
		return
	}
	if m.Flag&mail.FlagMember == 0 {
		if m.Code != mail.CodeOK && m.Code != mail.CodeMoved {
			h.refuseSub(i, m.Code, m.Cname())
			return
		}
		h.Scratch = h.appendPoll(h.Scratch[:0], i, m.Cname(), m)
		h.finishPoll(i, h.Scratch)
		return
	}
	roster := h.Rosters.of(m)
	if roster == 0 {
		h.unjoin(m)
		h.refuseSub(i, mail.CodeNoMemory, h.homes.Name(m.From, m.Name))
		return
	}
	h.enlist(roster, i)
	h.heartbeat(m.Conn)
	if sub.poll() {
		if m.Flag&mail.FlagLost != 0 {
			h.countLostBefore(m)
		}
		sub.Cursor = m.Seq
		if sub.Has(SubMember) {
			h.subscribeRest(h.Subs.owner(i))
		}
		h.endGone(h.Subs.owner(i), m.Conn)
		return
	}
	b := &h.Batch
	h.resetFor(b, i)
	if h.Subs.begins(i) {
		b.Buf = h.appendStreamHead(b.Buf, sub)
		b.Head = len(b.Buf)
	}
	if h.Replays.Left <= 0 && m.N > 0 {
		m.Seq, m.Msg, m.N = firstOf(m), nil, 0
		m.Flag |= mail.FlagMore // it is queued below
	}
	if sub.socket() {
		h.Sockets.tellJoined(b, sub, h.Rosters.name(roster), m)
	}
	h.replayInto(b, sub, h.Rosters.name(roster), m)
	h.writeReplay(i, b, m)
	if sub.socket() {
		h.Sockets.readOn(h.Subs.owner(i), m.Conn)
	}
	h.endGone(h.Subs.owner(i), m.Conn)
}

// unjoin makes the home no longer count the subscriber that it has just counted.
func (h *Hub) unjoin(m *mail.Mail) {
	if m.Flag&mail.FlagMember != 0 {
		h.Send(m.From, mail.Left(m.Ref, 1))
	}
}

func (sub *Subscriber) framing() frame.Framing {
	return frame.FramingOf(sub.Transport, sub.Has(SubHTTP10))
}
