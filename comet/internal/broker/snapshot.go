package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/statefile"
	"ccomet/reactor"
)

// snapshot is some of a loop's channels, as they were in one turn. The writer's, until it
// asks a loop to fill it, and again when that says that it is ready.
type Snapshot struct {
	Channels []snapshotChannel
	names    []byte // one behind the other
	Next     uint32 // the record to go on from, 0: there are no more
}

// snapshots is how whoever writes the state and the brokers hand a snapshot to each other.
type Snapshots struct {
	Batch Snapshot
	Ready chan struct{} // a loop has filled the batch
}

func NewSnapshots() *Snapshots { return &Snapshots{Ready: make(chan struct{}, 1)} }

type snapshotChannel struct {
	saved statefile.Channel // but for its name
	len   uint8             // of which
	kept  msg.Run
}

func (n *Snapshot) add(b *Broker, ch *Channel) {
	c := snapshotChannel{saved: statefile.Channel{Next: ch.Next, Epoch: ch.Gen, Dialect: ch.Dialect}, len: ch.nameLen}
	if ch.Lease.Armed() {
		left := int32(ch.Lease.Due() - b.loop.Tick()) // the wheel's ticks wrap
		c.saved.Lease = b.loop.Now().UnixMilli() + int64(left)*reactor.TickLength.Milliseconds()
	}
	c.kept, _ = b.From(ch, b.Oldest(ch))
	c.saved.N = uint32(c.kept.N)
	n.Channels = append(n.Channels, c)
	n.names = append(n.names, b.Names.Get(ch.Name())...)
}

// snapshot serves mailSnapshot.
func (b *Broker) Snapshot(m *mail.Mail) {
	n := &b.snapshots.Batch
	at, used := m.Slot, b.Channels.Used()
	for range ScanBudget {
		if at > used {
			break
		}
		if ch := b.Channels.At(at); ch.State == ChannelLive {
			n.add(b, ch)
		}
		at++
	}
	if at <= used {
		n.Next = at
	}
	b.snapshots.Ready <- struct{}{} // there is room: one is asked for at a time
}

// take empties a snapshot into a file.
func (b *Snapshot) Take(w *statefile.Writer) {
	names := b.names
	for i := range b.Channels {
		c := &b.Channels[i]
		c.saved.Name, names = names[:c.len], names[c.len:]
		w.Channel(&c.saved)
		for message, n := c.kept.First, int32(c.kept.N); n > 0; message, n = message.After(n), n-1 {
			if message.Shared != nil {
				w.Shared(message.Kind, message.Seq, message.Content)
			} else {
				w.Message(message.Kind, message.Seq, message.Content)
			}
		}
	}
	b.Channels, b.names = pool.Emptied(b.Channels), b.names[:0]
}
