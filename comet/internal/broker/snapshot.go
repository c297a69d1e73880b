package broker

import (
	"unsafe"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/statefile"
)

// Snapshot is the state of some of a loop's channels in one turn. It belongs to the writer of
// the state file, except between the request to a loop to fill it and the loop's signal on
// Ready.
//
// It contains the contents of messages instead of the messages. A message refers to all later
// ones, so a writer with a slow disk would keep those in memory too. A content that is stored
// inside its message is copied.
type Snapshot struct {
	Channels []snapshotChannel
	messages []snapshotMessage // of all channels, in the order of Channels
	names    []byte            // concatenated names
	Bytes    int               // memory that the snapshot keeps alive, including broadcasts
	copies   []byte            // current buffer for copied contents
	Next     uint32            // the record to continue from; 0: no more channels
}

// SnapshotBytes is the size at which a snapshot accepts no further channel.
const SnapshotBytes = 1 << 20

// Snapshots passes one snapshot between the writer of the state file and the brokers.
type Snapshots struct {
	Batch Snapshot
	Ready chan struct{} // signals that a loop has filled Batch
}

// NewSnapshots returns an empty Snapshots. One loop can signal without blocking.
func NewSnapshots() *Snapshots { return &Snapshots{Ready: make(chan struct{}, 1)} }

type snapshotChannel struct {
	saved statefile.Channel // without its name
	len   uint8             // length of the name
}

type snapshotMessage struct {
	content []byte
	seq     int32
	kind    msg.Kind
	shared  bool // the content is shared with other channels
}

func (n *Snapshot) add(b *Broker, ch *Channel) {
	c := snapshotChannel{saved: statefile.Channel{Next: ch.Next, Epoch: ch.Gen, Dialect: ch.Dialect}, len: ch.nameLen}
	if left, leased := b.channels.left(ch); leased {
		c.saved.Lease = b.loop.Now().UnixMilli() + left.Milliseconds()
	}
	kept, _ := b.histories.from(ch, b.histories.oldest(ch))
	c.saved.N = uint32(kept.N)
	for message, left := kept.First, int32(kept.N); left > 0; message, left = message.After(left), left-1 {
		content := n.contentOf(message)
		n.messages = append(n.messages, snapshotMessage{content, message.Seq, message.Kind, message.Shared() != nil})
		n.Bytes += int(unsafe.Sizeof(snapshotMessage{})) + cap(content)
	}
	n.Channels = append(n.Channels, c)
	n.names = append(n.names, b.channels.name(ch)...)
}

// contentOf returns a message's content such that it does not keep the message in memory. Small
// contents are copied into a shared buffer; when that is full, a new one is used.
func (n *Snapshot) contentOf(message *msg.Message) []byte {
	content := message.Content()
	if message.Apart() {
		return content
	}
	if cap(n.copies)-len(n.copies) < len(content) {
		n.copies = make([]byte, 0, snapshotCopies)
	}
	from := len(n.copies)
	n.copies = append(n.copies, content...)
	return n.copies[from:len(n.copies):len(n.copies)]
}

// snapshotCopies is the size of a buffer for copied contents.
const snapshotCopies = 64 << 10

// Snapshot handles mail.Snapshot: it fills the batch.
func (b *Broker) Snapshot(m *mail.Mail) {
	n := &b.snapshots.Batch
	at, used := m.Record(), b.channels.Used()
	for range ScanBudget {
		if at > used || n.Bytes >= SnapshotBytes {
			break
		}
		if ch := b.channels.At(at); ch.state == channelLive {
			n.add(b, ch)
		}
		at++
	}
	if at <= used {
		n.Next = at
	}
	b.snapshots.Ready <- struct{}{} // does not block: only one batch is requested at a time
}

// Take writes a snapshot to a file, and empties it.
func (n *Snapshot) Take(w *statefile.Writer) {
	names, messages := n.names, n.messages
	for i := range n.Channels {
		c := &n.Channels[i]
		c.saved.Name, names = names[:c.len], names[c.len:]
		w.Channel(&c.saved)
		for _, message := range messages[:c.saved.N] {
			if message.shared {
				w.Shared(message.kind, message.seq, message.content)
			} else {
				w.Message(message.kind, message.seq, message.content)
			}
		}
		messages = messages[c.saved.N:]
	}
	n.Channels, n.messages, n.names, n.Bytes = pool.Emptied(n.Channels), pool.Emptied(n.messages), n.names[:0], 0
	n.copies = n.copies[:0]
}
