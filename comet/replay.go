package comet

import "ccomet/reactor"

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
	replayBytes  = 32 << 10 // of messages that a stream is given at once, or one message
	replayBudget = 1 << 20  // bytes rendered in a turn for those that come back
)

// replayer is a subscriber that is to be sent what it has missed.
type replayer struct {
	sub  uint32
	conn reactor.Conn
}

// queueReplay has a subscriber that is behind go on in its turn.
func (s *shard) queueReplay(i uint32, c reactor.Conn) { s.replays = append(s.replays, replayer{i, c}) }

// runReplays asks for what those that are queued have missed, as far as the turn has
// room for the answers.
func (s *shard) runReplays() {
	n := 0
	for room := s.replayLeft / replayBytes; n < len(s.replays) && room > 0; n++ {
		if s.askReplay(s.replays[n]) {
			room--
		}
	}
	if n == len(s.replays) {
		s.replays = emptied(s.replays)
		return
	}
	s.replays = append(s.replays[:0], s.replays[n:]...)
}

// askReplay asks a channel's home for what a subscriber has missed, if it is still
// there, and waits for that.
func (s *shard) askReplay(r replayer) bool {
	sub := s.subs.At(r.sub)
	if !s.loop.Alive(r.conn) || sub.conn != r.conn.Index() || !sub.has(subBehind) || sub.has(subAsking) || s.loop.Blocked(r.conn) {
		return false // where it is blocked, drained has it queued again
	}
	sub.flags |= subAsking
	ro := s.rosters.At(sub.roster)
	s.send(ro.home, mail{kind: mailCatchUp, conn: r.conn, slot: r.sub, ref: ro.ref(), seq: sub.cursor, flag: joinPlace})
	return true
}

// replayInto renders what the home's answer says: lost messages, where the
// client wants to know of them, then the backlog, or that it was moved.
func (s *shard) replayInto(b *batch, sub *subscriber, cname []byte, m *mail) {
	if m.flag&joinLost != 0 {
		s.loseBefore(m)
		if sub.has(subSayLost) {
			s.object = appendLost(s.object[:0], cname, m)
			b.appendPreface(s.object, firstOf(m)-1)
		}
	}
	if m.code == codeMoved {
		s.object = appendObject(s.object[:0], kindNextSeq, cname, m.seq, "")
		b.appendPreface(s.object, m.seq-1)
	}
	for msg, n := m.msg, m.n; n > 0; msg, n = msg.after(n), n-1 {
		b.append(msg, cname)
		if next := m.behind(msg, n); next != msg.seq+1 {
			s.lose(msg.seq+1, next)
			if sub.has(subSayLost) {
				s.object = appendSpan(s.object[:0], cname, msg.seq+1, next)
				b.extend(s.object, next-1)
			}
		}
	}
}

// loseBefore counts the messages that a subscriber has lost before what it is sent.
// How many are gone with another life of its channel nobody knows: they count as one.
func (s *shard) loseBefore(m *mail) {
	if m.flag&joinOther != 0 {
		s.lose(0, 1)
		return
	}
	s.lose(m.lost, firstOf(m))
}

// firstOf is the number of the first message that a replay has.
func firstOf(m *mail) int32 {
	if m.n > 0 {
		return m.msg.seq
	}
	return m.seq
}

// writeReplay writes a batch that has what the home's answer says, from its start.
func (s *shard) writeReplay(i uint32, b *batch, m *mail) {
	sub := s.subs.At(i)
	start := m.seq - int32(len(b.ends))
	sub.cursor = start
	s.replayLeft -= len(b.buf)
	s.writeBatch(i, sub, b, -1)
	s.tally.Replayed += uint64(sub.cursor - start)
	switch {
	case sub.has(subBehind):
		sub.cursor = m.number(sub.cursor - start) // there may be a gap in what it has not got
	case m.flag&joinMore != 0 && s.loop.Alive(m.conn):
		s.fallBehind(sub)
		s.queueReplay(i, m.conn)
	}
}

// caughtUp takes the home's answer to a subscriber that had fallen behind.
func (s *shard) caughtUp(m *mail) {
	i := m.slot
	if !s.answeredSub(i) || !s.loop.Alive(m.conn) {
		return
	}
	sub := s.subs.At(i)
	if sub.roster == 0 {
		return // its channel was closed
	}
	s.notBehind(sub)
	if m.code == codeMoved || m.flag&joinLost != 0 && !sub.has(subSayLost) {
		// What it wants is gone. Cut, it comes back with its cursor and is given
		// what there is; going on, it would never know.
		s.totals.slowClosed.Add(1)
		s.loop.Close(m.conn)
		return
	}
	s.heartbeat(m.conn)
	b := &s.batch
	s.resetFor(b, i)
	s.replayInto(b, sub, s.rosterName(sub.roster), m)
	b.closes = m.flag&(joinClosed|joinMore) == joinClosed
	owner := s.owner(i)
	s.writeReplay(i, b, m)
	if st, now := s.state(m.conn); st == stateWaiting && now == owner { // else it ended with a close
		s.endGone(owner, m.conn)
	}
}

// drained: what was held for a subscriber has been written. Each subscription
// that is behind goes on.
func (s *shard) drained(owner uint32, c reactor.Conn) {
	behind := false
	for i := s.first(owner); i != 0; i = s.following(i) {
		sub := s.subs.At(i)
		if !sub.has(subBehind) {
			continue
		}
		behind = true
		s.queueReplay(i, c)
	}
	if !behind {
		s.heartbeat(c) // it was a noop that was stuck
		s.endGone(owner, c)
	}
}
