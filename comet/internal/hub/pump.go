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
//  1. Enqueue: the channel's home mails the message once to each loop, however many wait
//     there. The roster's pump queues it; one turn may bring many.
//  2. RunFirst and RunRest, when the turn ends: the messages are rendered once for each
//     framing that a subscriber here needs, one after the other (frame.Batch). They are
//     consecutive, so what a subscriber lacks is the end of the batch: one write, however many
//     messages it is.
//  3. A turn has a budget of writes, of which every pump gets its share. A pump that does not
//     finish continues in the next turn, after the others, so that no roster waits for a long
//     one. Messages that come meanwhile are appended. Subscribers that were already passed get
//     them in another round: the cursor tells what a subscriber lacks. RunFirst spends the
//     first of the budget before publishers are answered. So few subscribers have the message
//     before its publisher is told, but a publisher to many does not wait for them.
//  4. After a short write the subscriber is behind. It holds the rest of the one frame that
//     was cut, in a copy that all subscribers share that are stuck at the same frame. Then it
//     catches up.

const (
	PumpBudget = 1024 // deliveries in a turn
	PumpFirst  = 16   // of which at most this many come before the answers to publishers
	pumpShare  = 16   // and a pump gets at least this many
	keepPumps  = 64   // idle pumps that keep their buffers

	// RenderedBytes bounds what the pumps of a loop keep rendered for the next turn, in total.
	// A pump that would keep more renders its messages again.
	RenderedBytes = 16 << 20

	// RoundBytes bounds the bytes of messages that a pump renders and delivers in a round, but
	// one message always fits. Further messages come in the next round. So do messages after a
	// gap in the numbers (gap.go).
	RoundBytes = 1 << 20
)

// pump is the delivery of messages to one roster, while there are any.
type pump struct {
	roster  uint32
	at      uint32 // the next subscriber
	started bool
	again   bool // messages came after the round had begun
	given   int  // number of messages when the round began
	round   int  // number of messages that the round delivers
	Msgs    []*msg.Message
	notices []joinNotice
	batches [frame.Framings]frame.Batch
	polls   [8]pollCache // by SubCloseAfter, SubHTTP10 and subTell
	body    []byte       // of a JSONP poll
	counted int          // bytes of its buffers, as counted in pumps.rendered
}

// pumps are the pumps of a loop.
type pumps struct {
	*Hub
	All           []*pump // [0] is not used
	Busy          []uint32
	Idle          []uint32
	unfinished    []uint32           // pumps that this turn has not finished
	left          int                // deliveries that are left in the turn
	rendered      int                // bytes of all pumps' buffers
	LastHeldFrame *reactor.Frame     // the frame that the last short write has cut
	deflater      websocket.Deflater // for all clients that accept compression
	prefetchSink  uint32             // written to load the next record into the cache; never read
}

type pollCache struct {
	from, n  int // messages that it contains
	page     uint32
	response []byte
}

// Enqueue handles mail.Deliver.
func (k *pumps) Enqueue(m *mail.Mail) {
	ri := k.Rosters.find(m.From, m.Ref)
	if ri == 0 {
		k.letGo(m.Msg) // the last subscriber here has left, and the home does not know it yet
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

// stop ends a delivery. upTo makes the pump idle.
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

// letGo subtracts messages from what is on its way to subscribers.
func (k *pumps) letGo(messages ...*msg.Message) {
	size := 0
	for _, message := range messages {
		size += mail.Weight(message)
	}
	k.totals.Delivering.Add(-int64(size))
}

// countRendered updates the count of a pump's buffers.
func (k *pumps) countRendered(p *pump) {
	k.rendered -= p.counted
	p.counted = p.Size()
	k.rendered += p.counted
}

// dropRendered frees a pump's buffers. It renders its messages again when it continues.
func (k *pumps) dropRendered(p *pump) {
	k.rendered -= p.counted
	p.batches, p.polls = [frame.Framings]frame.Batch{}, [8]pollCache{}
	p.body, p.counted = nil, 0
	if len(p.Msgs) == 0 {
		p.Msgs = nil
	}
}

// Size returns the bytes of a pump's buffers.
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

// RunFirst makes the first deliveries of a turn, as many as a publisher's answer can wait for.
// It reports whether more are left.
func (k *pumps) RunFirst() (more bool) {
	k.left = PumpBudget
	k.upTo(PumpFirst)
	return len(k.Busy) > 0
}

// RunRest makes the other deliveries, within the turn's budget.
func (k *pumps) RunRest() { k.upTo(k.left) }

// upTo makes at most that many deliveries.
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

// run continues one delivery, and reports whether it is finished.
func (k *pumps) run(p *pump, budget *int) bool {
	if len(p.notices) > 0 && !k.runNotices(p, budget, false) {
		return false
	}
	if len(p.Msgs) > 0 && !k.runMessages(p, budget) {
		return false
	}
	return len(p.notices) == 0 || k.runNotices(p, budget, true)
}

// runMessages continues with a pump's messages, and reports whether they are finished.
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
				continue // it catches up later, or has them
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

// deliver gives a subscriber the messages of a round, from index from on.
func (k *pumps) deliver(p *pump, i uint32, from int) {
	sub := k.Subs.At(i)
	k.Tally.Delivered += uint64(p.round - from)
	if p.at != 0 {
		k.prefetchSink = k.Subs.At(p.at).Conn // load the next record into the cache while this one is written to
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

// beginRound starts at the head of the roster. The messages that were there when the last
// round began have been sent to all subscribers, and are dropped.
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

// extendRound adds the messages that have come since to the round, as far as there is room.
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

// forget drops what was rendered.
func (p *pump) forget() {
	for f := range p.batches {
		p.batches[f].Reset(frame.Framing(f), record.EpochNone)
	}
	for v := range p.polls {
		p.polls[v].n = 0
	}
}

// render adds the messages that a batch lacks.
func (k *pumps) render(p *pump, b *frame.Batch, f frame.Framing) {
	if len(b.Ends) == 0 {
		b.Reset(f, k.Rosters.At(p.roster).Gen)
		b.Deflater = &k.deflater
	}
	for _, message := range p.Msgs[len(b.Ends):p.round] {
		b.Append(message, k.Rosters.name(p.roster))
	}
}

// firstFrom returns the index of the first message with number seq or higher. Numbers may have
// gaps for subscribers with sessions, because their clients may set a channel to a higher
// number.
func firstFrom(msgs []*msg.Message, seq int32) int {
	i := 0
	for i < len(msgs) && msgs[i].Seq-seq < 0 {
		i++
	}
	return i
}
