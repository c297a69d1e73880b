package broker

import (
	"errors"
	"fmt"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Audit is the state of a broker, which a checker compares with that of the hubs.
type Audit struct {
	Channels []AuditedChannel
	Sessions []AuditedSession
}

// AuditedChannel is a channel that is live, or closed with subscribers left.
type AuditedChannel struct {
	Ref         mail.Ref
	Name        string
	Next        int32
	Subscribers int
	Kept        int // messages
	Dialect     uint8
	Live        bool
	loops       [2]uint32
}

// HasLoop reports whether the channel has this loop among those that may have subscribers.
func (ch *AuditedChannel) HasLoop(id uint8) bool { return ch.loops[id>>5]&(1<<(id&31)) != 0 }

// AuditedSession is a session. Its subscriber, on loop Loop, knows the number.
type AuditedSession struct {
	Number  uint32
	Channel uint32
	Loop    uint8
	Conn    reactor.Conn
}

// Check verifies all records of a broker, and returns them or the first inconsistency. It may
// be called between any two turns. rest: all mail has been handled, so channels without
// subscribers and lease must be gone. gaps: channels come from a state file, and may skip
// numbers.
func (b *Broker) Check(rest, gaps bool) (*Audit, error) {
	a := &Audit{}
	var err error
	if a.Channels, err = b.channels.check(rest); err != nil {
		return nil, err
	}
	for n := range a.Channels {
		a.Channels[n].Kept, _ = b.histories.kept(b.channels.At(a.Channels[n].Ref.Index))
	}
	isGap := func(n int32) bool { return n > 0 && (b.remote != nil || gaps && n%record.StateGap == 0) }
	if err := errors.Join(b.histories.check(isGap), b.keys.check()); err != nil {
		return nil, err
	}
	if a.Sessions, err = b.sessions.check(); err != nil {
		return nil, err
	}
	for _, s := range a.Sessions {
		if ch := b.channels.At(s.Channel); ch.state != channelLive || ch.Dialect == record.DialectOurs || ch.subs == 0 {
			return nil, fmt.Errorf("session %d is on channel %+v", s.Number, *ch)
		}
	}
	if live := b.channels.Live() + b.sessions.Live(); b.names.Live() != live {
		return nil, fmt.Errorf("%d names of %d channels and sessions", b.names.Live(), live)
	}
	return a, nil
}

// check returns the channels that are live, or closed with subscribers left.
func (t *channels) check(rest bool) (list []AuditedChannel, err error) {
	found, err := t.index.Check()
	if err != nil {
		return nil, err
	}
	live := 0
	for i := uint32(1); i <= t.Used(); i++ {
		ch := t.At(i)
		if ch.state == channelFree {
			continue
		}
		list = append(list, AuditedChannel{
			Ref: t.ref(i), Name: string(t.name(ch)), Next: ch.Next,
			Subscribers: int(ch.subs), Dialect: ch.Dialect, Live: ch.state == channelLive, loops: ch.loops,
		})
		switch {
		case found[i] != (ch.state == channelLive):
			return nil, fmt.Errorf("channel %d is in the index: %t, its state is %d", i, found[i], ch.state)
		case ch.state == channelClosed && rest && ch.subs == 0:
			return nil, fmt.Errorf("channel %d is closed and has no subscribers, but is not freed", i)
		case ch.state == channelClosed:
			continue
		case t.find(t.name(ch)) != i:
			return nil, fmt.Errorf("channel %d is not found by its name", i)
		case ch.subs == 0 && !ch.lease.Armed() && rest:
			return nil, fmt.Errorf("channel %d has neither subscribers nor a lease", i)
		}
		live++
	}
	if len(found) != live || len(list) != t.Live() {
		return nil, fmt.Errorf("%d live channels, %d in the index; %d records in use, %d counted", live, len(found), len(list), t.Live())
	}
	return list, nil
}

// check verifies that the stored messages are runs within their limits, and that the counters
// are right. Numbers may be skipped only if isGap permits it.
func (t *histories) check(isGap func(n int32) bool) error {
	used, bytes, messages, shared := 0, 0, 0, map[*msg.Sharing]int{}
	for i := uint32(1); i <= t.channels.Used(); i++ {
		ch := t.channels.At(i)
		if ch.state == channelFree || ch.history == 0 {
			continue
		}
		used++
		h := t.At(ch.history)
		size, err := t.checkRun(ch, h, isGap, shared)
		if err != nil {
			return fmt.Errorf("channel %d: %w", i, err)
		}
		bytes, messages = bytes+size, messages+int(h.count)
	}
	for share, n := range shared {
		if share.Kept != n {
			return fmt.Errorf("%d messages share a content, but %d are counted", n, share.Kept)
		}
	}
	free := 0
	for i := t.freeList; i != 0; i = t.At(i).free {
		free++
	}
	if t.bytes != bytes || t.messages != messages || used+free != int(t.used) {
		return fmt.Errorf("%d bytes and %d messages are stored, in %d histories, with %d free ones; counted are %d, %d and %d",
			bytes, messages, used, free, t.bytes, t.messages, t.used)
	}
	return nil
}

// checkRun verifies that a channel's stored messages are a run that ends before its next
// number. It returns their bytes, including shared contents that no earlier run has counted.
func (t *histories) checkRun(ch *Channel, h *history, isGap func(n int32) bool, shared map[*msg.Sharing]int) (bytes int, err error) {
	size, sharing, want := 0, 0, t.oldest(ch)
	fits := func(n int32) bool { return n == 0 || isGap(n) }
	for message, n := h.oldest(), 0; n < int(h.count); message, n = message.Next(), n+1 {
		if !fits(message.Seq - want) {
			return 0, fmt.Errorf("a stored message has number %d, want %d", message.Seq, want)
		}
		want = message.Seq + 1
		if n == 0 || message.Begins() {
			size += message.BlockSize()
		}
		if of := message.Shared(); of != nil {
			if shared[of]++; shared[of] == 1 {
				bytes += cap(of.Content())
			}
			sharing++
		}
	}
	switch {
	case !fits(ch.Next - want):
		return 0, fmt.Errorf("its last message has number %d, and its next number is %d", want-1, ch.Next)
	case size != h.bytes || sharing != int(h.shared):
		return 0, fmt.Errorf("it stores %d bytes and %d messages with shared content, but counts %d and %d", size, sharing, h.bytes, h.shared)
	case int(h.count) > t.cfg.ChannelBufferSize || h.bytes > t.cfg.ChannelBufferBytes:
		return 0, fmt.Errorf("it stores %d messages of %d bytes", h.count, h.bytes)
	}
	return bytes + size, nil
}

// check verifies that each session is found by its name, and returns the sessions.
func (t *sessions) check() (list []AuditedSession, err error) {
	found, err := t.index.Check()
	if err != nil {
		return nil, err
	}
	if len(found) != t.Live() {
		return nil, fmt.Errorf("%d sessions in the index, of %d", len(found), t.Live())
	}
	for i := range found {
		k := t.At(i)
		if t.find(k.channel, t.name(k)) != i {
			return nil, fmt.Errorf("session %d is not found by its name", i)
		}
		list = append(list, AuditedSession{Number: i, Channel: k.channel, Loop: k.loop, Conn: k.conn})
	}
	return list, nil
}

// check verifies that the keys in the index are those in the queues, in order of age.
func (k *publishKeys) check() error {
	found, err := k.index.Check()
	if err != nil {
		return err
	}
	n := 0
	for _, q := range [...]KeyQueue{k.backends, k.clients} {
		last := uint32(0)
		for i := q.First; i != 0; i = k.records.At(i).next {
			if !found[i] || last != 0 && int32(k.records.At(i).due-k.records.At(last).due) < 0 {
				return fmt.Errorf("key %d is not found, or is older than the one before it", i)
			}
			n, last = n+1, i
		}
		if last != q.Last {
			return fmt.Errorf("the last key is %d, not %d", last, q.Last)
		}
	}
	if n != len(found) || n != k.records.Live() {
		return fmt.Errorf("%d keys in the queues, %d in the index, %d counted", n, len(found), k.records.Live())
	}
	return nil
}
