package broker

import (
	"unsafe"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/statefile"
)

// Snapshot is some of a loop's channels, as they were in one turn. It belongs to the
// writer of the state until that asks a loop to fill it, and again when the loop says
// that it is ready.
//
// It has the contents of messages, and not the messages: those lead to all that are
// published after them, which a writer whose disk stalls would keep alive as well. A content
// that stands in its message is copied.
type Snapshot struct {
	Channels []snapshotChannel
	messages []snapshotMessage // of one channel behind the other
	names    []byte            // one behind the other
	Bytes    int               // of memory that the messages keep alive, broadcasts included
	copies   []byte            // of contents
	Next     uint32            // the record to go on from, 0: there are no more
}

// SnapshotBytes is how much of messages a snapshot keeps alive before it takes no further
// channel.
const SnapshotBytes = 1 << 20

// Snapshots is how the writer of the state and the brokers hand a snapshot to each other.
type Snapshots struct {
	Batch Snapshot
	Ready chan struct{} // a loop has filled the batch
}

// NewSnapshots makes one that is empty, with room for one loop to say that it is ready.
func NewSnapshots() *Snapshots { return &Snapshots{Ready: make(chan struct{}, 1)} }

type snapshotChannel struct {
	saved statefile.Channel // but for its name
	len   uint8             // of which
}

type snapshotMessage struct {
	content []byte
	seq     int32
	kind    msg.Kind
	shared  bool // with other channels
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

// contentOf is the content of a message, without what would keep the message alive. What is
// copied stands in one piece of memory with others, of which those before have their own.
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

// snapshotCopies is how much of contents is copied into one piece of memory.
const snapshotCopies = 64 << 10

// Snapshot serves mail.Snapshot.
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
	b.snapshots.Ready <- struct{}{} // there is room: one is asked for at a time
}

// Take empties a snapshot into a file.
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
