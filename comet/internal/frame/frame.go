// Package frame renders what is sent to clients: the heads of responses, and messages
// in the framing of each transport. It knows nothing of sockets or subscribers.
package frame

import (
	"bytes"
	"sort"
	"strconv"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// LastChunk ends an endless response in chunks.
var LastChunk = []byte(httplite.LastChunk)

// EventID says where a client resumes that has seen an event: after the number of a
// message, with its epoch; or that nothing more will come. With several channels,
// before and after are the places of the others. It also says when the client comes
// back.
type EventID struct {
	seq           int32
	epoch         uint32
	some          bool  // the event has an id
	Retry         int64 // when to come back, in milliseconds; 0: not said
	before, after []byte
}

// NoEventID is for an event without an id.
var NoEventID = EventID{}

// AppendPlace appends the part of an id for one channel: the number of the last
// message seen, with its epoch if that is known, or why nothing more will come.
func AppendPlace(dst []byte, seq int32, epoch uint32) []byte {
	switch epoch {
	case record.EpochClosed:
		return append(dst, record.WordClosed...)
	case record.EpochDenied:
		return append(dst, record.WordDenied...)
	}
	dst = strconv.AppendInt(dst, int64(seq), 10)
	if epoch == record.EpochNone {
		return dst
	}
	return record.AppendEpoch(append(dst, '.'), epoch)
}

// AppendFrame appends one message in its framing.
func AppendFrame(dst []byte, f Framing, object []byte, id EventID) []byte {
	if !f.chunked() {
		return f.transport().Row().payload(dst, object, id)
	}
	// The chunk's size comes before a payload that is not rendered yet: leave room
	// for the longest size, and move the payload to it.
	const room = len("ffffffff\r\n")
	at := len(dst)
	dst = append(dst, "          "[:room]...)
	dst = f.transport().Row().payload(dst, object, id)
	size := len(dst) - at - room
	var line [room]byte
	head := httplite.AppendChunkHead(line[:0], size)
	copy(dst[at:], head)
	copy(dst[at+len(head):], dst[at+room:])
	return append(dst[:at+len(head)+size], "\r\n"...)
}

// appendForScript appends JSON inside a script element, where "<" might end it or
// begin a comment. In JSON it occurs only inside strings.
func appendForScript(dst, object []byte) []byte {
	for {
		i := bytes.IndexByte(object, '<')
		if i < 0 {
			return append(dst, object...)
		}
		dst = append(dst, object[:i]...)
		dst = append(dst, `\u003c`...)
		object = object[i+1:]
	}
}

// Batch is consecutive messages in one framing, one after the other.
type Batch struct {
	Buf     []byte
	Ends    []int // end of each message in Buf
	Head    int   // bytes before the first message
	framing Framing
	Closes  bool   // the last message is a close
	Epoch   uint32 // of the channel
	Tell    bool   // the next object must contain the epoch
	teller  int    // how many messages a client must have to know the epoch; 0: the preface is enough; -1: nothing contains it
	Object  []byte // scratch
	Told    []byte // scratch

	Before, After []byte // places of other channels, in the ids of its events

	Deflater *websocket.Deflater // of the loop, if clients that accept compression share what is rendered; nil: no compression
}

// Reset starts a batch in a framing, for a channel in that epoch. It uses the buffers
// again.
func (b *Batch) Reset(f Framing, epoch uint32) {
	b.Buf, b.Ends, b.Head, b.framing, b.Closes = b.Buf[:0], b.Ends[:0], 0, f, false
	b.Epoch, b.Tell, b.teller = epoch, false, -1
	b.Before, b.After, b.Deflater = b.Before[:0], b.After[:0], nil
}

// EventID is the id of an event whose message has that number.
func (b *Batch) EventID(seq int32) EventID {
	return EventID{seq: seq, epoch: b.Epoch, some: true, before: b.Before, after: b.After}
}

// frame renders an object.
func (b *Batch) frame(object []byte, id EventID) {
	if b.Tell {
		b.Tell, b.teller = false, len(b.Ends)+1
		b.Told = record.TellLast(append(b.Told[:0], object...), b.Epoch)
		object = b.Told
	}
	if b.Deflater != nil && len(object) >= leastDeflated && b.framing.transport().Row().Deflate {
		b.Buf = b.Deflater.AppendFrame(b.Buf, websocket.Text, object, 0)
		return
	}
	b.Buf = AppendFrame(b.Buf, b.framing, object, id)
}

// leastDeflated is the length of the shortest object that is worth compressing, in
// bytes.
const leastDeflated = 128

// Append renders a message at the end. In an endless response, the next number
// follows a broadcast, and belongs to it.
func (b *Batch) Append(message *msg.Message, cname []byte) {
	id := b.EventID(message.Seq)
	if message.Kind == msg.Close {
		b.Closes = true
		id.epoch = record.EpochClosed
	}
	b.Object = message.AppendTo(b.Object[:0], cname)
	b.frame(b.Object, id)
	if message.Kind == msg.Broadcast {
		b.Object = msg.AppendObject(b.Object[:0], msg.NextSeq, cname, message.Seq+1, "")
		b.frame(b.Object, id)
	}
	b.Ends = append(b.Ends, len(b.Buf))
}

// Extend renders an object after the last message, as a part of that.
func (b *Batch) Extend(object []byte, id int32) {
	b.frame(object, b.EventID(id))
	b.Ends[len(b.Ends)-1] = len(b.Buf)
}

// AppendPreface renders an object that is not a message of the channel, before the
// first message.
func (b *Batch) AppendPreface(object []byte, id int32) {
	tell := b.Tell
	b.frame(object, b.EventID(id))
	if b.Head = len(b.Buf); tell {
		b.teller = 0
	}
}

// WasTold reports whether the epoch is in the preface or in the first messages, as
// many as are given.
func (b *Batch) WasTold(messages int) bool { return b.teller >= 0 && messages >= b.teller }

// Start returns where message index from begins; -1 is the very beginning.
func (b *Batch) Start(from int) int {
	switch {
	case from < 0:
		return 0
	case from == 0:
		return b.Head
	}
	return b.Ends[from-1]
}

// Rest returns what must be written first after a write that ended at pos: the rest,
// from byte at on, of the frame that was cut, as a copy that does not change. cut is
// the last such copy, which is used again if it is the same. through is how many
// messages are finished with it.
func (b *Batch) Rest(pos int, cut *reactor.Frame) (frame *reactor.Frame, at, through int) {
	if pos < b.Head {
		return &reactor.Frame{Bytes: bytes.Clone(b.Buf[pos:b.Head])}, 0, 0
	}
	j := sort.SearchInts(b.Ends, pos+1) // the first message that ends after pos
	start := b.Start(j)
	if whole := b.Buf[start:b.Ends[j]]; cut == nil || !bytes.Equal(cut.Bytes, whole) {
		cut = &reactor.Frame{Bytes: bytes.Clone(whole)}
	}
	return cut, pos - start, j + 1
}

// AppendPollBody appends the body of a poll, without callback and newline: one object
// for one live message; an array for several, for a backlog (array), and for a
// broadcast, which the next number follows. The first object contains the epoch tell,
// unless that is record.EpochNone.
func AppendPollBody(dst []byte, msgs []*msg.Message, cname []byte, array bool, tell uint32) []byte {
	if len(msgs) == 1 && !array && msgs[0].Kind != msg.Broadcast {
		return record.TellLast(msgs[0].AppendTo(dst, cname), tell)
	}
	dst = append(dst, '[')
	for n, message := range msgs {
		if n > 0 {
			dst, tell = append(dst, ','), record.EpochNone
		}
		dst = record.TellLast(message.AppendTo(dst, cname), tell)
		if message.Kind == msg.Broadcast {
			dst = append(dst, ',')
			dst = msg.AppendObject(dst, msg.NextSeq, cname, message.Seq+1, "")
		}
	}
	return append(dst, ']')
}

// AppendSpan appends the object that says that the messages from number from up to
// next-1 are lost.
func AppendSpan(dst, cname []byte, from, next int32) []byte {
	var span [24]byte
	content := strconv.AppendInt(span[:0], int64(from), 10)
	content = append(content, '-')
	content = strconv.AppendInt(content, int64(next-1), 10)
	return msg.AppendObject(dst, msg.Lost, cname, next, content)
}
