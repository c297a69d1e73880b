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
func (s *shard) hashSeat(channel uint32, sname []byte) uint32 {
	return uint32(s.homes.hash(sname)) ^ hashRef(0, channel)
}

// findSeat returns the seat of a name on a channel, or 0.
func (s *shard) findSeat(channel uint32, sname []byte) uint32 {
	i := s.seatIndex.head(s.hashSeat(channel, sname))
	for i != 0 {
		k := s.seats.At(i)
		if k.channel == channel && string(s.names.get(k.name())) == string(sname) {
			return i
		}
		i = k.link
	}
	return 0
}

// makeSeat returns a new seat, which has nobody's connection yet; 0 when there is
// no memory.
func (s *shard) makeSeat(channel uint32, sname []byte) uint32 {
	at := s.names.put(sname)
	if at.at == 0 {
		return 0
	}
	i := s.seats.Alloc()
	if i == 0 {
		s.names.drop(at)
		return 0
	}
	*s.seats.At(i) = seat{channel: channel, nameAt: at.at, nameLen: at.len}
	s.seatIndex.insert(i)
	return i
}

func (s *shard) freeSeat(i uint32) {
	k := s.seats.At(i)
	s.seatIndex.remove(i)
	s.names.drop(k.name())
	k.conn = 0
	s.seats.Free(i)
}

// sit serves mailSit: it finds or makes the channel, and gives the subscriber what
// it wants if that is there, and else a seat. Either way who had come under its
// name before is sent away.
func (s *shard) sit(m *mail) {
	r := mail{kind: mailSat, conn: m.conn, slot: m.slot}
	var i uint32
	if i, r.code = s.findOrMake(m.cname()); r.code != codeOK {
		s.send(m.from, r)
		return
	}
	ch := s.channels.At(i)
	at := s.findSeat(i, m.content())
	if at != 0 {
		s.send(s.seats.At(at).loop, mail{kind: mailOusted, conn: s.seats.At(at).conn, ref: ref{i, ch.gen}})
	}
	s.resume(ch, m, &r)
	if r.n > 0 {
		r.buf, r.nlen, m.buf = m.buf, m.nlen, nil // the channel may be gone when this is read
	}
	if r.code == codeOK && r.n == 0 {
		s.giveSeat(i, at, m, &r)
	} else if at != 0 {
		s.freeSeat(at)
	}
	if ch.subs == 0 {
		s.extend(i, s.cfg.ChannelTimeout)
	}
	s.send(m.from, r)
}

// resume works out what a subscriber that waits for number m.seq is to be given:
// all that is kept from it on, nothing as yet, or that there is no such number. A
// channel cannot know while it has given no number, or is young: its clients may
// come from before a restart, or from an earlier channel of that name. If some
// backend has been quicker, what is kept is news to them, whatever its numbers;
// else the channel goes on from the highest number that any of them waits for.
func (s *shard) resume(ch *channel, m, r *mail) {
	young := ch.dialect == dialectCCometFresh || s.minute()-ch.born < youngMinutes
	if !young {
		ch.born = s.minute() - youngMinutes // or it would be young again when the minutes have gone round
	}
	if young && m.seq-ch.next > 0 && m.seq <= maxSeqid+1 {
		if ch.history != 0 {
			m.seq = s.oldest(ch)
		} else {
			ch.next = m.seq
		}
	}
	switch d := m.seq - ch.next; {
	case d > 0:
		r.code = codeBeyond
	case d < 0:
		kept, _ := s.from(ch, m.seq)
		kept = kept.slice(s.cfg.pollMost(), objectRoom(m.cname()))
		r.msg, r.n = kept.first, int32(kept.n)
	}
}

// youngMinutes is how long clients have to come back to a channel that was made
// anew: they ask again every few seconds.
const youngMinutes = 3

// minute counts the loop's minutes, and wraps.
func (s *shard) minute() uint8 {
	return uint8(s.loop.Tick() / reactor.Tick(time.Minute/reactor.TickLength))
}

// giveSeat has a subscriber wait, in the seat at if there was one under its name:
// then it takes another's place, and no limit is in its way.
func (s *shard) giveSeat(i, at uint32, m, r *mail) {
	if at == 0 {
		if s.full(i) {
			r.code = codeFull
			return
		}
		if at = s.makeSeat(i, m.content()); at == 0 {
			r.code = codeNoMemory
			return
		}
	}
	k := s.seats.At(at)
	k.conn, k.loop = m.conn, m.from
	r.seq, r.lost = s.channels.At(i).next, int32(at)
	s.enrol(i, m, r)
}

// stood serves mailStand: a subscriber has left its seat, if it had not been given
// to another.
func (s *shard) stood(m *mail) {
	if k := s.seats.At(m.slot); k.conn == m.conn && k.loop == m.from {
		s.freeSeat(m.slot)
	}
}

// told serves mailTell: it numbers a message and keeps it, unless it is a SIGN, and
// has it delivered.
func (s *shard) told(m *mail) {
	r := mail{kind: mailDone, conn: m.conn, slot: m.slot}
	if i := s.channelFor(m, &r, m.op != opSignIn); i != 0 {
		ch := s.channels.At(i)
		if m.op == opSignIn {
			s.deliver(i, newMessage(kindSign, ch.next, m.content()))
		} else {
			ch.dialect = dialectCComet
			s.append(i, kindData, m.content())
		}
	}
	s.send(m.from, r)
}
