package hub

import (
	"slices"
	"unsafe"

	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// How a message gets to the subscribers on this loop:
//
//  1. Enqueue: the channel's home mails the message, once a loop, however many
//     wait here. It is put on the roster's pump; a turn may bring many.
//  2. PumpSome and PumpRest, when the turn ends: for each framing that a subscriber here needs,
//     the messages are rendered once, one behind the other (batch). Since they
//     are consecutive, what a subscriber lacks is the end of that: one write,
//     whatever their number.
//  3. A turn has a budget of writes, of which every pump has its share; one that
//     is not through goes on in the next turn, behind the others, so no other
//     roster waits for a long one. Messages that come meanwhile are put behind, and
//     subscribers that were passed already get them in another round: the cursor says
//     what a subscriber lacks.
//     The first of the budget is spent before publishers are answered (PumpSome): few
//     subscribers have the message before its publisher knows, and a publisher to
//     many does not wait for them.
//  4. A short write leaves the subscriber behind, with the rest of the one
//     frame that was cut: a place in a copy that all subscribers that are stuck at
//     the same one share. It goes on by catching up.

const (
	PumpBudget = 1024 // deliveries in a turn
	PumpFirst  = 16   // of which so many come before the answers to publishers
	pumpShare  = 16   // and a pump may have so many at the least
	keepPumps  = 64   // idle pumps that keep any

	// RenderedBytes is how much the pumps of a loop may keep rendered, all together, for
	// the next turn. A pump that would keep more renders its messages again.
	RenderedBytes = 16 << 20

	// RoundBytes is how much of messages a pump renders and delivers in a round, or one
	// message. What is behind that comes in the next round, as does what is behind numbers
	// that were left out (gap.go).
	RoundBytes = 1 << 20
)

// pump is the delivery of messages to one roster, while there is one.
type pump struct {
	roster  uint32
	at      uint32 // the next subscriber
	started bool
	again   bool // messages came after the round began
	given   int  // how many of it there were when it began
	round   int  // how many messages are being delivered in it
	Msgs    []*msg.Message
	notices []joinNotice
	batches [frame.Framings]frame.Batch
	polls   [8]pollCache // by subClose, subOld and subTell
	body    []byte       // of a JSONP poll
	counted int          // bytes of its buffers, as Hub.rendered has them
}

// pumps are those of a loop.
type pumps struct {
	Pumps         []*pump // [0] is not used
	BusyPumps     []uint32
	IdlePumps     []uint32
	unfinished    []uint32           // pumps that this turn has not brought to an end
	pumpLeft      int                // deliveries that the turn has left
	rendered      int                // bytes that the pumps' buffers take
	LastHeldFrame *reactor.Frame     // the last one that a short write has cut
	deflater      websocket.Deflater // of all clients that inflate
	prefetchSink  uint32             // takes the first bytes of records that are to be in the cache; it is never read
}

type pollCache struct {
	from, n  int // messages it holds
	page     uint32
	response []byte
}

// Enqueue serves mail.Deliver.
func (h *Hub) Enqueue(m *mail.Mail) {
	ri := h.findRoster(m.From, m.Ref)
	if ri == 0 {
		h.letGo(m.Msg) // the last subscriber here has left, which the home does not know yet
		return
	}
	r := h.Rosters.At(ri)
	if r.Pump == 0 {
		r.Pump = h.newPump(ri)
	}
	p := h.Pumps[r.Pump]
	if m.Msg.Kind == msg.JoinNotice {
		if !p.addNotice(r, m.Msg) {
			h.letGo(m.Msg)
		}
		return
	}
	p.Msgs = append(p.Msgs, m.Msg)
	p.again = p.started
}

func (h *pumps) newPump(ri uint32) uint32 {
	var i uint32
	if n := len(h.IdlePumps); n > 0 {
		i, h.IdlePumps = h.IdlePumps[n-1], h.IdlePumps[:n-1]
	} else {
		h.Pumps = append(h.Pumps, &pump{})
		i = uint32(len(h.Pumps) - 1)
	}
	h.Pumps[i].roster = ri
	h.BusyPumps = append(h.BusyPumps, i)
	return i
}

// stopPump ends a delivery. The pump is idle once pumpUpTo has passed it.
func (h *Hub) stopPump(i uint32) {
	p := h.Pumps[i]
	h.Rosters.At(p.roster).Pump = 0
	p.forget()
	h.letGo(p.Msgs...)
	h.letGoNotices(p)
	clear(p.Msgs)
	p.roster, p.at, p.started, p.again, p.given, p.round, p.Msgs, p.notices = 0, 0, false, false, 0, 0, p.Msgs[:0], nil
	if h.countRendered(p); p.counted > pool.KeepBuffer || len(h.IdlePumps) >= keepPumps {
		h.dropRendered(p)
	}
}

// letGo takes messages off those that are on their way to subscribers.
func (h *Hub) letGo(messages ...*msg.Message) {
	size := 0
	for _, message := range messages {
		size += mail.Weight(message)
	}
	h.totals.Delivering.Add(-int64(size))
}

// countRendered counts what a pump's buffers take now.
func (h *pumps) countRendered(p *pump) {
	h.rendered -= p.counted
	p.counted = p.Size()
	h.rendered += p.counted
}

// dropRendered gives a pump's buffers back: what it has rendered, it renders again where
// it goes on.
func (h *pumps) dropRendered(p *pump) {
	h.rendered -= p.counted
	p.batches, p.polls = [frame.Framings]frame.Batch{}, [8]pollCache{}
	p.body, p.counted = nil, 0
	if len(p.Msgs) == 0 {
		p.Msgs = nil
	}
}

// Size is the bytes that a pump's buffers take.
func (p *pump) Size() int {
	size := cap(p.body) + cap(p.Msgs)*int(unsafe.Sizeof(p.Msgs[0]))
	for f := range p.batches {
		size += cap(p.batches[f].Buf) + cap(p.batches[f].Object)
	}
	for v := range p.polls {
		size += cap(p.polls[v].response)
	}
	return size
}

// PumpSome begins a turn's deliveries with so many of them that a publisher's answer
// can wait for, and says whether more are left.
func (h *Hub) PumpSome() (more bool) {
	h.pumpLeft = PumpBudget
	h.pumpUpTo(PumpFirst)
	return len(h.BusyPumps) > 0
}

// PumpRest delivers what is left, within the turn's budget.
func (h *Hub) PumpRest() { h.pumpUpTo(h.pumpLeft) }

// pumpUpTo makes so many of the turn's deliveries.
func (h *Hub) pumpUpTo(most int) {
	if len(h.BusyPumps) == 0 {
		return
	}
	left, share := most, max(most/len(h.BusyPumps), pumpShare)
	h.unfinished = h.unfinished[:0]
	n := 0
	for ; n < len(h.BusyPumps) && left > 0; n++ {
		i := h.BusyPumps[n]
		p := h.Pumps[i]
		budget := min(share, left)
		left -= budget
		if p.roster != 0 && !h.run(p, &budget) {
			h.unfinished = append(h.unfinished, i)
			if h.countRendered(p); h.rendered > RenderedBytes {
				h.dropRendered(p)
			}
		} else {
			if p.roster != 0 {
				h.stopPump(i)
			}
			h.IdlePumps = append(h.IdlePumps, i)
		}
		left += budget
	}
	h.BusyPumps = append(append(h.BusyPumps[:0], h.BusyPumps[n:]...), h.unfinished...)
	h.pumpLeft -= most - left
}

// run goes on with one delivery, and says whether it is through.
func (h *Hub) run(p *pump, budget *int) bool {
	if len(p.notices) > 0 && !h.runNotices(p, budget, false) {
		return false
	}
	if len(p.Msgs) > 0 && !h.runMessages(p, budget) {
		return false
	}
	return len(p.notices) == 0 || h.runNotices(p, budget, true)
}

// runMessages goes on with a pump's messages, and says whether they are through.
func (h *Hub) runMessages(p *pump, budget *int) bool {
	p.extendRound()
	for {
		if !p.started || p.at == 0 && p.again {
			h.beginRound(p)
		}
		for p.at != 0 {
			if *budget == 0 {
				return false
			}
			i := p.at
			sub := h.Subs.At(i)
			p.at = sub.Next
			round := p.Msgs[:p.round]
			from := int(sub.Cursor - round[0].Seq)
			if sub.Transport.Row().Sessions {
				from = firstFrom(round, sub.Cursor)
			}
			if sub.Has(SubBehind) || from >= p.round {
				continue // gets it by catching up, or has it
			}
			*budget--
			if from < 0 {
				h.deliverBehindGap(p, i)
				continue
			}
			h.deliver(p, i, from)
		}
		if !p.again {
			return true
		}
	}
}

// deliver gives a subscriber the messages of a round from one of them on.
func (h *Hub) deliver(p *pump, i uint32, from int) {
	sub := h.Subs.At(i)
	h.Tally.Delivered += uint64(p.round - from)
	if p.at != 0 {
		h.prefetchSink = h.Subs.At(p.at).Conn // on its way to the cache while this one is written to
	}
	switch {
	case sub.poll():
		h.finishPoll(i, h.pollResponse(p, i, from))
	case sub.Has(subTell) || sub.Has(SubMember) && sub.Transport.Row().Events:
		h.writeOwn(p, i, from)
	default:
		b := &p.batches[sub.framing()]
		if len(b.Ends) < p.round {
			h.render(p, b, sub.framing())
		}
		h.writeBatch(i, sub, b, from)
	}
}

// beginRound starts at the roster's head. All subscribers have
// been sent what was there when the last round began.
func (h *Hub) beginRound(p *pump) {
	p.at = h.Rosters.At(p.roster).Head
	p.started, p.again = true, false
	if p.given > 0 {
		h.letGo(p.Msgs[:p.given]...)
		p.Msgs = slices.Delete(p.Msgs, 0, p.given)
		p.forget()
	}
	p.round = 0
	p.extendRound()
	p.given = p.round
}

// extendRound has the round deliver what has come since as well, as far as there is room.
func (p *pump) extendRound() {
	size := 0
	for n, message := range p.Msgs {
		if size += message.Len(); n > 0 && (size > RoundBytes || message.Seq != p.Msgs[n-1].Seq+1) {
			p.round, p.again = n, true
			return
		}
	}
	p.round = len(p.Msgs)
}

// forget drops what is rendered.
func (p *pump) forget() {
	for f := range p.batches {
		p.batches[f].Reset(frame.Framing(f), record.EpochNone)
	}
	for v := range p.polls {
		p.polls[v].n = 0
	}
}

// render brings a batch up to the pump's messages.
func (h *Hub) render(p *pump, b *frame.Batch, f frame.Framing) {
	if len(b.Ends) == 0 {
		b.Reset(f, h.Rosters.At(p.roster).Gen)
		b.Deflater = &h.deflater
	}
	for _, message := range p.Msgs[len(b.Ends):p.round] {
		b.Append(message, h.rosterName(p.roster))
	}
}

// firstFrom finds the first message from number seq on, where numbers may leave
// gaps: to subscribers with sessions, whose clients may take a channel to a later one.
func firstFrom(msgs []*msg.Message, seq int32) int {
	i := 0
	for i < len(msgs) && msgs[i].Seq-seq < 0 {
		i++
	}
	return i
}
