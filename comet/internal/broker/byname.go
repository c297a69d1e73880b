package broker

import (
	"cmp"
	"slices"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// A program whose records are others, or that has another number of loops, is told of a
// broker by names as well: columns, of which each has an entry for each channel, session or
// key. What channels keep has a form of its own anyway (early.go). Such a program makes
// channels at the homes that they have there (Moving).

// ByName is a broker by names.
type ByName struct {
	Channels Channels
	Sessions Sessions
	Keys     Keys
}

// Channels are the channels of a broker.
type Channels struct {
	Index    []uint32 // of their records, by which others refer to them
	Names    handover.Texts
	Next     []int32
	Epoch    []uint32
	Left     []int64  // milliseconds until the lease ends; below zero: there is none
	History  []uint32 // the place of what it keeps; 0: nothing
	Dialect  []uint8
	Minutes  []uint8 // since it was made, or more than a channel is young
	IsClosed []uint8 // 1: it is
}

// Sessions are those of a broker.
type Sessions struct {
	Number  []uint32
	Channel []uint32 // the index of its record
	Names   handover.Texts
	Loop    []uint8  // of the subscriber
	Conn    []uint32 // its connection's index there
}

// Keys are those that messages were published with, of backends and of clients the oldest first.
type Keys struct {
	Hash, Other []uint64
	Left        []int64 // milliseconds until it is forgotten
	Seq         []int32
}

const byNameName = "broker by names"

// HandOverByName writes the broker down by names.
func (b *Broker) HandOverByName(to handover.Part) {
	to.Value(byNameName, &ByName{b.channels.byName(), b.sessions.byName(), b.keys.byName()})
}

func (t *channels) byName() (c Channels) {
	for i := uint32(1); i <= t.Used(); i++ {
		ch := t.At(i)
		if ch.state == channelFree {
			continue
		}
		c.Index, c.Next, c.Epoch = append(c.Index, i), append(c.Next, ch.Next), append(c.Epoch, ch.Gen)
		c.Names.Add(t.name(ch))
		left := int64(-1)
		if d, leased := t.left(ch); leased {
			left = max(d, 0).Milliseconds()
		}
		c.Left, c.History = append(c.Left, left), append(c.History, ch.history)
		c.Dialect, c.Minutes = append(c.Dialect, ch.Dialect), append(c.Minutes, t.minute()-ch.born)
		closed := uint8(0)
		if ch.state == channelClosed {
			closed = 1
		}
		c.IsClosed = append(c.IsClosed, closed)
	}
	return c
}

func (t *sessions) byName() (s Sessions) {
	for i := uint32(1); i <= t.Used(); i++ {
		if k := t.At(i); k.conn != 0 {
			s.Number, s.Channel = append(s.Number, i), append(s.Channel, k.channel)
			s.Names.Add(t.name(k))
			s.Loop, s.Conn = append(s.Loop, k.loop), append(s.Conn, k.conn.Index())
		}
	}
	return s
}

func (k *publishKeys) byName() (list Keys) {
	for _, q := range [...]KeyQueue{k.backends, k.clients} {
		for i := q.First; i != 0; i = k.records.At(i).next {
			key := k.records.At(i)
			list.Hash, list.Other, list.Seq = append(list.Hash, key.hash[0]), append(list.Other, key.hash[1]), append(list.Seq, key.seq)
			left := int64(int32(key.due-k.channels.loop.Tick())) * reactor.TickLength.Milliseconds()
			list.Left = append(list.Left, max(left, 0))
		}
	}
	return list
}

// whole says whether all columns have an entry for each.
func (st *ByName) whole() bool {
	c, s, k := &st.Channels, &st.Sessions, &st.Keys
	n, sessions, keys := len(c.Index), len(s.Number), len(k.Hash)
	return c.Names.Whole(n) && s.Names.Whole(sessions) &&
		!slices.ContainsFunc([]int{len(c.Next), len(c.Epoch), len(c.Left), len(c.History), len(c.Dialect), len(c.Minutes), len(c.IsClosed)}, func(l int) bool { return l != n }) &&
		!slices.ContainsFunc([]int{len(s.Channel), len(s.Loop), len(s.Conn)}, func(l int) bool { return l != sessions }) &&
		!slices.ContainsFunc([]int{len(k.Other), len(k.Left), len(k.Seq)}, func(l int) bool { return l != keys })
}

// later is the tick that is so many milliseconds from now.
func (t *channels) later(left int64) reactor.Tick {
	return t.loop.Tick() + reactor.Tick(left/reactor.TickLength.Milliseconds())
}

// move makes a channel that another program's broker had, without what it keeps; 0: there is
// no memory.
func (t *channels) move(c *Channels, n int, name []byte) uint32 {
	i, at := record.AllocNamed(&t.Slab, t.names, name)
	if i == 0 {
		return 0
	}
	ch := t.At(i)
	*ch = Channel{
		Next: c.Next[n], Gen: c.Epoch[n], nameAt: at.At, nameLen: at.Len, state: channelLive, Dialect: c.Dialect[n], born: t.minute() - c.Minutes[n],
	}
	if c.IsClosed[n] != 0 {
		ch.state = channelClosed
	} else {
		t.index.Insert(i)
	}
	if left := c.Left[n]; left >= 0 {
		t.leases.Schedule(i, t.later(left))
	}
	return i
}

// move makes a session that another program's broker had; 0: there is no memory.
func (t *sessions) move(channel uint32, name []byte, loop uint8, c reactor.Conn) uint32 {
	i := t.add(channel, name)
	if i != 0 {
		k := t.At(i)
		k.loop, k.conn = loop, c
	}
	return i
}

// movedKey is a key of another program's brokers.
type movedKey struct {
	hash [2]uint64
	left int64
	seq  int32
}

// move takes keys of several brokers.
func (k *publishKeys) move(list []movedKey) {
	slices.SortStableFunc(list, func(a, b movedKey) int { return cmp.Compare(a.left, b.left) })
	for _, one := range list {
		k.add(one.hash, k.channels.later(one.left), one.seq)
	}
}
