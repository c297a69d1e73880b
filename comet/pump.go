package comet

import "slices"

// How a message gets to those who wait on this loop:
//
//  1. enqueue: the channel's home mails the message, once a loop, however many
//     wait here. It is put on the roster's pump; a turn may bring many.
//  2. pumpAll, when the turn ends: for each framing that somebody here needs,
//     the messages are rendered once, one behind the other (batch). Since they
//     are consecutive, what a subscriber lacks is the end of that: one write,
//     whatever their number.
//  3. A turn has a budget of writes, of which every pump has its share; one that
//     is not through goes on in the next turn, behind the others, so nobody
//     waits for a long roster. Messages that come meanwhile are put behind, and
//     whoever was passed already gets them on another round: the cursor tells.
//  4. A short write leaves the subscriber behind, with the rest of the one
//     frame that was cut: a place in a copy that those who are stuck at the same
//     one share. It goes on by catching up.

const (
	pumpBudget = 1024    // deliveries in a turn
	pumpShare  = 16      // of which a pump may have so many at the least
	pollBytes  = 1 << 20 // of messages in the response to a poll, which then asks again
	walkBudget = 1024    // channels looked at in a turn, by each walk
	keepPumps  = 64      // idle pumps that keep any
)

// pump is the delivery of messages to one roster, while there is one.
type pump struct {
	roster  uint32
	at      uint32 // the next subscriber
	started bool
	again   bool // messages came after the round began
	given   int  // how many there were when it began
	msgs    []*message
	signs   []signing
	batches [framings]batch
	polls   [8]pollCache // by subClose, subOld and subTell
	body    []byte       // of a JSONP poll
}

type pollCache struct {
	from, n  int // messages it holds
	page     uint32
	response []byte
}

// enqueue serves mailMessage.
func (s *shard) enqueue(m *mail) {
	ri := s.findRoster(m.from, m.ref)
	if ri == 0 {
		return // the last subscriber here has left, which the home does not know yet
	}
	r := s.rosters.At(ri)
	if r.pump == 0 {
		r.pump = s.newPump(ri)
	}
	p := s.pumps[r.pump]
	if m.msg.kind == kindSign {
		p.addSign(r, m.msg)
		return
	}
	p.msgs = append(p.msgs, m.msg)
	p.again = p.started
}

func (s *shard) newPump(ri uint32) uint32 {
	var i uint32
	if n := len(s.idlePumps); n > 0 {
		i, s.idlePumps = s.idlePumps[n-1], s.idlePumps[:n-1]
	} else {
		s.pumps = append(s.pumps, &pump{})
		i = uint32(len(s.pumps) - 1)
	}
	s.pumps[i].roster = ri
	s.busyPumps = append(s.busyPumps, i)
	return i
}

// stopPump ends a delivery. The pump is idle once pumpAll has passed it.
func (s *shard) stopPump(i uint32) {
	p := s.pumps[i]
	s.rosters.At(p.roster).pump = 0
	p.forget()
	size := p.size()
	clear(p.msgs)
	p.roster, p.at, p.started, p.again, p.given, p.msgs, p.signs = 0, 0, false, false, 0, p.msgs[:0], nil
	if size > keepBuffer || len(s.idlePumps) >= keepPumps {
		*p = pump{}
	}
}

// size is what a pump's buffers take.
func (p *pump) size() int {
	size := cap(p.body)
	for f := range p.batches {
		size += cap(p.batches[f].buf) + cap(p.batches[f].object)
	}
	for v := range p.polls {
		size += cap(p.polls[v].response)
	}
	return size
}

// pumpAll delivers, within the turn's budget.
func (s *shard) pumpAll() {
	if len(s.busyPumps) == 0 {
		return
	}
	left, share := pumpBudget, max(pumpBudget/len(s.busyPumps), pumpShare)
	s.unfinished = s.unfinished[:0]
	n := 0
	for ; n < len(s.busyPumps) && left > 0; n++ {
		i := s.busyPumps[n]
		p := s.pumps[i]
		budget := min(share, left)
		left -= budget
		if p.roster != 0 && !s.run(p, &budget) {
			s.unfinished = append(s.unfinished, i)
		} else {
			if p.roster != 0 {
				s.stopPump(i)
			}
			s.idlePumps = append(s.idlePumps, i)
		}
		left += budget
	}
	s.busyPumps = append(append(s.busyPumps[:0], s.busyPumps[n:]...), s.unfinished...)
}

// run goes on with one delivery, and says whether it is through.
func (s *shard) run(p *pump, budget *int) bool {
	if len(p.signs) > 0 && !s.runSigns(p, budget, false) {
		return false
	}
	if len(p.msgs) > 0 && !s.runMessages(p, budget) {
		return false
	}
	return len(p.signs) == 0 || s.runSigns(p, budget, true)
}

// runMessages goes on with a pump's messages, and says whether they are through.
func (s *shard) runMessages(p *pump, budget *int) bool {
	for {
		if !p.started || p.at == 0 && p.again {
			s.beginRound(p)
		}
		for p.at != 0 {
			if *budget == 0 {
				return false
			}
			i := p.at
			sub := s.subs.At(i)
			p.at = sub.next
			from := int(sub.cursor - p.msgs[0].seq)
			if sub.transport.row().sessions {
				from = firstFrom(p.msgs, sub.cursor)
			}
			if sub.has(subBehind) || from < 0 || from >= len(p.msgs) {
				continue // gets it by catching up, or has it
			}
			*budget--
			s.delivered += uint64(len(p.msgs) - from)
			if p.at != 0 {
				s.warm = s.subs.At(p.at).conn // on its way to the cache while this one is written to
			}
			if sub.poll() {
				s.finishPoll(i, s.pollResponse(p, i, from))
				continue
			}
			if sub.has(subTell) || sub.has(subMember) && sub.transport.row().events {
				s.writeOwn(p, i, from)
				continue
			}
			b := &p.batches[sub.framing()]
			if len(b.ends) < len(p.msgs) {
				s.render(p, b, sub.framing())
			}
			s.writeBatch(i, sub, b, from)
		}
		if !p.again {
			return true
		}
	}
}

// beginRound starts at the roster's head. What was there when the last round
// began, everybody has been given in it.
func (s *shard) beginRound(p *pump) {
	p.at = s.rosters.At(p.roster).head
	p.started, p.again = true, false
	if p.given > 0 {
		p.msgs = slices.Delete(p.msgs, 0, p.given)
		p.forget()
	}
	p.given = len(p.msgs)
}

// forget drops what is rendered.
func (p *pump) forget() {
	for f := range p.batches {
		p.batches[f].reset(framing(f), epochNone)
	}
	for v := range p.polls {
		p.polls[v].n = 0
	}
}

// render brings a batch up to the pump's messages.
func (s *shard) render(p *pump, b *batch, f framing) {
	if len(b.ends) == 0 {
		b.reset(f, s.rosters.At(p.roster).gen)
	}
	for _, msg := range p.msgs[len(b.ends):] {
		b.append(msg, s.rosterName(p.roster))
	}
}

// pollResponse is the whole response to a poll: rendered once for all that
// lack the same messages, but for those with a callback of their own.
func (s *shard) pollResponse(p *pump, i uint32, from int) []byte {
	sub, tell := s.subs.At(s.owner(i)), s.tellOf(i)
	missing := s.fitPoll(p.msgs[from:], s.rosterName(p.roster))
	if sub.cbLen != 0 {
		if sub.transport.row().sessions {
			return s.ccometResponse(sub, missing, s.rosterName(p.roster))
		}
		p.body = appendPollBody(p.body[:0], missing, s.rosterName(p.roster), false, tell)
		s.scratch = s.appendPollResponse(s.scratch[:0], sub, p.body)
		return s.scratch
	}
	// Of a bundle the member is to be told, and its head keeps how the response ends.
	variant := sub.flags&(subClose|subOld) | s.subs.At(i).flags&subTell
	cache := &p.polls[variant/subClose]
	if page := s.page(sideFront, sub.conn); cache.n != len(missing) || cache.from != from || cache.page != page {
		p.body = appendPollBody(p.body[:0], missing, s.rosterName(p.roster), false, tell)
		cache.response = s.appendPollResponse(cache.response[:0], sub, p.body)
		cache.from, cache.n, cache.page = from, len(missing), page
	}
	return cache.response
}

// tellOf is the epoch that a subscriber in a roster is to be told, if any.
func (s *shard) tellOf(i uint32) uint32 {
	if sub := s.subs.At(i); sub.has(subTell) {
		return s.placeOf(sub)
	}
	return epochNone
}

// writeOwn writes what it lacks to a subscriber to which that is not what it is to
// others: in a bundle, whose events' ids are its own; with its channel's epoch.
func (s *shard) writeOwn(p *pump, i uint32, from int) {
	b := &s.batch
	s.resetFor(b, i)
	for _, msg := range p.msgs[from:] {
		b.append(msg, s.rosterName(p.roster))
	}
	s.writeBatch(i, s.subs.At(i), b, 0)
}

// firstFrom finds the first message from number seq on, where numbers may leave
// gaps: in CComet's dialect, where a channel may take up a later one.
func firstFrom(msgs []*message, seq int32) int {
	i := 0
	for i < len(msgs) && msgs[i].seq-seq < 0 {
		i++
	}
	return i
}

// heldPolls is how many responses to polls there is room for at the least among what is
// held for stuck readers: such a response is held whole, and one that had no room would
// be asked for again and again, in vain.
const heldPolls = 8

// pollMost is how many bytes of messages a poll is given at once.
func (c *Config) pollMost() int { return min(pollBytes, c.MaxHeldBytes/c.Loops/heldPolls) }

// fitPoll is as many of the messages as a poll is given at once.
func (s *shard) fitPoll(msgs []*message, cname []byte) []*message {
	most := s.cfg.pollMost()
	size, room := 0, objectRoom(cname)
	for n, msg := range msgs {
		if size += len(msg.content) + room; size > most && n > 0 {
			return msgs[:n]
		}
	}
	return msgs
}

// writeBatch writes a batch to a subscriber from message index from on (-1:
// from the very beginning, head included), of which the first is the one its
// cursor stands at.
func (s *shard) writeBatch(i uint32, sub *subscriber, b *batch, from int) {
	start := b.start(from)
	n, err := s.loop.TryWriteAt(sub.conn, b.buf[start:])
	switch {
	case err != nil: // told to Closed
	case start+n < len(b.buf):
		s.wroteShort(sub, b, from, start+n)
	default:
		sub.cursor += int32(len(b.ends) - max(from, 0))
		b.wasTold(sub, len(b.ends))
		if b.closes {
			s.endOne(i, s.loop.ConnAt(sub.conn), epochClosed)
		}
	}
}

// wroteShort leaves a subscriber behind whose write got as far as pos.
func (s *shard) wroteShort(sub *subscriber, b *batch, from, pos int) {
	c := s.loop.ConnAt(sub.conn)
	s.fallBehind(sub)
	if s.loop.Blocked(c) {
		// Something else is stuck already, so not even a head could go.
		if from < 0 {
			_ = s.loop.Write(c, b.buf[:b.head])
			b.wasTold(sub, 0)
		}
		return
	}
	frame, at, through := b.rest(pos, s.cut)
	sub.cursor += int32(through - max(from, 0))
	b.wasTold(sub, through)
	s.cut = frame
	s.loop.Hold(c, frame, at)
	s.loop.SetTimer(c, s.loop.WriteTime(c))
}
