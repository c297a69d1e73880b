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
//  2. RunFirst and RunRest, when the turn ends: for each framing that a subscriber here needs,
//     the messages are rendered once, one behind the other (batch). Since they
//     are consecutive, what a subscriber lacks is the end of that: one write,
//     whatever their number.
//  3. A turn has a budget of writes, of which every pump has its share; one that
//     is not through goes on in the next turn, behind the others, so no other
//     roster waits for a long one. Messages that come meanwhile are put behind, and
//     subscribers that were passed already get them in another round: the cursor says
//     what a subscriber lacks.
//     The first of the budget is spent before publishers are answered (RunFirst): few
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
	polls   [8]pollCache // by SubCloseAfter, SubHTTP10 and subTell
	body    []byte       // of a JSONP poll
	counted int          // bytes of its buffers, as pumps.rendered has them
}

// pumps are those of a loop.
type pumps struct {
	*Hub
	All           []*pump // [0] is not used
	Busy          []uint32
	Idle          []uint32
	unfinished    []uint32           // pumps that this turn has not brought to an end
	left          int                // deliveries that the turn has left
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
func (k *pumps) Enqueue(m *mail.Mail) {
	ri := k.Rosters.find(m.From, m.Ref)
	if ri == 0 {
		k.letGo(m.Msg) // the last subscriber here has left, which the home does not know yet
		return
	}
	r := k.Rosters.At(ri)
	if r.Pump == 0 {
		r.Pump = k.begin(ri)
	}
	p := k.All[r.Pump]
	if m.Msg.Kind == msg.JoinNotice {
		if !p.addNotice(r, m.Msg) {
			k.letGo(m.Msg)
		}
		return
	}
	p.Msgs = append(p.Msgs, m.Msg)
	p.again = p.started
}

func (k *pumps) begin(ri uint32) uint32 {
	var i uint32
	if n := len(k.Idle); n > 0 {
		i, k.Idle = k.Idle[n-1], k.Idle[:n-1]
	} else {
		k.All = append(k.All, &pump{})
		i = uint32(len(k.All) - 1)
	}
	k.All[i].roster = ri
	k.Busy = append(k.Busy, i)
	return i
}

// stop ends a delivery. The pump is idle once upTo has passed it.
func (k *pumps) stop(i uint32) {
	p := k.All[i]
	k.Rosters.At(p.roster).Pump = 0
	p.forget()
	k.letGo(p.Msgs...)
	k.letGoNotices(p)
	clear(p.Msgs)
	p.roster, p.at, p.started, p.again, p.given, p.round, p.Msgs, p.notices = 0, 0, false, false, 0, 0, p.Msgs[:0], nil
	if k.countRendered(p); p.counted > pool.KeepBuffer || len(k.Idle) >= keepPumps {
		k.dropRendered(p)
	}
}

// letGo takes messages off those that are on their way to subscribers.
func (k *pumps) letGo(messages ...*msg.Message) {
	size := 0
	for _, message := range messages {
		size += mail.Weight(message)
	}
	k.totals.Delivering.Add(-int64(size))
}

// countRendered counts what a pump's buffers take now.
func (k *pumps) countRendered(p *pump) {
	k.rendered -= p.counted
	p.counted = p.Size()
	k.rendered += p.counted
}

// dropRendered gives a pump's buffers back: what it has rendered, it renders again where
// it goes on.
func (k *pumps) dropRendered(p *pump) {
	k.rendered -= p.counted
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

// RunFirst begins a turn's deliveries with so many of them that a publisher's answer
// can wait for, and says whether more are left.
func (k *pumps) RunFirst() (more bool) {
	k.left = PumpBudget
	k.upTo(PumpFirst)
	return len(k.Busy) > 0
}

// RunRest delivers what is left, within the turn's budget.
func (k *pumps) RunRest() { k.upTo(k.left) }

// upTo makes so many of the turn's deliveries.
func (k *pumps) upTo(most int) {
	if len(k.Busy) == 0 {
		return
	}
	left, share := most, max(most/len(k.Busy), pumpShare)
	k.unfinished = k.unfinished[:0]
	n := 0
	for ; n < len(k.Busy) && left > 0; n++ {
		i := k.Busy[n]
		p := k.All[i]
		budget := min(share, left)
		left -= budget
		if p.roster != 0 && !k.run(p, &budget) {
			k.unfinished = append(k.unfinished, i)
			if k.countRendered(p); k.rendered > RenderedBytes {
				k.dropRendered(p)
			}
		} else {
			if p.roster != 0 {
				k.stop(i)
			}
			k.Idle = append(k.Idle, i)
		}
		left += budget
	}
	k.Busy = append(append(k.Busy[:0], k.Busy[n:]...), k.unfinished...)
	k.left -= most - left
}

// run goes on with one delivery, and says whether it is through.
func (k *pumps) run(p *pump, budget *int) bool {
	if len(p.notices) > 0 && !k.runNotices(p, budget, false) {
		return false
	}
	if len(p.Msgs) > 0 && !k.runMessages(p, budget) {
		return false
	}
	return len(p.notices) == 0 || k.runNotices(p, budget, true)
}

// runMessages goes on with a pump's messages, and says whether they are through.
func (k *pumps) runMessages(p *pump, budget *int) bool {
	p.extendRound()
	for {
		if !p.started || p.at == 0 && p.again {
			k.beginRound(p)
		}
		for p.at != 0 {
			if *budget == 0 {
				return false
			}
			i := p.at
			sub := k.Subs.At(i)
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
				k.deliverBehindGap(p, i)
				continue
			}
			k.deliver(p, i, from)
		}
		if !p.again {
			return true
		}
	}
}

// deliver gives a subscriber the messages of a round from one of them on.
func (k *pumps) deliver(p *pump, i uint32, from int) {
	sub := k.Subs.At(i)
	k.Tally.Delivered += uint64(p.round - from)
	if p.at != 0 {
		k.prefetchSink = k.Subs.At(p.at).Conn // on its way to the cache while this one is written to
	}
	switch {
	case sub.poll():
		k.finishPoll(i, k.pollResponse(p, i, from))
	case sub.Has(subTell) || sub.Has(SubMember) && sub.Transport.Row().Events:
		k.writeOwn(p, i, from)
	default:
		b := &p.batches[sub.framing()]
		if len(b.Ends) < p.round {
			k.render(p, b, sub.framing())
		}
		k.writeBatch(i, sub, b, from)
	}
}

// beginRound starts at the roster's head. All subscribers have
// been sent what was there when the last round began.
func (k *pumps) beginRound(p *pump) {
	p.at = k.Rosters.At(p.roster).Head
	p.started, p.again = true, false
	if p.given > 0 {
		k.letGo(p.Msgs[:p.given]...)
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
func (k *pumps) render(p *pump, b *frame.Batch, f frame.Framing) {
	if len(b.Ends) == 0 {
		b.Reset(f, k.Rosters.At(p.roster).Gen)
		b.Deflater = &k.deflater
	}
	for _, message := range p.Msgs[len(b.Ends):p.round] {
		b.Append(message, k.Rosters.name(p.roster))
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
