package broker

import (
	"cmp"
	"slices"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// This file hands a broker over by name. A new program needs that if it has another number of
// loops or another layout of records. The state is in columns, with one entry for each channel,
// session or key. The stored messages have a portable form anyway (early.go). The new program
// creates the channels at their new homes (Moving).

// ByName is the state of a broker by name.
type ByName struct {
	Channels Channels
	Sessions Sessions
	Keys     Keys
}

// Channels are the channels of a broker.
type Channels struct {
	Index    []uint32 // of their records, to which other records refer
	Names    handover.Texts
	Next     []int32
	Epoch    []uint32
	Left     []int64  // milliseconds until the lease expires; negative: there is no lease
	History  []uint32 // index (place) of the stored messages; 0: none
	Dialect  []uint8
	Minutes  []uint8 // minutes since Channel.born, modulo 256
	IsClosed []uint8 // 1 if the channel is closed
}

// Sessions are the sessions of a broker.
type Sessions struct {
	Number  []uint32
	Channel []uint32 // index of the channel's record
	Names   handover.Texts
	Loop    []uint8  // loop of the subscriber
	Conn    []uint32 // index of its connection on that loop
}

// Keys are the keys of published messages, first those of backends, then those of clients, each
// oldest first.
type Keys struct {
	Hash, Other []uint64
	Left        []int64 // milliseconds until the key expires
	Seq         []int32
}

const byNameName = "broker by names"

// HandOverByName writes the state of the broker by name.
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

// whole reports whether all columns have the same number of entries.
func (st *ByName) whole() bool {
	c, s, k := &st.Channels, &st.Sessions, &st.Keys
	n, sessions, keys := len(c.Index), len(s.Number), len(k.Hash)
	return c.Names.Whole(n) && s.Names.Whole(sessions) &&
		!slices.ContainsFunc([]int{len(c.Next), len(c.Epoch), len(c.Left), len(c.History), len(c.Dialect), len(c.Minutes), len(c.IsClosed)}, func(l int) bool { return l != n }) &&
		!slices.ContainsFunc([]int{len(s.Channel), len(s.Loop), len(s.Conn)}, func(l int) bool { return l != sessions }) &&
		!slices.ContainsFunc([]int{len(k.Other), len(k.Left), len(k.Seq)}, func(l int) bool { return l != keys })
}

// later returns the tick this many milliseconds from now.
func (t *channels) later(left int64) reactor.Tick {
	return t.loop.Tick() + reactor.Tick(left/reactor.TickLength.Milliseconds())
}

// move creates a channel of another program's broker, without its messages. It returns 0 if
// there is no memory.
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

// move creates a session of another program's broker. It returns 0 if there is no memory.
func (t *sessions) move(channel uint32, name []byte, loop uint8, c reactor.Conn) uint32 {
	i := t.add(channel, name)
	if i != 0 {
		k := t.At(i)
		k.loop, k.conn = loop, c
	}
	return i
}

// movedKey is a key from another program's broker.
type movedKey struct {
	hash [2]uint64
	left int64
	seq  int32
}

// move adds keys from several brokers, in the order in which they expire.
func (k *publishKeys) move(list []movedKey) {
	slices.SortStableFunc(list, func(a, b movedKey) int { return cmp.Compare(a.left, b.left) })
	for _, one := range list {
		k.add(one.hash, k.channels.later(one.left), one.seq)
	}
}
