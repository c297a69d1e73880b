package hub

import (
	"strconv"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// A WebSocket is a connection whose subscriber stays while the connection does, be it that
// it waits for no channel. Its messages are delivered like those of any other endless
// response. What is different:
//
//   - Its head (101) is written before its channels' homes are asked. A channel that is
//     refused or closed is told, and the connection stays.
//   - Nothing is read of it while a channel's home is to answer, so what its client asks
//     next finds each of its channels subscribed or refused.
//   - Its noops are pings. A client that has sent nothing at all, pongs included, for two
//     polling timeouts is gone, and is cut.
//   - It ends with a Close frame, where its client can be written to.

// Sockets are what a hub does for subscribers that are WebSockets.
type Sockets struct{ *Hub }

func (h *Hub) Sockets() Sockets { return Sockets{h} }

// socket says whether it is a WebSocket's.
func (sub *Subscriber) socket() bool { return sub.Transport.Row().Sockets }

// openSocket begins a WebSocket, whose channels are asked for next.
func (h Sockets) openSocket(owner uint32, c reactor.Conn) {
	h.SetState(c, conn.WebSocket, owner)
	h.Heard(owner)
	h.Subs.At(owner).setBucket(uint32(h.loop.Now().UnixNano() >> bucketShift)) // full
	h.heartbeat(c)
	if !h.Subs.At(owner).Has(subOver) {
		h.loop.Pause(c)
	}
}

// write writes messages to a subscriber, in one go with the answers that wait for its
// connection: a client that publishes to a channel of its own has both.
func (h Sockets) write(sub *Subscriber, messages []byte) (n int, err error) {
	if h.Answering == 0 || !sub.socket() {
		return h.loop.TryWriteAt(sub.Conn, messages)
	}
	c := h.loop.ConnAt(sub.Conn)
	answers := h.web.TakeAnswers(c)
	if len(answers) == 0 {
		return h.loop.TryWriteAt(sub.Conn, messages)
	}
	h.Scratch = append(append(h.Scratch[:0], answers...), messages...)
	if n, err = h.loop.TryWriteAt(sub.Conn, h.Scratch); err != nil {
		return 0, err
	}
	if n < len(answers) {
		return 0, h.loop.Write(c, answers[n:])
	}
	return n - len(answers), nil
}

// Joining says whether a channel's home has not answered yet.
func (h Sockets) Joining(owner uint32) bool {
	for i := owner; i != 0; i = h.following(i) {
		if sub := h.Subs.At(i); sub.Has(subAsking) && sub.Roster == 0 {
			return true
		}
	}
	return false
}

// readOn has a WebSocket read again when all channels' homes have answered.
func (h Sockets) readOn(owner uint32, c reactor.Conn) {
	if h.Subs.At(owner).socket() && !h.Joining(owner) && !h.loop.Blocked(c) {
		h.loop.Resume(c)
	}
}

// hearings is how many steps a polling timeout has for when a client was last heard: few
// enough that three of them fit into 8 bits, of which two are told apart from less.
const hearings = 64

func (h Sockets) hearing() uint8 {
	timeout := max(uint64(h.cfg.PollingTimeout/reactor.TickLength), 1)
	return uint8(uint64(h.loop.Tick()) * hearings / timeout)
}

// Heard notes that a WebSocket's client has sent something.
func (h Sockets) Heard(owner uint32) { h.Subs.At(owner).setHeard(h.hearing()) }

// silence is how many steps of two polling timeouts a client has left to send something.
func (h Sockets) silence(sub *Subscriber) int { return 2*hearings - int(h.hearing()-sub.heard()) }

// Take takes one of the messages that a client may send in a second, and says whether there
// was one.
func (h Sockets) Take(owner uint32, rate int) bool {
	sub := h.Subs.At(owner)
	// The bucket has 32 bits: time in steps of 4 microseconds, which come round in 5 hours.
	// A client that answers pings takes from it oftener than that.
	now := h.loop.Now().UnixNano()
	ahead := int64(int32(sub.bucket()-uint32(now>>bucketShift))) << bucketShift
	full, _, ok := limit.Rate(rate).Take(now+max(ahead, 0), now)
	if ok {
		sub.setBucket(uint32(full >> bucketShift))
	}
	return ok
}

const bucketShift = 12 // of nanoseconds

// beatSocket sends a ping, or cuts a client that has gone.
func (h Sockets) beatSocket(sub *Subscriber, c reactor.Conn) {
	left := h.silence(sub)
	if left <= 0 {
		h.loop.Close(c)
		return
	}
	h.Tally.heartbeats++
	h.heartbeat(c)
	if end := time.Duration(left) * h.cfg.PollingTimeout / hearings; left < hearings {
		if next, armed := h.loop.TimeLeft(c); armed && end < next {
			h.loop.SetTimer(c, end)
		}
	}
	_ = h.loop.Write(c, pingFrame)
	if h.loop.Blocked(c) {
		h.loop.SetTimer(c, h.loop.WriteTime(c))
	}
}

var pingFrame = websocket.AppendFrame(nil, websocket.Ping, nil)

// drainSocket has a WebSocket's client come back when the server has stopped.
func (h Sockets) drainSocket(owner uint32, c reactor.Conn) {
	h.Object = append(h.Object[:0], `{"type":"retry","content":"`...)
	h.Object = append(strconv.AppendInt(h.Object, h.leaveTime(), 10), `"}`...)
	h.Scratch = frame.AppendFrame(h.Scratch[:0], h.Subs.At(owner).framing(), h.Object, frame.NoEventID)
	_ = h.loop.Write(c, h.Scratch) // the loop reports a lost connection to Closed
	h.web.CloseSocket(c, websocket.ServiceRestart, Stopping)
}

// tooSlow is why a WebSocket is closed whose client does not read. The Close frame stands
// behind what is held for it, and it has as long again to read that. Then it knows why, and
// comes back with its cursors.
const tooSlow = "the client does not read what it is sent"

// LetGo frees what belongs to a WebSocket that has ended.
func (h Sockets) LetGo(owner uint32) { h.endSub(owner) }

// MayPublish says whether the client of a WebSocket may publish.
func (h Sockets) MayPublish(owner uint32) bool { return h.Subs.At(owner).Has(SubMayPublish) }

// Deflates says whether what comes of a WebSocket may be compressed.
func (h Sockets) Deflates(owner uint32) bool { return h.Subs.At(owner).Transport.Row().Deflate }

// Topics is how many channels a WebSocket waits for.
func (h Sockets) Topics(owner uint32) (n int) {
	for i := owner; i != 0; i = h.following(i) {
		if !h.Subs.At(i).Has(subOver) {
			n++
		}
	}
	return n
}

// FindTopic is the subscription of a WebSocket to a channel, 0 if it has none. It must not be
// called while a channel's home is to answer.
func (h Sockets) FindTopic(owner uint32, cname []byte) uint32 {
	for i := owner; i != 0; i = h.following(i) {
		if sub := h.Subs.At(i); sub.Roster != 0 && string(h.rosterName(sub.Roster)) == string(cname) {
			return i
		}
	}
	return 0
}

// AddTopic has a WebSocket wait for one channel more, and reads nothing of it until the
// channel's home has answered; false: no record is free.
func (h Sockets) AddTopic(owner uint32, c reactor.Conn, to *Topic, sayLost bool) bool {
	i := h.newTopic(owner)
	if i == 0 {
		return false
	}
	sub := h.Subs.At(i)
	if sub.Flags &^= SubSayLost | subTell; sayLost {
		sub.Flags |= SubSayLost
	}
	sub.begin(to)
	m := h.joinMail(i, c, to)
	h.subscribe(&m)
	h.loop.Pause(c)
	return true
}

// newTopic is the record for one channel more of a WebSocket, 0 if none is free. One that
// waits for none has a record already.
func (h Sockets) newTopic(owner uint32) uint32 {
	of := h.Subs.At(owner)
	if of.Has(subOver) {
		of.Flags &^= subOver
		return owner
	}
	i := h.Subs.Alloc()
	if i == 0 {
		return 0
	}
	sub := h.Subs.At(i)
	*sub = Subscriber{Conn: of.Conn, Transport: of.Transport, Flags: of.Flags & socketFlags}
	sub.makeMember(owner, h.following(owner))
	of.Flags |= SubMember | subHead
	of.setSecond(i)
	return i
}

// socketFlags are those that are of a WebSocket as a whole. Each of its subscribers has them.
const socketFlags = subBegun | SubMayPublish

// DropTopic ends a subscription of a WebSocket.
func (h Sockets) DropTopic(i uint32, c reactor.Conn) { h.endTopic(i, c) }

// appendJoined appends the answer to a sub.
func (h Sockets) appendJoined(dst []byte, sub *Subscriber, m *mail.Mail, cname []byte) []byte {
	dst = msg.AppendEscaped(append(dst, `{"type":"ok","cname":"`...), cname)
	dst = strconv.AppendInt(append(dst, `","seq":`...), int64(firstOf(m)), 10)
	dst = append(dst, '}')
	if sub.Has(subTell) {
		dst = record.TellLast(dst, m.Ref.Gen)
	}
	return dst
}

// tellJoined renders the answer to the sub that the client waits for, if it does, in front of
// what the home's answer says.
func (h Sockets) tellJoined(b *frame.Batch, sub *Subscriber, cname []byte, m *mail.Mail) {
	object, asked := h.web.AnswerJoin(m.Conn, h.appendJoined(h.Object[:0], sub, m, cname), true)
	h.Object = object
	if !asked {
		return
	}
	if m.Code == mail.CodeMoved { // which the answer's number says
		m.Code = mail.CodeOK
	}
	sub.Flags &^= subTell
	b.Tell = false
	b.AppendPreface(object, 0)
}

// endTopic ends one of a WebSocket's subscriptions.
func (h Sockets) endTopic(i uint32, c reactor.Conn) {
	switch sub := h.Subs.At(i); {
	case sub.Has(SubMember):
		h.unlinkMember(i, c)
		h.endRecord(i)
	case sub.Has(subAsking): // the answer names this record, so the connection takes another
		left := h.Subs.Alloc()
		if left == 0 {
			h.web.CloseSocket(c, websocket.TryAgainLater, ErrNoMemory.Reason)
			return
		}
		*h.Subs.At(left) = sub.withoutTopic()
		h.SetState(c, conn.WebSocket, left)
		h.endRecord(i)
	default:
		h.notBehind(sub)
		if sub.Roster != 0 {
			h.delist(sub.Roster, i)
		}
		*sub = sub.withoutTopic()
	}
}

// withoutTopic is the record of a WebSocket that waits for no channel any more.
func (sub *Subscriber) withoutTopic() Subscriber {
	return Subscriber{Conn: sub.Conn, Transport: sub.Transport, Flags: sub.Flags&socketFlags | subOver, count: sub.count, callbackLen: sub.callbackLen}
}

// unlinkMember takes a member out of its bundle. The one that is left of two is a bundle no
// longer; behind the head, the second becomes the head.
func (h Sockets) unlinkMember(i uint32, c reactor.Conn) {
	head, next := h.owner(i), h.following(i)
	of := h.Subs.At(head)
	switch before := head; {
	case i == head:
		first := h.Subs.At(next)
		behind := first.nextMember()
		first.setBucket(of.bucket())
		first.setHeard(of.heard())
		first.Flags = first.Flags&^subLast | subHead | of.Flags&socketFlags
		first.setSecond(behind)
		for m := behind; m != 0; m = h.following(m) {
			h.Subs.At(m).setHead(next)
		}
		h.SetState(c, conn.WebSocket, next)
		of = first
	case of.second() == i:
		of.setSecond(next)
	default:
		for before = of.second(); h.following(before) != i; {
			before = h.following(before)
		}
		h.Subs.At(before).setNextMember(next)
		if next == 0 {
			h.Subs.At(before).Flags |= subLast
		}
	}
	if of.second() == 0 {
		of.Flags &^= SubMember | subHead
	}
}
