package hub

import (
	"strconv"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// A WebSocket is a connection whose subscriber stays as long as the connection, even while it
// waits for no channel. Its messages are delivered like those of any other endless response.
// It differs in these points:
//
//   - Its head (101) is written before its channels' homes are asked. If a channel is refused
//     or closed, the client is told so, and the connection stays.
//   - Nothing is read from it while a channel's home has not answered. So the client's next
//     operation finds each of its channels subscribed or refused.
//   - Its noops are pings. A client that has sent nothing at all, pongs included, for two
//     polling timeouts is gone, and is cut.
//   - It ends with a Close frame, if its client can be written to.

// sockets manages the subscribers of a loop that are WebSockets.
type sockets struct {
	*Hub
	Answering int // WebSockets for which TakeAnswers has answers

	before hearingBefore
}

// hearingBefore is the value of hearing in another program, at a tick, and that program's
// polling timeout in ticks. The timeout still holds for that long: within it each client is
// sent a ping.
type hearingBefore struct {
	was     uint8
	at      reactor.Tick
	timeout uint64
}

// socket reports whether the subscriber is a WebSocket's.
func (sub *Subscriber) socket() bool { return sub.Transport.Row().Sockets }

// openSocket starts a WebSocket. Its channels' homes are asked next.
func (k *sockets) openSocket(owner uint32, c reactor.Conn) {
	k.SetState(c, conn.WebSocket, owner)
	k.Heard(owner)
	k.Subs.At(owner).setBucket(uint32(k.loop.Now().UnixNano() >> bucketShift)) // a full bucket
	k.heartbeat(c)
	if !k.Subs.At(owner).Has(subOver) {
		k.loop.Pause(c)
	}
}

// write writes messages to a subscriber, together with the answers that wait for its
// connection: a client that publishes to a channel of its own gets both.
func (k *sockets) write(sub *Subscriber, messages []byte) (n int, err error) {
	if k.Answering == 0 || !sub.socket() {
		return k.loop.TryWriteAt(sub.Conn, messages)
	}
	c := k.loop.ConnAt(sub.Conn)
	answers := k.web.TakeAnswers(c)
	if len(answers) == 0 {
		return k.loop.TryWriteAt(sub.Conn, messages)
	}
	k.Scratch = append(append(k.Scratch[:0], answers...), messages...)
	if n, err = k.loop.TryWriteAt(sub.Conn, k.Scratch); err != nil {
		return 0, err
	}
	if n < len(answers) {
		return 0, k.loop.Write(c, answers[n:])
	}
	return n - len(answers), nil
}

// Joining reports whether a channel's home has not answered yet.
func (k *sockets) Joining(owner uint32) bool {
	for i := owner; i != 0; i = k.Subs.following(i) {
		if sub := k.Subs.At(i); sub.Has(subAsking) && sub.Roster == 0 {
			return true
		}
	}
	return false
}

// readOn reads from a WebSocket again when all channels' homes have answered.
func (k *sockets) readOn(owner uint32, c reactor.Conn) {
	if k.Subs.At(owner).socket() && !k.Joining(owner) && !k.loop.Blocked(c) {
		k.loop.Resume(c)
	}
}

// hearings is the number of steps in a polling timeout, for the time when a client was last
// heard. It is small enough that three timeouts fit into 8 bits, so that a silence of two is
// recognised.
const hearings = 64

func (k *sockets) hearing() uint8 {
	b, passed := &k.before, uint64(k.loop.Tick()-k.before.at)
	if passed < b.timeout {
		return b.was + uint8(passed*hearings/b.timeout)
	}
	timeout := max(uint64(k.cfg.PollingTimeout/reactor.TickLength), 1)
	steps := (passed - b.timeout) * hearings / timeout
	if b.timeout > 0 {
		steps += hearings
	}
	return b.was + uint8(steps)
}

// resumeHearing continues the count of another program.
func (k *sockets) resumeHearing(st *Handover) {
	if st.PollingTimeout > 0 {
		k.before = hearingBefore{st.Hearing, k.loop.Tick(), max(uint64(st.PollingTimeout/reactor.TickLength), 1)}
	}
}

// Heard records that a WebSocket's client has sent something.
func (k *sockets) Heard(owner uint32) { k.Subs.At(owner).setHeard(k.hearing()) }

// silence returns how many steps are left until a client has been silent for two polling
// timeouts.
func (k *sockets) silence(sub *Subscriber) int { return 2*hearings - int(k.hearing()-sub.heard()) }

// Take takes one message from the rate of a WebSocket's client, which is messages in a
// second; false: the rate is used up.
func (k *sockets) Take(owner uint32, rate int) bool {
	sub := k.Subs.At(owner)
	// The bucket has 32 bits: time in steps of 4 microseconds, which wrap around after 5
	// hours. A client that answers pings takes from it more often.
	now := k.loop.Now().UnixNano()
	ahead := int64(int32(sub.bucket()-uint32(now>>bucketShift))) << bucketShift
	full, _, ok := limit.Rate(rate).Take(now+max(ahead, 0), now)
	if ok {
		sub.setBucket(uint32(full >> bucketShift))
	}
	return ok
}

const bucketShift = 12 // a step is 2^12 nanoseconds

// beatSocket sends a ping, or cuts a client that has gone.
func (k *sockets) beatSocket(sub *Subscriber, c reactor.Conn) {
	left := k.silence(sub)
	if left <= 0 {
		k.loop.Close(c)
		return
	}
	k.Tally.heartbeats++
	k.heartbeat(c)
	if end := time.Duration(left) * k.cfg.PollingTimeout / hearings; left < hearings {
		if next, armed := k.loop.TimeLeft(c); armed && end < next {
			k.loop.SetTimer(c, end)
		}
	}
	_ = k.loop.Write(c, pingFrame)
	if k.loop.Blocked(c) {
		k.loop.SetTimer(c, k.loop.WriteTime(c))
	}
}

var pingFrame = websocket.AppendFrame(nil, websocket.Ping, nil)

// drainSocket tells a WebSocket's client to come back when the server has stopped, and closes
// it.
func (k *sockets) drainSocket(owner uint32, c reactor.Conn) {
	k.Object = append(k.Object[:0], `{"type":"retry","content":"`...)
	k.Object = append(strconv.AppendInt(k.Object, k.leaveTime(), 10), `"}`...)
	k.Scratch = frame.AppendFrame(k.Scratch[:0], k.Subs.At(owner).framing(), k.Object, frame.NoEventID)
	_ = k.loop.Write(c, k.Scratch) // the loop reports a lost connection to Closed
	k.web.CloseSocket(c, websocket.ServiceRestart, Stopping)
}

// tooSlow is the reason for which a WebSocket is closed if its client does not read. The
// Close frame follows what is held, and the client has as long again to read that. Then it
// knows why, and comes back with its cursors.
const tooSlow = "the client does not read what it is sent"

// LetGo frees the records of a WebSocket that has ended.
func (k *sockets) LetGo(owner uint32) { k.endSub(owner) }

// MayPublish reports whether the client of a WebSocket may publish, if clients may at all.
// TokenPublishes reports whether it may publish to the channel of one subscription in any
// case.
func (k *sockets) MayPublish(owner uint32) bool     { return k.Subs.At(owner).Has(SubMayPublish) }
func (k *sockets) TokenPublishes(topic uint32) bool { return k.Subs.At(topic).Has(subTokenPublishes) }

// Deflates reports whether a WebSocket's client may send compressed messages.
func (k *sockets) Deflates(owner uint32) bool { return k.Subs.At(owner).Transport.Row().Deflate }

// Topics returns how many channels a WebSocket waits for.
func (k *sockets) Topics(owner uint32) (n int) {
	for i := owner; i != 0; i = k.Subs.following(i) {
		if !k.Subs.At(i).Has(subOver) {
			n++
		}
	}
	return n
}

// FindTopic returns the subscription of a WebSocket to a channel, 0 if it has none. It must
// not be called while a channel's home has not answered.
func (k *sockets) FindTopic(owner uint32, cname []byte) uint32 {
	for i := owner; i != 0; i = k.Subs.following(i) {
		if sub := k.Subs.At(i); sub.Roster != 0 && string(k.Rosters.name(sub.Roster)) == string(cname) {
			return i
		}
	}
	return 0
}

// AddTopic adds a channel to a WebSocket, and reads nothing from it until the channel's home
// has answered; false: no record is free.
func (k *sockets) AddTopic(owner uint32, c reactor.Conn, to *Topic, sayLost bool) bool {
	i := k.newTopic(owner)
	if i == 0 {
		return false
	}
	sub := k.Subs.At(i)
	if sub.Flags &^= SubSayLost | subTell | subTokenPublishes; sayLost {
		sub.Flags |= SubSayLost
	}
	sub.begin(to)
	m := k.joinMail(i, c, to)
	k.subscribe(&m)
	k.loop.Pause(c)
	return true
}

// newTopic returns a record for another channel of a WebSocket; 0: none is free. A WebSocket
// that waits for no channel has a record already.
func (k *sockets) newTopic(owner uint32) uint32 {
	of := k.Subs.At(owner)
	if of.Has(subOver) {
		of.Flags &^= subOver
		return owner
	}
	i := k.Subs.Alloc()
	if i == 0 {
		return 0
	}
	sub := k.Subs.At(i)
	*sub = Subscriber{Conn: of.Conn, Transport: of.Transport, Flags: of.Flags & socketFlags}
	sub.makeMember(owner, k.Subs.following(owner))
	of.Flags |= SubMember | subHead
	of.setSecond(i)
	return i
}

// socketFlags are the flags of a WebSocket as a whole. Each of its subscribers has them.
const socketFlags = subBegun | SubMayPublish

// DropTopic ends a subscription of a WebSocket.
func (k *sockets) DropTopic(i uint32, c reactor.Conn) { k.endTopic(i, c) }

// appendJoined appends the answer to a sub.
func (k *sockets) appendJoined(dst []byte, sub *Subscriber, m *mail.Mail, cname []byte) []byte {
	dst = jsontext.AppendEscaped(append(dst, `{"type":"ok","cname":"`...), cname)
	dst = strconv.AppendInt(append(dst, `","seq":`...), int64(firstOf(m)), 10)
	dst = append(dst, '}')
	if sub.Has(subTell) {
		dst = record.TellLast(dst, m.Ref.Gen)
	}
	return dst
}

// tellJoined stores whether the client may publish. If the client waits for the answer to a
// sub, that is rendered before the rest of the home's answer.
func (k *sockets) tellJoined(b *frame.Batch, sub *Subscriber, cname []byte, m *mail.Mail) {
	if m.Flag&mail.FlagPublish != 0 {
		sub.Flags |= subTokenPublishes
	}
	object, asked := k.web.AnswerJoin(m.Conn, k.appendJoined(k.Object[:0], sub, m, cname), true)
	k.Object = object
	if !asked {
		return
	}
	if m.Code == mail.CodeMoved { // the number in the answer says so
		m.Code = mail.CodeOK
	}
	sub.Flags &^= subTell
	b.Tell = false
	b.AppendPreface(object, 0)
}

// endTopic ends one of a WebSocket's subscriptions.
func (k *sockets) endTopic(i uint32, c reactor.Conn) {
	switch sub := k.Subs.At(i); {
	case sub.Has(SubMember):
		k.unlinkMember(i, c)
		k.endRecord(i)
	case sub.Has(subAsking): // the home's answer will name this record, so the connection gets another one
		left := k.Subs.Alloc()
		if left == 0 {
			k.web.CloseSocket(c, websocket.TryAgainLater, ErrNoMemory.Reason)
			return
		}
		*k.Subs.At(left) = sub.withoutTopic()
		k.SetState(c, conn.WebSocket, left)
		k.endRecord(i)
	default:
		k.notBehind(sub)
		if sub.Roster != 0 {
			k.delist(sub.Roster, i)
		}
		*sub = sub.withoutTopic()
	}
}

// withoutTopic returns the record of a WebSocket that no longer waits for any channel.
func (sub *Subscriber) withoutTopic() Subscriber {
	return Subscriber{Conn: sub.Conn, Transport: sub.Transport, Flags: sub.Flags&socketFlags | subOver, count: sub.count, callbackLen: sub.callbackLen}
}

// unlinkMember removes a member from its bundle. If one is left, it is no bundle any more. If
// the head is removed, the second becomes the head.
func (k *sockets) unlinkMember(i uint32, c reactor.Conn) {
	head, next := k.Subs.owner(i), k.Subs.following(i)
	of := k.Subs.At(head)
	switch before := head; {
	case i == head:
		first := k.Subs.At(next)
		behind := first.nextMember()
		first.setBucket(of.bucket())
		first.setHeard(of.heard())
		first.Flags = first.Flags&^subLast | subHead | of.Flags&socketFlags
		first.setSecond(behind)
		for m := behind; m != 0; m = k.Subs.following(m) {
			k.Subs.At(m).setHead(next)
		}
		k.SetState(c, conn.WebSocket, next)
		of = first
	case of.second() == i:
		of.setSecond(next)
	default:
		for before = of.second(); k.Subs.following(before) != i; {
			before = k.Subs.following(before)
		}
		k.Subs.At(before).setNextMember(next)
		if next == 0 {
			k.Subs.At(before).Flags |= subLast
		}
	}
	if of.second() == 0 {
		of.Flags &^= SubMember | subHead
	}
}
