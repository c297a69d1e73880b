package broker

import (
	"unsafe"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Channel is a channel's record at its home. It takes 48 bytes; the name and the index entry
// take more.
type Channel struct {
	Next    int32  // number of the next message
	Gen     uint32 // the epoch, which also distinguishes successive uses of the record
	link    uint32 // index chain
	history uint32 // index of its stored messages; 0: none
	subs    uint32 // subscribers on all loops, including those that are still joining
	lease   reactor.Timer
	loops   [2]uint32 // bit set of the loops that may have subscribers
	nameAt  uint32
	nameLen uint8
	state   channelState
	Dialect uint8
	born    uint8 // minute of creation, modulo 256, which tells whether the channel is young (claim.go)
}

type channelState uint8

const (
	channelFree channelState = iota
	channelLive
	channelClosed // not found by name any more; the record is freed when the last subscriber leaves
)

var _ [48]byte = [unsafe.Sizeof(Channel{})]byte{}

func (ch *Channel) Name() record.Name { return record.Name{At: ch.nameAt, Len: ch.nameLen} }

// findOrMake returns the channel of a name, and creates it if necessary. code tells why it
// failed.
func (b *Broker) findOrMake(cname []byte) (uint32, mail.Code) {
	if i := b.channels.find(cname); i != 0 {
		return i, mail.CodeOK
	}
	return b.newChannel(cname)
}

// newChannel creates a channel. code tells why it failed.
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

// ExpireChannels frees channels whose lease has expired, a limited number in a turn.
func (b *Broker) ExpireChannels() {
	b.channels.leases.Advance(b.loop.Tick())
	for range ScanBudget {
		i := b.channels.leases.Pop()
		if i == 0 {
			return
		}
		// A channel with subscribers needs no lease; a new one starts when the last leaves.
		switch {
		case b.channels.At(i).subs == 0 && !b.attachments.isAsked(i):
			b.freeChannel(i)
		case b.channels.At(i).subs > 0 && b.remote != nil:
			b.remote.touch(i)
		}
	}
}

// hide makes a channel unreachable by name. Its record remains.
func (b *Broker) hide(i uint32) {
	ch := b.channels.At(i)
	if ch.state != channelLive {
		return
	}
	b.channels.hide(i)
	b.totals.Channels.Add(-1)
	b.Presence.announce(ch, false)
	if b.attachments != nil {
		b.attachments.detach(i)
	}
}

func (b *Broker) freeChannel(i uint32) {
	b.hide(i)
	b.histories.drop(b.channels.At(i))
	b.channels.drop(i)
}
