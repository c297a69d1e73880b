package comet

import (
	"time"
	"unsafe"

	"ccomet/reactor"
)

// seat is where a channel's home knows a subscriber of CComet's dialect by name,
// so that whoever comes next under that name takes its place, whichever loop each
// of them is on. 24 bytes, the name and a place in the index beside; others do not
// pay for it.
type seat struct {
	link    uint32 // index chain
	channel uint32
	conn    reactor.Conn // whose it is, on its loop; 0 while the seat is free
	nameAt  uint32       // of the subscriber
	nameLen uint8
	loop    uint8
	_       uint16
}

var _ [24]byte = [unsafe.Sizeof(seat{})]byte{}

func (k *seat) name() name { return name{k.nameAt, k.nameLen} }

// hashSeat mixes a subscriber's name and its channel for the index of seats.
func (b *broker) hashSeat(channel uint32, sname []byte) uint32 {
	return uint32(b.homes.hash(sname)) ^ hashRef(0, channel)
}

// findSeat returns the seat of a name on a channel, or 0.
func (b *broker) findSeat(channel uint32, sname []byte) uint32 {
	i := b.seatIndex.head(b.hashSeat(channel, sname))
	for i != 0 {
		k := b.seats.At(i)
		if k.channel == channel && string(b.names.get(k.name())) == string(sname) {
			return i
		}
		i = k.link
	}
	return 0
}

// makeSeat returns a new seat, which has nobody's connection yet; 0 when there is
// no memory.
func (b *broker) makeSeat(channel uint32, sname []byte) uint32 {
	at := b.names.put(sname)
	if at.at == 0 {
		return 0
	}
	i := b.seats.Alloc()
	if i == 0 {
		b.names.drop(at)
		return 0
	}
	*b.seats.At(i) = seat{channel: channel, nameAt: at.at, nameLen: at.len}
	b.seatIndex.insert(i)
	return i
}

func (b *broker) freeSeat(i uint32) {
	k := b.seats.At(i)
	b.seatIndex.remove(i)
	b.names.drop(k.name())
	k.conn = 0
	b.seats.Free(i)
}

// sit serves mailSit: it finds or makes the channel, and gives the subscriber what
// it wants if that is there, and else a seat. Either way who had come under its
// name before is sent away.
func (b *broker) sit(m *mail) {
	r := mail{kind: mailSat, conn: m.conn, slot: m.slot}
	var i uint32
	if i, r.code = b.findOrMake(m.cname()); r.code != codeOK {
		b.send(m.from, r)
		return
	}
	ch := b.channels.At(i)
	at := b.findSeat(i, m.content())
	if at != 0 {
		b.send(b.seats.At(at).loop, mail{kind: mailOusted, conn: b.seats.At(at).conn, ref: ref{i, ch.gen}})
	}
	b.resume(ch, m, &r)
	if r.n > 0 {
		r.buf, r.nlen, m.buf = m.buf, m.nlen, nil // the channel may be gone when this is read
	}
	if r.code == codeOK && r.n == 0 {
		b.giveSeat(i, at, m, &r)
	} else if at != 0 {
		b.freeSeat(at)
	}
	if ch.subs == 0 {
		b.extend(i, b.cfg.ChannelTimeout)
	}
	b.send(m.from, r)
}

// resume works out what a subscriber that waits for number m.seq is to be given:
// all that is kept from it on, nothing as yet, or that there is no such number. A
// channel cannot know while it has given no number, or is young: its clients may
// come from before a restart, or from an earlier channel of that name. If some
// backend has been quicker, what is kept is news to them, whatever its numbers;
// else the channel goes on from the highest number that any of them waits for.
func (b *broker) resume(ch *channel, m, r *mail) {
	young := ch.dialect == dialectCCometFresh || b.minute()-ch.born < youngMinutes
	if !young {
		ch.born = b.minute() - youngMinutes // or it would be young again when the minutes have gone round
	}
	if young && m.seq-ch.next > 0 && m.seq <= maxSeqid+1 {
		if ch.history != 0 {
			m.seq = b.oldest(ch)
		} else {
			ch.next = m.seq
		}
	}
	switch d := m.seq - ch.next; {
	case d > 0:
		r.code = codeBeyond
	case d < 0:
		kept, _ := b.from(ch, m.seq)
		kept = kept.slice(b.cfg.PollMost, objectRoom(m.cname()))
		r.msg, r.n = kept.first, int32(kept.n)
	}
}

// youngMinutes is how long clients have to come back to a channel that was made
// anew: they ask again every few seconds.
const youngMinutes = 3

// minute counts the loop's minutes, and wraps.
func (b *broker) minute() uint8 {
	return uint8(b.loop.Tick() / reactor.Tick(time.Minute/reactor.TickLength))
}

// giveSeat has a subscriber wait, in the seat at if there was one under its name:
// then it takes another's place, and no limit is in its way.
func (b *broker) giveSeat(i, at uint32, m, r *mail) {
	if at == 0 {
		if b.full(i) {
			r.code = codeFull
			return
		}
		if at = b.makeSeat(i, m.content()); at == 0 {
			r.code = codeNoMemory
			return
		}
	}
	k := b.seats.At(at)
	k.conn, k.loop = m.conn, m.from
	r.seq, r.lost = b.channels.At(i).next, int32(at)
	b.enrol(i, m, r)
}

// stood serves mailStand: a subscriber has left its seat, if it had not been given
// to another.
func (b *broker) stood(m *mail) {
	if k := b.seats.At(m.slot); k.conn == m.conn && k.loop == m.from {
		b.freeSeat(m.slot)
	}
}

// told serves mailTell: it numbers a message and keeps it, unless it is a SIGN, and
// has it delivered.
func (b *broker) told(m *mail) {
	r := mail{kind: mailDone, conn: m.conn, slot: m.slot}
	if i := b.channelFor(m, &r, m.op != opSignIn); i != 0 {
		ch := b.channels.At(i)
		if m.op == opSignIn {
			b.deliver(i, newMessage(kindSign, ch.next, m.content()))
		} else {
			ch.dialect = dialectCComet
			b.append(i, kindData, m.content())
		}
	}
	b.send(m.from, r)
}
