package broker

import (
	"time"
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

// find returns the record of a live channel, or 0.
func (b *Broker) find(cname []byte) uint32 { return b.findHashed(uint32(b.homes.Hash(cname)), cname) }

// findHashed is find for a name whose hash is known.
func (b *Broker) findHashed(hash uint32, cname []byte) uint32 {
	i := b.channelIndex.Head(hash)
	for i != 0 {
		ch := b.channels.At(i)
		if string(b.names.Get(ch.Name())) == string(cname) {
			return i
		}
		i = ch.link
	}
	return 0
}

// channel returns the record that a ref names, or nil when it is gone.
func (b *Broker) channel(r mail.Ref) *Channel {
	if b.channels.Has(r.Index) {
		if ch := b.channels.At(r.Index); ch.Gen == r.Gen && ch.state != channelFree {
			return ch
		}
	}
	return nil
}

// findOrMake returns the channel of a name, new if need be; code says why not.
func (b *Broker) findOrMake(cname []byte) (uint32, mail.Code) {
	if i := b.find(cname); i != 0 {
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
	i := b.makeChannel(cname)
	if i == 0 {
		b.totals.Channels.Add(-1)
		return 0, mail.CodeNoMemory
	}
	return i, mail.CodeOK
}

func (b *Broker) makeChannel(cname []byte) uint32 {
	at := b.names.Put(cname)
	if at.At == 0 {
		return 0
	}
	i := b.channels.Alloc()
	if i == 0 {
		b.names.Drop(at)
		return 0
	}
	ch := b.channels.At(i)
	*ch = Channel{Next: 1, Gen: b.epochs.Next(ch.Gen), nameAt: at.At, nameLen: at.Len, state: channelLive, Dialect: record.DialectOf(cname), born: b.minute()}
	if b.cfg.PublishRatePerChannel > 0 {
		*b.rates.At(i) = 0
	}
	b.channelIndex.Insert(i)
	b.announce(ch, true)
	return i
}

// extend lets a channel live at least d from now, subscribers or not.
func (b *Broker) extend(i uint32, d time.Duration) {
	due := b.loop.Tick() + reactor.Tick((d+reactor.TickLength-1)/reactor.TickLength)
	if lease := &b.channels.At(i).lease; !lease.Armed() || int32(due-lease.Due()) > 0 {
		b.leases.Schedule(i, due)
	}
}

// ExpireChannels frees the channels whose time is up, some at a time.
func (b *Broker) ExpireChannels() {
	b.leases.Advance(b.loop.Tick())
	for range ScanBudget {
		i := b.leases.Pop()
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
	ch.state = channelClosed
	b.channelIndex.Remove(i)
	b.leases.Cancel(i)
	b.totals.Channels.Add(-1)
	b.announce(ch, false)
	if b.remote != nil {
		b.remote.detach(i)
	}
}

func (b *Broker) freeChannel(i uint32) {
	b.hide(i)
	ch := b.channels.At(i)
	b.names.Drop(ch.Name())
	b.dropHistory(ch)
	ch.state = channelFree
	b.channels.Free(i)
}

// Publish serves mail.Publish.
func (b *Broker) Publish(m *mail.Mail) {
	key := keyed{key: m.Key()}
	i := b.find(m.Cname())
	if seq, ok := b.repeated(i, &key); ok {
		r := m.Answer(mail.Done)
		r.Seq = seq
		b.Send(m.From, r)
		return
	}
	i, code, seconds := b.channelFor(i, m.Cname(), m.Op != mail.OpNotice)
	if i != 0 {
		b.propose(i, m)
		b.rememberKey(i, &key, b.channels.At(i).Next-1)
		return
	}
	r := m.Answer(mail.Done)
	r.Code = code
	r.SetSeconds(seconds)
	b.Send(m.From, r)
}

// channelFor returns the channel that there is a message for, which is that of record i, or
// where that is 0 a new one, and extends its life; 0 and why where there is none, where it is rated and has had too much
// (then for how many seconds), or where subscribers are too far behind what is published.
func (b *Broker) channelFor(i uint32, cname []byte, rated bool) (of uint32, code mail.Code, seconds int32) {
	if b.totals.Delivering.Load() > int64(b.cfg.MaxDelivering) || b.tooMuchPinned() {
		b.totals.HitLimit(limit.Held, b.cfg.MaxDelivering, b.loop.Now())
		return 0, mail.CodeDelivering, 0
	}
	if i == 0 {
		if i, code = b.newChannel(cname); code != mail.CodeOK {
			return 0, code, 0
		}
	}
	if rated {
		if wait, ok := b.mayAppend(i); !ok {
			return 0, mail.CodeTooFast, int32(limit.WholeSeconds(wait))
		}
	}
	if b.channels.At(i).subs == 0 {
		b.extend(i, b.cfg.ChannelTimeout)
	}
	return i, mail.CodeOK, 0
}

// Join serves mail.Join: it finds or makes the channel, works out what the
// subscriber is to be sent, and counts it if it is going to wait.
func (b *Broker) Join(m *mail.Mail) {
	i, code, later := b.admit(m, true)
	if later {
		return
	}
	r := m.Answer(mail.Joined)
	r.Code = code
	if r.Code == mail.CodeOK && b.full(i) {
		r.Code = mail.CodeFull
	}
	if r.Code != mail.CodeOK {
		r.Buf, r.Nlen, m.Buf = m.Buf, m.Nlen, nil // the refusal names the channel
		b.Send(m.From, r)
		return
	}
	ch := b.channels.At(i)
	r.SetEpoch(ch.Gen)
	b.replay(ch, m, &r)
	answered := r.Code == mail.CodeMoved || r.N > 0 || r.Flag&mail.FlagLost != 0 && m.Flag&mail.FlagSayLost != 0
	if m.Flag&mail.FlagPoll != 0 && answered {
		// It will not be counted, so the channel may be gone when this is read:
		// the name goes along.
		r.Buf, r.Nlen, m.Buf = m.Buf, m.Nlen, nil
		if ch.subs == 0 {
			b.extend(i, b.cfg.ChannelTimeout)
		}
	} else {
		b.addSubscriber(i, m, &r)
	}
	b.Send(m.From, r)
}

// full says whether a channel has as many subscribers as it may.
func (b *Broker) full(i uint32) bool {
	ceiling := b.cfg.MaxSubscribersPerChannel
	if ceiling == 0 || int(b.channels.At(i).subs) < ceiling {
		return false
	}
	b.totals.HitLimit(limit.Subscribers, ceiling, b.loop.Now())
	return true
}

// CatchUp serves mail.CatchUp: a subscriber that was stuck can be written to
// again, and goes on from its cursor.
func (b *Broker) CatchUp(m *mail.Mail) {
	r := m.Answer(mail.Backlog)
	ch := b.channel(m.Ref) // it is there while it has subscribers
	b.replay(ch, m, &r)
	if ch.state == channelClosed {
		r.Flag |= mail.FlagClosed
	}
	if r.Flag&mail.FlagLost != 0 && b.oldest(ch)-m.Seq < 0 { // what was before them is still kept
		r.Flag |= mail.FlagGoOn
	}
	b.Send(m.From, r)
}
