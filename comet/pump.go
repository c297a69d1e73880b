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
	pumpBudget = 1024 // deliveries in a turn
	pumpShare  = 16   // of which a pump may have so many at the least
	keepPumps  = 64   // idle pumps that keep any
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
func (h *hub) enqueue(m *mail) {
	ri := h.findRoster(m.from, m.ref)
	if ri == 0 {
		return // the last subscriber here has left, which the home does not know yet
	}
	r := h.rosters.At(ri)
	if r.pump == 0 {
		r.pump = h.newPump(ri)
	}
	p := h.pumps[r.pump]
	if m.msg.kind == kindSign {
		p.addSign(r, m.msg)
		return
	}
	p.msgs = append(p.msgs, m.msg)
	p.again = p.started
}

func (h *hub) newPump(ri uint32) uint32 {
	var i uint32
	if n := len(h.idlePumps); n > 0 {
		i, h.idlePumps = h.idlePumps[n-1], h.idlePumps[:n-1]
	} else {
		h.pumps = append(h.pumps, &pump{})
		i = uint32(len(h.pumps) - 1)
	}
	h.pumps[i].roster = ri
	h.busyPumps = append(h.busyPumps, i)
	return i
}

// stopPump ends a delivery. The pump is idle once pumpAll has passed it.
func (h *hub) stopPump(i uint32) {
	p := h.pumps[i]
	h.rosters.At(p.roster).pump = 0
	p.forget()
	size := p.size()
	clear(p.msgs)
	p.roster, p.at, p.started, p.again, p.given, p.msgs, p.signs = 0, 0, false, false, 0, p.msgs[:0], nil
	if size > keepBuffer || len(h.idlePumps) >= keepPumps {
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
func (h *hub) pumpAll() {
	if len(h.busyPumps) == 0 {
		return
	}
	left, share := pumpBudget, max(pumpBudget/len(h.busyPumps), pumpShare)
	h.unfinished = h.unfinished[:0]
	n := 0
	for ; n < len(h.busyPumps) && left > 0; n++ {
		i := h.busyPumps[n]
		p := h.pumps[i]
		budget := min(share, left)
		left -= budget
		if p.roster != 0 && !h.run(p, &budget) {
			h.unfinished = append(h.unfinished, i)
		} else {
			if p.roster != 0 {
				h.stopPump(i)
			}
			h.idlePumps = append(h.idlePumps, i)
		}
		left += budget
	}
	h.busyPumps = append(append(h.busyPumps[:0], h.busyPumps[n:]...), h.unfinished...)
}

// run goes on with one delivery, and says whether it is through.
func (h *hub) run(p *pump, budget *int) bool {
	if len(p.signs) > 0 && !h.runSigns(p, budget, false) {
		return false
	}
	if len(p.msgs) > 0 && !h.runMessages(p, budget) {
		return false
	}
	return len(p.signs) == 0 || h.runSigns(p, budget, true)
}

// runMessages goes on with a pump's messages, and says whether they are through.
func (h *hub) runMessages(p *pump, budget *int) bool {
	for {
		if !p.started || p.at == 0 && p.again {
			h.beginRound(p)
		}
		for p.at != 0 {
			if *budget == 0 {
				return false
			}
			i := p.at
			sub := h.subs.At(i)
			p.at = sub.next
			from := int(sub.cursor - p.msgs[0].seq)
			if sub.transport.row().sessions {
				from = firstFrom(p.msgs, sub.cursor)
			}
			if sub.has(subBehind) || from < 0 || from >= len(p.msgs) {
				continue // gets it by catching up, or has it
			}
			*budget--
			h.tally.delivered += uint64(len(p.msgs) - from)
			if p.at != 0 {
				h.prefetchSink = h.subs.At(p.at).conn // on its way to the cache while this one is written to
			}
			if sub.poll() {
				h.finishPoll(i, h.pollResponse(p, i, from))
				continue
			}
			if sub.has(subTell) || sub.has(subMember) && sub.transport.row().events {
				h.writeOwn(p, i, from)
				continue
			}
			b := &p.batches[sub.framing()]
			if len(b.ends) < len(p.msgs) {
				h.render(p, b, sub.framing())
			}
			h.writeBatch(i, sub, b, from)
		}
		if !p.again {
			return true
		}
	}
}

// beginRound starts at the roster's head. What was there when the last round
// began, everybody has been given in it.
func (h *hub) beginRound(p *pump) {
	p.at = h.rosters.At(p.roster).head
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
func (h *hub) render(p *pump, b *batch, f framing) {
	if len(b.ends) == 0 {
		b.reset(f, h.rosters.At(p.roster).gen)
	}
	for _, msg := range p.msgs[len(b.ends):] {
		b.append(msg, h.rosterName(p.roster))
	}
}

// pollResponse is the whole response to a poll: rendered once for all that
// lack the same messages, but for those with a callback of their own.
func (h *hub) pollResponse(p *pump, i uint32, from int) []byte {
	sub, tell := h.subs.At(h.owner(i)), h.tellOf(i)
	missing := h.fitPoll(p.msgs[from:], h.rosterName(p.roster))
	if sub.cbLen != 0 {
		if sub.transport.row().sessions {
			return h.ccometResponse(sub, missing, h.rosterName(p.roster))
		}
		p.body = appendPollBody(p.body[:0], missing, h.rosterName(p.roster), false, tell)
		h.scratch = h.appendPollResponse(h.scratch[:0], sub, p.body)
		return h.scratch
	}
	// Of a bundle the member is to be told, and its head keeps how the response ends.
	variant := sub.flags&(subClose|subOld) | h.subs.At(i).flags&subTell
	cache := &p.polls[variant/subClose]
	if page := h.page(sideFront, sub.conn); cache.n != len(missing) || cache.from != from || cache.page != page {
		p.body = appendPollBody(p.body[:0], missing, h.rosterName(p.roster), false, tell)
		cache.response = h.appendPollResponse(cache.response[:0], sub, p.body)
		cache.from, cache.n, cache.page = from, len(missing), page
	}
	return cache.response
}

// tellOf is the epoch that a subscriber in a roster is to be told, if any.
func (h *hub) tellOf(i uint32) uint32 {
	if sub := h.subs.At(i); sub.has(subTell) {
		return h.placeOf(sub)
	}
	return epochNone
}

// writeOwn writes what it lacks to a subscriber to which that is not what it is to
// others: in a bundle, whose events' ids are its own; with its channel's epoch.
func (h *hub) writeOwn(p *pump, i uint32, from int) {
	b := &h.batch
	h.resetFor(b, i)
	for _, msg := range p.msgs[from:] {
		b.append(msg, h.rosterName(p.roster))
	}
	h.writeBatch(i, h.subs.At(i), b, 0)
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

// fitPoll is as many of the messages as a poll is given at once.
func (h *hub) fitPoll(msgs []*message, cname []byte) []*message {
	most := h.cfg.PollMost
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
func (h *hub) writeBatch(i uint32, sub *subscriber, b *batch, from int) {
	start := b.start(from)
	n, err := h.loop.TryWriteAt(sub.conn, b.buf[start:])
	switch {
	case err != nil: // told to Closed
	case start+n < len(b.buf):
		h.wroteShort(sub, b, from, start+n)
	default:
		sub.cursor += int32(len(b.ends) - max(from, 0))
		h.noteTold(sub, b, len(b.ends))
		if b.closes {
			h.endOne(i, h.loop.ConnAt(sub.conn), epochClosed)
		}
	}
}

// wroteShort leaves a subscriber behind whose write got as far as pos.
func (h *hub) wroteShort(sub *subscriber, b *batch, from, pos int) {
	c := h.loop.ConnAt(sub.conn)
	h.fallBehind(sub)
	if h.loop.Blocked(c) {
		// Something else is stuck already, so not even a head could go.
		if from < 0 {
			_ = h.loop.Write(c, b.buf[:b.head])
			h.noteTold(sub, b, 0)
		}
		return
	}
	frame, at, through := b.rest(pos, h.cut)
	sub.cursor += int32(through - max(from, 0))
	h.noteTold(sub, b, through)
	h.cut = frame
	h.loop.Hold(c, frame, at)
	h.loop.SetTimer(c, h.loop.WriteTime(c))
}

// noteTold notes that a subscriber has been told its channel's epoch, if so many messages
// of a batch tell it.
func (h *hub) noteTold(sub *subscriber, b *batch, messages int) {
	if b.wasTold(messages) {
		sub.flags &^= subTell
	}
}
