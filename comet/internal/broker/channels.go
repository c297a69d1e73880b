package broker

import (
	"errors"
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// channels are the records of a home's channels. A live channel is found by its name; a channel
// without subscribers is freed when its lease expires.
type channels struct {
	reactor.Slab[Channel]
	loop   *reactor.Loop
	homes  *record.Homes
	names  *record.Names
	index  *record.Index
	epochs record.Epochs
	leases *reactor.Wheel
}

func (t *channels) open(loop *reactor.Loop, homes *record.Homes, names *record.Names) {
	t.loop, t.homes, t.names, t.epochs = loop, homes, names, record.NewEpochs()
	t.index = record.NewIndex(
		func(i uint32) *uint32 { return &t.At(i).link },
		func(i uint32) uint32 { return uint32(t.homes.Hash(t.name(t.At(i)))) })
	t.leases = reactor.NewWheel(0, func(i uint32) *reactor.Timer { return &t.At(i).lease })
}

// begin initialises an empty set of channels in an arena, which may be nil.
func (t *channels) begin(a *reactor.Arena) error {
	t.In(a)
	return t.index.Begin(a)
}

// resume continues the channels of another program.
func (t *channels) resume(a *reactor.Arena, st *Handover) error {
	if err := errors.Join(t.Resume(a, st.Channels), t.index.Resume(a, st.ChannelIndex)); err != nil {
		return err
	}
	t.leases.Resume(st.Leases)
	t.epochs = record.Epochs(st.Epochs)
	return nil
}

func (t *channels) release() {
	t.Release()
	t.index.Release()
}

func (t *channels) name(ch *Channel) []byte { return t.names.Get(ch.Name()) }

// find returns the record of a live channel, or 0.
func (t *channels) find(cname []byte) uint32 { return t.findHashed(uint32(t.homes.Hash(cname)), cname) }

// findHashed is find with the hash of the name.
func (t *channels) findHashed(hash uint32, cname []byte) uint32 {
	i := t.index.Head(hash)
	for i != 0 {
		ch := t.At(i)
		if string(t.name(ch)) == string(cname) {
			return i
		}
		i = ch.link
	}
	return 0
}

// ref returns the reference by which other actors name a channel.
func (t *channels) ref(i uint32) mail.Ref { return mail.Ref{Index: i, Gen: t.At(i).Gen} }

// of returns the channel of a reference, or nil if the channel is gone.
func (t *channels) of(r mail.Ref) *Channel {
	if t.Has(r.Index) {
		if ch := t.At(r.Index); ch.Gen == r.Gen && ch.state != channelFree {
			return ch
		}
	}
	return nil
}

// next returns the next live channel from record at on, or 0 at the end or if the budget is
// used up.
func (t *channels) next(at *uint32, end uint32, budget *int) uint32 {
	for *at <= end && *budget > 0 {
		*budget--
		*at++
		if i := *at - 1; t.At(i).state == channelLive {
			return i
		}
	}
	return 0
}

// add creates a live channel. It returns 0 if there is no memory.
func (t *channels) add(cname []byte) uint32 {
	i, at := record.AllocNamed(&t.Slab, t.names, cname)
	if i == 0 {
		return 0
	}
	ch := t.At(i)
	*ch = Channel{
		Next: 1, Gen: t.epochs.Next(ch.Gen), nameAt: at.At, nameLen: at.Len,
		state: channelLive, Dialect: record.DialectOf(cname), born: t.minute(),
	}
	t.index.Insert(i)
	return i
}

// hide removes a live channel from the index and cancels its lease.
func (t *channels) hide(i uint32) {
	t.At(i).state = channelClosed
	t.index.Remove(i)
	t.leases.Cancel(i)
}

// drop frees the record of a hidden channel.
func (t *channels) drop(i uint32) {
	ch := t.At(i)
	t.names.Drop(ch.Name())
	ch.state = channelFree
	t.Free(i)
}

// extend sets a channel's lease to at least d from now. Subscribers do not matter.
func (t *channels) extend(i uint32, d time.Duration) {
	due := t.loop.Tick() + reactor.Tick((d+reactor.TickLength-1)/reactor.TickLength)
	if lease := &t.At(i).lease; !lease.Armed() || int32(due-lease.Due()) > 0 {
		t.leases.Schedule(i, due)
	}
}

// left returns the remaining time of a channel's lease, if it has one.
func (t *channels) left(ch *Channel) (d time.Duration, leased bool) {
	if !ch.lease.Armed() {
		return 0, false
	}
	return time.Duration(int32(ch.lease.Due()-t.loop.Tick())) * reactor.TickLength, true // correct even if ticks wrap around
}

// minute returns the loop's current minute, modulo 256.
func (t *channels) minute() uint8 {
	return uint8(t.loop.Tick() / reactor.Tick(time.Minute/reactor.TickLength))
}
