package broker

import (
	"unsafe"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Channel is a channel's record on its home loop, which alone gives numbers
// and keeps history. 48 bytes, and its name and its place in the index beside.
type Channel struct {
	Next    int32  // the number that the next message gets
	Gen     uint32 // its epoch: tells one life, and one use of the record, from the next
	link    uint32 // index chain
	history uint32 // its messages, 0 while it has none
	subs    uint32 // subscribers on all loops, those included whose joining is still under way
	lease   reactor.Timer
	loops   [2]uint32 // a bit a loop that may have subscribers
	nameAt  uint32
	nameLen uint8
	state   channelState
	Dialect uint8
	born    uint8 // the minute when it was made, of 256: whether it is young (session.go)
}

type channelState uint8

const (
	channelFree channelState = iota
	channelLive
	channelClosed // not to be found any more; the record waits for its last subscriber to leave
)

var _ [48]byte = [unsafe.Sizeof(Channel{})]byte{}

func (ch *Channel) Name() record.Name { return record.Name{At: ch.nameAt, Len: ch.nameLen} }

// findOrMake returns the channel of a name, new if need be; code says why not.
func (b *Broker) findOrMake(cname []byte) (uint32, mail.Code) {
	if i := b.channels.find(cname); i != 0 {
		return i, mail.CodeOK
	}
	return b.newChannel(cname)
}

// newChannel makes a channel; code says why not.
func (b *Broker) newChannel(cname []byte) (uint32, mail.Code) {
	if n := b.totals.Channels.Add(1); b.cfg.MaxChannels > 0 && n > int64(b.cfg.MaxChannels) {
		b.totals.Channels.Add(-1)
		b.totals.HitLimit(limit.Channels, b.cfg.MaxChannels, b.loop.Now())
		return 0, mail.CodeTooMany
	}
	i := b.channels.add(cname)
	if i == 0 {
		b.totals.Channels.Add(-1)
		return 0, mail.CodeNoMemory
	}
	b.rates.begin(i)
	b.Presence.announce(b.channels.At(i), true)
	return i, mail.CodeOK
}

// ExpireChannels frees the channels whose time is up, some at a time.
func (b *Broker) ExpireChannels() {
	b.channels.leases.Advance(b.loop.Tick())
	for range ScanBudget {
		i := b.channels.leases.Pop()
		if i == 0 {
			return
		}
		// With subscribers it lives on; a lease begins when the last one leaves.
		switch {
		case b.channels.At(i).subs == 0 && !b.remote.isAsked(i):
			b.freeChannel(i)
		case b.channels.At(i).subs > 0 && b.remote != nil:
			b.remote.touch(i)
		}
	}
}

// hide takes a channel out of everything but its own record.
func (b *Broker) hide(i uint32) {
	ch := b.channels.At(i)
	if ch.state != channelLive {
		return
	}
	b.channels.hide(i)
	b.totals.Channels.Add(-1)
	b.Presence.announce(ch, false)
	if b.remote != nil {
		b.remote.detach(i)
	}
}

func (b *Broker) freeChannel(i uint32) {
	b.hide(i)
	b.histories.drop(b.channels.At(i))
	b.channels.drop(i)
}
