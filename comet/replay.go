package comet

import (
	"ccomet/reactor"
	"strconv"
)

// What a stream has missed is sent out of its channel's history, some at a time:
//
//  1. The channel's home answers a subscription, or a question (mailCatchUp), with the
//     next messages that are kept, up to replayBytes of them, and whether there are
//     more (joinMore).
//  2. They are rendered and written (writeReplay). Where there are more, or the write
//     was short, the subscriber is behind: the pump passes it over.
//  3. It is queued (queueReplay), and its channel's home asked again when the turn has
//     room for what that may answer (runReplays). So a reader's pace costs no more than
//     what it is sent, and those who come back in crowds share the turns.
//
// A subscription's own answer that finds no room is taken as if it had none of the
// messages.

const (
	replayBudget = 1 << 20 // bytes rendered in a turn for those that come back
)

// replayer is a subscriber that is to be sent what it has missed.
type replayer struct {
	sub  uint32
	conn reactor.Conn
}

// queueReplay has a subscriber that is behind go on in its turn.
func (h *hub) queueReplay(i uint32, c reactor.Conn) { h.replays = append(h.replays, replayer{i, c}) }

// runReplays asks for what those that are queued have missed, as far as the turn has
// room for the answers.
func (h *hub) runReplays() {
	n := 0
	for room := h.replayLeft / replayBytes; n < len(h.replays) && room > 0; n++ {
		if h.askReplay(h.replays[n]) {
			room--
		}
	}
	if n == len(h.replays) {
		h.replays = emptied(h.replays)
		return
	}
	h.replays = append(h.replays[:0], h.replays[n:]...)
}

// askReplay asks a channel's home for what a subscriber has missed, if it is still
// there, and waits for that.
func (h *hub) askReplay(r replayer) bool {
	sub := h.subs.At(r.sub)
	if !h.loop.Alive(r.conn) || sub.conn != r.conn.Index() || !sub.has(subBehind) || sub.has(subAsking) || h.loop.Blocked(r.conn) {
		return false // where it is blocked, drained has it queued again
	}
	sub.flags |= subAsking
	ro := h.rosters.At(sub.roster)
	h.send(ro.home, mail{kind: mailCatchUp, conn: r.conn, slot: r.sub, ref: ro.ref(), seq: sub.cursor, flag: joinPlace})
	return true
}

// replayInto renders what the home's answer says: lost messages, where the
// client wants to know of them, then the backlog, or that it was moved.
func (h *hub) replayInto(b *batch, sub *subscriber, cname []byte, m *mail) {
	if m.flag&joinLost != 0 {
		h.loseBefore(m)
		if sub.has(subSayLost) {
			h.object = appendLost(h.object[:0], cname, m)
			b.appendPreface(h.object, firstOf(m)-1)
		}
	}
	if m.code == codeMoved {
		h.object = appendObject(h.object[:0], kindNextSeq, cname, m.seq, "")
		b.appendPreface(h.object, m.seq-1)
	}
	for msg, n := m.msg, m.n; n > 0; msg, n = msg.after(n), n-1 {
		b.append(msg, cname)
		if next := m.behind(msg, n); next != msg.seq+1 {
			h.lose(msg.seq+1, next)
			if sub.has(subSayLost) {
				h.object = appendSpan(h.object[:0], cname, msg.seq+1, next)
				b.extend(h.object, next-1)
			}
		}
	}
}

// loseBefore counts the messages that a subscriber has lost before what it is sent.
// How many are gone with another life of its channel nobody knows: they count as one.
func (h *hub) loseBefore(m *mail) {
	if m.flag&joinOther != 0 {
		h.lose(0, 1)
		return
	}
	h.lose(m.lost, firstOf(m))
}

// firstOf is the number of the first message that a replay has.
func firstOf(m *mail) int32 {
	if m.n > 0 {
		return m.msg.seq
	}
	return m.seq
}

// writeReplay writes a batch that has what the home's answer says, from its start.
func (h *hub) writeReplay(i uint32, b *batch, m *mail) {
	sub := h.subs.At(i)
	start := m.seq - int32(len(b.ends))
	sub.cursor = start
	h.replayLeft -= len(b.buf)
	h.writeBatch(i, sub, b, -1)
	h.tally.replayed += uint64(sub.cursor - start)
	switch {
	case sub.has(subBehind):
		sub.cursor = m.number(sub.cursor - start) // there may be a gap in what it has not got
	case m.flag&joinMore != 0 && h.loop.Alive(m.conn):
		h.fallBehind(sub)
		h.queueReplay(i, m.conn)
	}
}

// caughtUp takes the home's answer to a subscriber that had fallen behind.
func (h *hub) caughtUp(m *mail) {
	i := m.slot
	if !h.answeredSub(i) || !h.loop.Alive(m.conn) {
		return
	}
	sub := h.subs.At(i)
	if sub.roster == 0 {
		return // its channel was closed
	}
	h.notBehind(sub)
	if m.code == codeMoved || m.flag&joinLost != 0 && !sub.has(subSayLost) {
		// What it wants is gone. Cut, it comes back with its cursor and is given
		// what there is; going on, it would never know.
		h.totals.slowClosed.Add(1)
		h.loop.Close(m.conn)
		return
	}
	h.heartbeat(m.conn)
	b := &h.batch
	h.resetFor(b, i)
	h.replayInto(b, sub, h.rosterName(sub.roster), m)
	b.closes = m.flag&(joinClosed|joinMore) == joinClosed
	owner := h.owner(i)
	h.writeReplay(i, b, m)
	if st, now := h.state(m.conn); st == stateWaiting && now == owner { // else it ended with a close
		h.endGone(owner, m.conn)
	}
}

// drained: what was held for a subscriber has been written. Each subscription
// that is behind goes on.
func (h *hub) drained(owner uint32, c reactor.Conn) {
	behind := false
	for i := h.first(owner); i != 0; i = h.following(i) {
		sub := h.subs.At(i)
		if !sub.has(subBehind) {
			continue
		}
		behind = true
		h.queueReplay(i, c)
	}
	if !behind {
		h.heartbeat(c) // it was a noop that was stuck
		h.endGone(owner, c)
	}
}

// appendLost appends the object that says which messages are gone: from another life
// of the channel nobody knows how many, so that has an open end.
func appendLost(dst, cname []byte, m *mail) []byte {
	if m.flag&joinOther == 0 {
		return appendSpan(dst, cname, m.lost, firstOf(m))
	}
	var span [16]byte
	return appendObject(dst, kindLost, cname, firstOf(m), append(strconv.AppendInt(span[:0], int64(m.lost), 10), '-'))
}
