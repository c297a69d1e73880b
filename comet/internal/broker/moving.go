package broker

import (
	"encoding/binary"
	"errors"
	"slices"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/reactor"
)

// Moving creates the channels of another program's brokers at their new homes:
//
//  1. NewMoving creates the channels. Their messages are read later (unread.go).
//  2. Sessions creates the sessions, when the new places of the connections are known.
//  3. Joined is called for each subscriber that a hub has created.
//  4. Finish restores requests that wait for a shared log, keys, and counters.
type Moving struct {
	brokers           []*Broker
	parts             []movingPart
	records, sessions handover.Places // Gen of a channel's place is its epoch
}

// movingPart is what one broker of the other program has written.
type movingPart struct {
	*handover.Reader
	state Handover
	named ByName
}

var (
	errByName = errors.New("the handed-over list of channels is inconsistent")
	errNoRoom = errors.New("no memory for the channels")
)

// NewMoving creates the channels that brokers have written by name.
func NewMoving(from []*handover.Reader, to []*Broker) (*Moving, error) {
	m := &Moving{records: handover.NewPlaces(len(from)), sessions: handover.NewPlaces(len(from)), brokers: to, parts: make([]movingPart, len(from))}
	for _, b := range to {
		b.channels.leases.Advance(b.loop.Tick())
	}
	for loop, reader := range from {
		part := &m.parts[loop]
		part.Reader = reader
		if err := errors.Join(reader.Value(valueName, &part.state), reader.Value(byNameName, &part.named)); err != nil {
			return nil, err
		}
		if !part.named.whole() {
			return nil, errByName
		}
		if err := m.channels(uint8(loop), part); err != nil {
			return nil, err
		}
	}
	for _, b := range to {
		b.histories.chunks = slices.Clip(b.histories.chunks)
		if u := b.histories.unread; u != nil {
			u.from.Keep()
		}
	}
	return m, nil
}

// channels creates the channels of one broker of the other program.
func (m *Moving) channels(loop uint8, part *movingPart) error {
	c, kept := &part.named.Channels, map[uint64]handover.Place{}
	for n, index := range c.Index {
		name := c.Names.Next()
		home := m.brokers[0].channels.homes.Of(name)
		b := m.brokers[home]
		i := b.channels.move(c, n, name)
		if i == 0 {
			return errNoRoom
		}
		m.records.Set(loop, index, handover.Place{Loop: home, Index: i, Gen: c.Epoch[n]})
		if place := c.History[n]; place != 0 {
			ch := b.channels.At(i)
			ch.history = b.histories.alloc()
			kept[uint64(place)] = handover.Place{Loop: home, Index: ch.history}
		}
	}
	if err := m.histories(part, kept); err != nil {
		return err
	}
	return m.attachments(loop, part)
}

// histories locates the stored messages of those channels without reading them.
func (m *Moving) histories(part *movingPart, kept map[uint64]handover.Place) error {
	by, err := newKeptBy(part.Reader, kindsOf(part.state.Kinds))
	if err != nil {
		return err
	}
	copies := make([]*keptBy, len(m.brokers))
	for _, batch := range part.Raw(keptName) {
		numbers := make([]int, len(m.brokers)) // by home: the index of this batch in its list, from 1; 0: not listed
		if !eachKept(batch, func(e entry, offset int) bool {
			to, is := kept[e.place]
			if !is {
				return true // the channel has no messages any more
			}
			u := m.unreadOf(to.Loop, part.Reader)
			if numbers[to.Loop] == 0 {
				if copies[to.Loop] == nil {
					copies[to.Loop] = by.copy()
				}
				u.batches = append(u.batches, keptBatch{batch, copies[to.Loop]})
				numbers[to.Loop] = len(u.batches)
			}
			return u.found(to.Index, e, numbers[to.Loop]-1, offset)
		}) {
			return errHistories
		}
	}
	for _, to := range kept {
		if !m.brokers[to.Loop].histories.unread.has(to.Index) {
			return errHistories
		}
	}
	return nil
}

// unreadOf returns a broker's list of unread messages.
func (m *Moving) unreadOf(loop uint8, from *handover.Reader) *unread {
	b := m.brokers[loop]
	if b.histories.unread == nil {
		b.histories.unread = &unread{of: &b.histories, from: from, moved: true, next: 1}
	}
	return b.histories.unread
}

// attachments restores the positions of the channels of one broker in a shared log.
func (m *Moving) attachments(loop uint8, part *movingPart) error {
	if m.brokers[0].attachments == nil {
		return nil
	}
	for _, batch := range part.Raw(attachmentsName) {
		for ; len(batch) >= attachmentSize; batch = batch[attachmentSize:] {
			now := m.records.At(loop, binary.LittleEndian.Uint32(batch))
			if now.Index == 0 {
				return errByName
			}
			m.brokers[now.Loop].attachments.resumeAttached(now.Index, attachment{binary.LittleEndian.Uint32(batch[4:]), attachmentState(batch[8])})
		}
	}
	return nil
}

// Sessions creates the sessions of subscribers, whose connections are at their new places.
func (m *Moving) Sessions(conns handover.Places) error {
	for loop := range m.parts {
		s := &m.parts[loop].named.Sessions
		for n, number := range s.Number {
			channel, c := m.records.At(uint8(loop), s.Channel[n]), conns.At(s.Loop[n], s.Conn[n])
			name := s.Names.Next()
			if channel.Index == 0 || c.Index == 0 {
				return errByName
			}
			i := m.brokers[channel.Loop].sessions.move(channel.Index, name, c.Loop, reactor.Conn(c.Gen)<<32|reactor.Conn(c.Index))
			if i == 0 {
				return errNoRoom
			}
			m.sessions.Set(uint8(loop), number, handover.Place{Loop: channel.Loop, Index: i})
		}
	}
	return nil
}

// Channel returns the new place of a channel, from its old home and record.
func (m *Moving) Channel(home uint8, record uint32) handover.Place { return m.records.At(home, record) }

// Session returns the new number of a session, from the old home of its channel and its old
// number; 0 if there is none.
func (m *Moving) Session(home uint8, number uint32) uint32 { return m.sessions.At(home, number).Index }

// Joined counts a subscriber of a channel on a loop, and returns the content of mail.Joined for
// it.
func (m *Moving) Joined(channel handover.Place, loop uint8) mail.Mail {
	b := m.brokers[channel.Loop]
	ch := b.channels.At(channel.Index)
	ch.subs++
	ch.loops[loop>>5] |= 1 << (loop & 31)
	return mail.Mail{Kind: mail.Joined, From: channel.Loop, Ref: mail.Ref{Index: channel.Index, Gen: ch.Gen}, Name: ch.Name()}
}

// Finish restores the rest. asking tells the new records of subscribers whose requests wait for
// a shared log, by their old loop and record; Gen is not used.
func (m *Moving) Finish(conns handover.Places, asking handover.Places) {
	keys := make([][]movedKey, len(m.brokers))
	for loop := range m.parts {
		part := &m.parts[loop]
		to := m.brokers[loop%len(m.brokers)]
		to.published += part.state.Published
		to.keys.repeats += part.state.Keys.Repeated
		if to.attachments != nil {
			to.attachments.skipped += part.state.Gaps
		}
		for _, w := range part.state.Waiting {
			w.moveTo(conns, asking, m.brokers)
		}
		k := &part.named.Keys
		for n, hash := range k.Hash {
			one := movedKey{[2]uint64{hash, k.Other[n]}, k.Left[n], k.Seq[n]}
			home := homeOf(to.channels.homes, one.hash)
			keys[home] = append(keys[home], one)
		}
	}
	for home, list := range keys {
		m.brokers[home].keys.move(list)
	}
}

// moveTo makes a request wait at the channel's new home, if its connection still exists.
func (w *WaitingRequest) moveTo(conns, asking handover.Places, brokers []*Broker) {
	c, sub := conns.At(w.Loop, uint32(w.Conn)), asking.At(w.Loop, w.Subscriber)
	to := brokers[brokers[0].channels.homes.Of(w.Name)].attachments
	if c.Index == 0 || sub.Index == 0 || to == nil {
		return
	}
	w.Loop, w.Conn, w.Subscriber = c.Loop, uint64(c.Gen)<<32|uint64(c.Index), sub.Index
	to.waiting.orphans = append(to.waiting.orphans, w.mail())
}

// kindsOf returns this program's numbers for the names of another program's message kinds; -1
// for an unknown name.
func kindsOf(names []string) (kinds []int) {
	for _, name := range names {
		kinds = append(kinds, slices.Index(msg.KindNames(), name))
	}
	return kinds
}
