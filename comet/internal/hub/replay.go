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

// What a stream has missed is sent out of its channel's history, some at a time:
//
//  1. The channel's home answers a subscription, or a question (mail.CatchUp), with the
//     next messages that are kept, up to mail.ReplayBytes of them, and whether there are
//     more (mail.FlagMore).
//  2. They are rendered and written (writeReplay). Where there are more, or the write
//     was short, the subscriber is behind: the pump passes it over.
//  3. It is queued (queue), and its channel's home asked again when the turn has
//     room for what that may answer (Run). So a reader's pace costs no more than
//     what it is sent, and clients that come back in crowds share the turns.
//
// A subscription's own answer that finds no room is taken as if it had none of the
// messages.

const (
	ReplayBudget = 1 << 20 // bytes rendered in a turn for those that come back
)

// replayer is a subscriber that is to be sent what it has missed.
type replayer struct {
	sub  uint32
	conn reactor.Conn
}

// replays are what the subscribers of a loop that are behind have missed.
type replays struct {
	*Hub
	List []replayer // to be asked for in their turn
	Left int        // bytes that the turn has left for them
}

// queue has a subscriber that is behind go on in its turn.
func (k *replays) queue(i uint32, c reactor.Conn) { k.List = append(k.List, replayer{i, c}) }

// Run asks for what those that are queued have missed, as far as the turn has
// room for the answers.
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

// ask asks a channel's home for what a subscriber has missed, if it is still
// there, and waits for that.
func (k *replays) ask(r replayer) bool {
	sub := k.Subs.At(r.sub)
	if !k.loop.Alive(r.conn) || sub.Conn != r.conn.Index() || !sub.Has(SubBehind) || sub.Has(subAsking) || k.loop.Blocked(r.conn) {
		return false // where it is blocked, drained has it queued again
	}
	sub.Flags |= subAsking
	ro := k.Rosters.At(sub.Roster)
	m := mail.OfSubscriber(mail.CatchUp, r.conn, r.sub)
	m.Ref, m.Seq, m.Flag = ro.Ref(), sub.Cursor, mail.FlagPlace
	k.Send(ro.Home, m)
	return true
}

// replayInto renders what the home's answer says: lost messages, where the
// client asked to be sent that, then the backlog, or that it was moved.
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
// How many are gone with another life of its channel is unknown: they count as one.
func (h *Hub) countLostBefore(m *mail.Mail) {
	if m.Flag&mail.FlagOther != 0 {
		h.countLost(0, 1)
		return
	}
	h.countLost(m.LostFrom(), firstOf(m))
}

// firstOf is the number of the first message that a replay has.
func firstOf(m *mail.Mail) int32 {
	if m.N > 0 {
		return m.Msg.Seq
	}
	return m.Seq
}

// writeReplay writes a batch that has what the home's answer says, from its start.
func (h *Hub) writeReplay(i uint32, b *frame.Batch, m *mail.Mail) {
	sub := h.Subs.At(i)
	sub.Cursor = m.Seq - int32(len(b.Ends))
	h.Replays.Left -= len(b.Buf)
	messages := h.writeBatch(i, sub, b, -1)
	h.Tally.Replayed += uint64(messages)
	switch {
	case sub.Has(SubBehind):
		sub.Cursor = m.Number(int32(messages)) // there may be a gap in what it has not got
	case m.Flag&mail.FlagMore != 0 && h.loop.Alive(m.Conn):
		h.fallBehind(sub)
		h.Replays.queue(i, m.Conn)
	}
}

// CaughtUp takes the home's answer to a subscriber that had fallen behind.
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
		// What it asks for is gone. Cut, it comes back with its cursor and is given
		// what there is; going on, it would never know.
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
	if st, now := h.State(m.Conn); (st == conn.Waiting || st == conn.WebSocket) && now == owner { // else it ended with a close
		h.endGone(owner, m.Conn)
	}
}

// Drained: what was held for a subscriber has been written. Each subscription
// that is behind goes on.
func (h *Hub) Drained(owner uint32, c reactor.Conn) {
	behind := false
	if sub := h.Subs.At(owner); sub.socket() {
		sub.setHeard(h.Sockets.hearing()) // nothing was read of it meanwhile
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
		h.heartbeat(c) // it was a noop that was stuck
		h.endGone(owner, c)
	}
}

// appendLost appends the object that says which messages are gone: from another life
// of the channel an unknown number, so that range has an open end.
func appendLost(dst, cname []byte, m *mail.Mail) []byte {
	if m.Flag&mail.FlagOther == 0 {
		return frame.AppendSpan(dst, cname, m.LostFrom(), firstOf(m))
	}
	var span [16]byte
	return msg.AppendObject(dst, msg.Lost, cname, firstOf(m), append(strconv.AppendInt(span[:0], int64(m.LostFrom()), 10), '-'))
}
