package hub

import (
	"strconv"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// What a stream has missed is sent from its channel's history, in parts:
//
//  1. The channel's home answers a subscription, or a question (mail.CatchUp), with the
//     next messages that are kept, up to mail.ReplayBytes of them, and whether there are
//     more (mail.FlagMore).
//  2. They are rendered and written (writeReplay). If there are more, or the write was
//     short, the subscriber is behind: the pump skips it.
//  3. It is queued (queue). Its channel's home is asked again when the turn has room for
//     the answer (Run). So a slow reader costs no more than what it is sent, and crowds
//     of clients that come back share the turns.
//
// If the answer to a subscription finds no room, its messages are ignored, and it is
// queued.

const (
	ReplayBudget = 1 << 20 // bytes rendered in a turn for subscribers that catch up
)

// replayer is a subscriber that must be sent what it has missed.
type replayer struct {
	sub  uint32
	conn reactor.Conn
}

// replays lets the subscribers of a loop that are behind catch up.
type replays struct {
	*Hub
	List []replayer // the queue
	Left int        // bytes that are left in the turn for them
}

// queue queues a subscriber that is behind.
func (k *replays) queue(i uint32, c reactor.Conn) { k.List = append(k.List, replayer{i, c}) }

// Run asks for what the queued subscribers have missed, as far as the turn has room for
// the answers.
func (k *replays) Run() {
	n := 0
	for room := k.Left / mail.ReplayBytes; n < len(k.List) && room > 0; n++ {
		if k.ask(k.List[n]) {
			room--
		}
	}
	if n == len(k.List) {
		k.List = pool.Emptied(k.List)
		return
	}
	k.List = append(k.List[:0], k.List[n:]...)
}

// ask asks a channel's home for what a subscriber has missed. It returns false if the
// subscriber is gone, or must not ask now.
func (k *replays) ask(r replayer) bool {
	sub := k.Subs.At(r.sub)
	if !k.loop.Alive(r.conn) || sub.Conn != r.conn.Index() || !sub.Has(SubBehind) || sub.Has(subAsking) || k.loop.Blocked(r.conn) {
		return false // if it is blocked, Drained queues it again
	}
	sub.Flags |= subAsking
	ro := k.Rosters.At(sub.Roster)
	m := mail.OfSubscriber(mail.CatchUp, r.conn, r.sub)
	m.Ref, m.Seq, m.Flag = ro.ref(), sub.Cursor, mail.FlagPlace
	k.Send(ro.Home, m)
	return true
}

// replayInto renders the home's answer: lost messages, if the client asked to be told,
// then the backlog, or that the client was moved.
func (h *Hub) replayInto(b *frame.Batch, sub *Subscriber, cname []byte, m *mail.Mail) {
	if m.Flag&mail.FlagLost != 0 {
		h.countLostBefore(m)
		if sub.Has(SubSayLost) {
			h.Object = appendLost(h.Object[:0], cname, m)
			b.AppendPreface(h.Object, firstOf(m)-1)
		}
	}
	if m.Code == mail.CodeMoved {
		h.Object = msg.AppendObject(h.Object[:0], msg.NextSeq, cname, m.Seq, "")
		b.AppendPreface(h.Object, m.Seq-1)
	}
	for message, n := m.Msg, m.N; n > 0; message, n = message.After(n), n-1 {
		b.Append(message, cname)
		if next := m.Behind(message, n); next != message.Seq+1 {
			h.countLost(message.Seq+1, next)
			if sub.Has(SubSayLost) {
				h.Object = frame.AppendSpan(h.Object[:0], cname, message.Seq+1, next)
				b.Extend(h.Object, next-1)
			}
		}
	}
}

// countLostBefore counts the messages that a subscriber has lost before what it is sent.
// How many are lost with another life of its channel is unknown: they count as one.
func (h *Hub) countLostBefore(m *mail.Mail) {
	if m.Flag&mail.FlagOther != 0 {
		h.countLost(0, 1)
		return
	}
	h.countLost(m.LostFrom(), firstOf(m))
}

// firstOf returns the number of the first message of an answer, or of the next one if it
// has none.
func firstOf(m *mail.Mail) int32 {
	if m.N > 0 {
		return m.Msg.Seq
	}
	return m.Seq
}

// writeReplay writes a batch with the home's answer, from its start.
func (h *Hub) writeReplay(i uint32, b *frame.Batch, m *mail.Mail) {
	sub := h.Subs.At(i)
	sub.Cursor = m.Seq - int32(len(b.Ends))
	h.Replays.Left -= len(b.Buf)
	messages := h.writeBatch(i, sub, b, -1)
	h.Tally.Replayed += uint64(messages)
	switch {
	case sub.Has(SubBehind):
		sub.Cursor = m.Number(int32(messages)) // there may be a gap in the numbers
	case m.Flag&mail.FlagMore != 0 && h.loop.Alive(m.Conn):
		h.fallBehind(sub)
		h.Replays.queue(i, m.Conn)
	}
}

// CaughtUp handles the home's answer to a subscriber that is behind.
func (h *Hub) CaughtUp(m *mail.Mail) {
	i := m.Subscriber()
	if !h.answeredSub(i) || !h.loop.Alive(m.Conn) {
		return
	}
	sub := h.Subs.At(i)
	if sub.Roster == 0 {
		return // its channel was closed
	}
	h.notBehind(sub)
	if m.Code == mail.CodeMoved || m.Flag&(mail.FlagLost|mail.FlagGoOn) == mail.FlagLost && !sub.Has(SubSayLost) {
		// What it asks for is gone. If it is cut, it comes back with its cursor and gets
		// what there is. If it went on, it would never know.
		h.totals.SlowClosed.Add(1)
		if sub.socket() {
			h.web.CloseSocket(m.Conn, websocket.PolicyViolation, tooSlow)
		} else {
			h.loop.Close(m.Conn)
		}
		return
	}
	h.heartbeat(m.Conn)
	b := &h.Batch
	h.resetFor(b, i)
	h.replayInto(b, sub, h.Rosters.name(sub.Roster), m)
	b.Closes = m.Flag&(mail.FlagClosed|mail.FlagMore) == mail.FlagClosed
	owner := h.Subs.owner(i)
	h.writeReplay(i, b, m)
	if st, now := h.State(m.Conn); (st == conn.Waiting || st == conn.WebSocket) && now == owner { // otherwise it has ended with a close
		h.endGone(owner, m.Conn)
	}
}

// Drained: the output that was held for a subscriber has been written. Each subscription
// that is behind continues.
func (h *Hub) Drained(owner uint32, c reactor.Conn) {
	behind := false
	if sub := h.Subs.At(owner); sub.socket() {
		sub.setHeard(h.Sockets.hearing()) // nothing was read from it meanwhile
		h.Sockets.readOn(owner, c)
	}
	for i := owner; i != 0; i = h.Subs.following(i) {
		sub := h.Subs.At(i)
		if !sub.Has(SubBehind) {
			continue
		}
		behind = true
		h.Replays.queue(i, c)
	}
	if !behind {
		h.heartbeat(c) // a noop was stuck
		h.endGone(owner, c)
	}
}

// appendLost appends the object that says which messages are lost. From another life of
// the channel it is an unknown number, so that range has an open end.
func appendLost(dst, cname []byte, m *mail.Mail) []byte {
	if m.Flag&mail.FlagOther == 0 {
		return frame.AppendSpan(dst, cname, m.LostFrom(), firstOf(m))
	}
	var span [16]byte
	return msg.AppendObject(dst, msg.Lost, cname, firstOf(m), append(strconv.AppendInt(span[:0], int64(m.LostFrom()), 10), '-'))
}
