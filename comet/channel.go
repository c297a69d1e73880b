package comet

import (
	"time"
	"unsafe"

	"ccomet/reactor"
)

// channel is a channel's record on its home loop, which alone gives numbers
// and keeps history. 48 bytes, and its name and its place in the index beside.
type channel struct {
	next    int32  // the number that the next message gets
	gen     uint32 // its epoch: tells one life, and one use of the record, from the next
	link    uint32 // index chain
	history uint32 // its messages, 0 while it has none
	subs    uint32 // subscribers on all loops, those included whose joining is still under way
	lease   reactor.Timer
	loops   [2]uint32 // a bit a loop that may have subscribers
	nameAt  uint32
	nameLen uint8
	state   channelState
	dialect uint8
	born    uint8 // the minute when it was made, of 256: CComet's dialect asks whether it is young
}

type channelState uint8

const (
	channelFree channelState = iota
	channelLive
	channelClosed // not to be found any more; the record waits for its last subscriber to leave
)

var _ [48]byte = [unsafe.Sizeof(channel{})]byte{}

func (ch *channel) name() name { return name{ch.nameAt, ch.nameLen} }

func (ch *channel) addLoop(id uint8)      { ch.loops[id>>5] |= 1 << (id & 31) }
func (ch *channel) hasLoop(id uint8) bool { return ch.loops[id>>5]&(1<<(id&31)) != 0 }

// find returns the record of a live channel, or 0.
func (b *broker) find(cname []byte) uint32 {
	i := b.channelIndex.head(uint32(b.homes.hash(cname)))
	for i != 0 {
		ch := b.channels.At(i)
		if string(b.names.get(ch.name())) == string(cname) {
			return i
		}
		i = ch.link
	}
	return 0
}

// channel returns the record that a ref names, or nil when it is gone.
func (b *broker) channel(r ref) *channel {
	if b.channels.Has(r.index) {
		if ch := b.channels.At(r.index); ch.gen == r.gen && ch.state != channelFree {
			return ch
		}
	}
	return nil
}

// findOrMake returns the channel of a name, new if need be; code says why not.
func (b *broker) findOrMake(cname []byte) (uint32, code) {
	if i := b.find(cname); i != 0 {
		return i, codeOK
	}
	if n := b.totals.channels.Add(1); b.cfg.MaxChannels > 0 && n > int64(b.cfg.MaxChannels) {
		b.totals.channels.Add(-1)
		b.totals.hitLimit(limitChannels, b.cfg.MaxChannels, b.loop.Now())
		return 0, codeTooMany
	}
	i := b.makeChannel(cname)
	if i == 0 {
		b.totals.channels.Add(-1)
		return 0, codeNoMemory
	}
	return i, codeOK
}

func (b *broker) makeChannel(cname []byte) uint32 {
	at := b.names.put(cname)
	if at.at == 0 {
		return 0
	}
	i := b.channels.Alloc()
	if i == 0 {
		b.names.drop(at)
		return 0
	}
	ch := b.channels.At(i)
	*ch = channel{next: 1, gen: b.epochs.next(ch.gen), nameAt: at.at, nameLen: at.len, state: channelLive, dialect: dialectOf(cname), born: b.minute()}
	if b.cfg.PublishRatePerChannel > 0 {
		*b.rates.at(i) = 0
	}
	b.channelIndex.insert(i)
	b.announce(ch, true)
	return i
}

// extend lets a channel live at least d from now, subscribers or not.
func (b *broker) extend(i uint32, d time.Duration) {
	due := b.loop.Tick() + reactor.Tick((d+reactor.TickLength-1)/reactor.TickLength)
	if lease := &b.channels.At(i).lease; !lease.Armed() || int32(due-lease.Due()) > 0 {
		b.leases.Schedule(i, due)
	}
}

// expireChannels frees the channels whose time is up, some at a time.
func (b *broker) expireChannels() {
	b.leases.Advance(b.loop.Tick())
	for range walkBudget {
		i := b.leases.Pop()
		if i == 0 {
			return
		}
		// With subscribers it lives on; a lease begins when the last one leaves.
		if b.channels.At(i).subs == 0 {
			b.freeChannel(i)
		}
	}
}

// endChannel closes a channel: nobody finds it any more, and its subscribers
// are told. The record goes when the last of them has left; until then its
// history is there for those who are behind, with the close as its last message.
func (b *broker) endChannel(i uint32) {
	ch := b.channels.At(i)
	b.append(i, kindClose, nil)
	b.hide(i)
	if ch.subs == 0 {
		b.freeChannel(i)
	}
}

// hide takes a channel out of everything but its own record.
func (b *broker) hide(i uint32) {
	ch := b.channels.At(i)
	if ch.state != channelLive {
		return
	}
	ch.state = channelClosed
	b.channelIndex.remove(i)
	b.leases.Cancel(i)
	b.totals.channels.Add(-1)
	b.announce(ch, false)
}

func (b *broker) freeChannel(i uint32) {
	b.hide(i)
	ch := b.channels.At(i)
	b.names.drop(ch.name())
	b.dropHistory(ch)
	ch.state = channelFree
	b.channels.Free(i)
}

// append gives a message of a channel its number, keeps it, and has it
// delivered. It returns the number.
func (b *broker) append(i uint32, k kind, content []byte) int32 {
	msg := newMessage(k, b.channels.At(i).next, content)
	b.add(i, msg)
	return msg.seq
}

// add takes a message that has a channel's next number, keeps it, and has it
// delivered.
func (b *broker) add(i uint32, msg *message) {
	ch := b.channels.At(i)
	ch.next++
	b.published++
	b.keep(ch, msg)
	b.deliver(i, msg)
}

// deliver mails a message to every loop that may have subscribers.
func (b *broker) deliver(i uint32, msg *message) {
	ch := b.channels.At(i)
	m := mail{kind: mailMessage, ref: ref{i, ch.gen}, msg: msg}
	for word, bits := range ch.loops {
		for to := uint8(word * 32); bits != 0; to, bits = to+1, bits>>1 {
			if bits&1 != 0 {
				b.send(to, m)
			}
		}
	}
}

// publish serves mailPublish.
func (b *broker) publish(m *mail) {
	r := mail{kind: mailDone, conn: m.conn, slot: m.slot}
	if i := b.channelFor(m, &r, true); i != 0 {
		r.seq = b.append(i, kindData, m.content())
	}
	b.send(m.from, r)
}

// channelFor returns the channel that a mail has something for, new if need be, and
// has it live on; 0, and why in the answer, where there is none, or where it is
// rated and has had too much.
func (b *broker) channelFor(m, r *mail, rated bool) uint32 {
	var i uint32
	if i, r.code = b.findOrMake(m.cname()); r.code != codeOK {
		return 0
	}
	if rated {
		if wait, ok := b.mayAppend(i); !ok {
			r.code, r.n = codeTooFast, int32(wholeSeconds(wait))
			return 0
		}
	}
	if b.channels.At(i).subs == 0 {
		b.extend(i, b.cfg.ChannelTimeout)
	}
	return i
}

// join serves mailJoin: it finds or makes the channel, works out what the
// subscriber is to be sent, and counts it if it is going to wait.
func (b *broker) join(m *mail) {
	r := mail{kind: mailJoined, conn: m.conn, slot: m.slot}
	var i uint32
	if m.flag&joinExist != 0 {
		if i = b.find(m.cname()); i == 0 || !b.tokens.valid(m.cname(), b.channels.At(i).gen, m.content()) {
			r.code = codeNoToken
		}
	} else {
		i, r.code = b.findOrMake(m.cname())
	}
	if r.code == codeOK && b.full(i) {
		r.code = codeFull
	}
	if r.code != codeOK {
		r.buf, r.nlen, m.buf = m.buf, m.nlen, nil // the refusal names the channel
		b.send(m.from, r)
		return
	}
	ch := b.channels.At(i)
	r.ref.gen = ch.gen
	b.replay(ch, m, &r)
	answered := r.code == codeMoved || r.n > 0 || r.flag&joinLost != 0 && m.flag&joinSayLost != 0
	if m.flag&joinPoll != 0 && answered {
		// It will not be counted, so the channel may be gone when this is read:
		// the name goes along.
		r.buf, r.nlen, m.buf = m.buf, m.nlen, nil
		if ch.subs == 0 {
			b.extend(i, b.cfg.ChannelTimeout)
		}
	} else {
		b.enrol(i, m, &r)
	}
	b.send(m.from, r)
}

// full says whether a channel has as many subscribers as it may.
func (b *broker) full(i uint32) bool {
	limit := b.cfg.MaxSubscribersPerChannel
	if limit == 0 || int(b.channels.At(i).subs) < limit {
		return false
	}
	b.totals.hitLimit(limitSubscribers, limit, b.loop.Now())
	return true
}

// enrol counts a subscriber that is going to wait, and tells it of its channel.
func (b *broker) enrol(i uint32, m, r *mail) {
	ch := b.channels.At(i)
	r.flag |= joinMember
	r.ref, r.name = ref{i, ch.gen}, ch.name()
	ch.subs++
	ch.addLoop(m.from)
	b.totals.subscribers.Add(1)
}

// replay works out what a subscriber that wants messages from m.seq on is to
// be sent. Numbers wrap, so they are compared by signed difference.
func (b *broker) replay(ch *channel, m, r *mail) {
	r.seq = ch.next
	switch d := m.seq - ch.next; {
	case m.flag&joinPlace != 0 && (d > 0 || m.ref.gen != epochNone && m.ref.gen != ch.gen):
		// It comes from another life of the channel: all that there is is news.
		b.replayFrom(ch, b.oldest(ch), m, r)
		r.flag |= joinLost | joinOther
		r.lost = m.seq
	case m.flag&joinPlace == 0 && m.seq == 0 || d > 0:
		r.code = codeMoved
	case d < 0:
		if b.replayFrom(ch, m.seq, m, r) != m.seq {
			r.flag |= joinLost
			r.lost = m.seq
		}
	}
}

// replayFrom has what is kept from number seq on sent, and returns the number that
// begins with.
func (b *broker) replayFrom(ch *channel, seq int32, m, r *mail) (oldest int32) {
	kept, oldest := b.from(ch, seq)
	room := objectRoom(b.names.get(ch.name()))
	if m.flag&joinPoll != 0 {
		kept = kept.slice(b.cfg.PollMost, room)
		if m.flag&joinSayLost != 0 {
			kept.n = int(kept.unbroken(ch.next)) // it is told of a gap when it asks for what comes behind
		}
	} else if given := kept.slice(replayBytes, room); given.n < kept.n {
		kept = given
		r.seq, r.flag = kept.behind().seq, r.flag|joinMore
	}
	r.msg, r.n = kept.first, int32(kept.n)
	return oldest
}

// catchUp serves mailCatchUp: a subscriber that was stuck can be written to
// again, and goes on from its cursor.
func (b *broker) catchUp(m *mail) {
	r := mail{kind: mailBacklog, conn: m.conn, slot: m.slot}
	ch := b.channel(m.ref) // it is there while it has subscribers
	b.replay(ch, m, &r)
	if ch.state == channelClosed {
		r.flag |= joinClosed
	}
	b.send(m.from, r)
}

// leave serves mailLeave.
func (b *broker) leave(m *mail) {
	ch := b.channel(m.ref)
	ch.subs -= uint32(m.n)
	b.totals.subscribers.Add(-int64(m.n))
	if ch.subs > 0 {
		return
	}
	// Everybody who ever joined has left, so no loop has a roster, nor will have.
	ch.loops = [2]uint32{}
	if ch.state == channelClosed {
		b.freeChannel(m.ref.index)
		return
	}
	b.extend(m.ref.index, b.cfg.ChannelTimeout)
}
