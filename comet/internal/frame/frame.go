// Package frame renders what clients are sent: the heads of responses, and messages
// in the framing of each transport. It knows no socket and no subscriber.
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

// LastChunk ends an endless response that is in chunks.
var LastChunk = []byte(httplite.LastChunk)

// EventID is what a client that has seen an event resumes after: the number of
// a message and its epoch, or that nothing more is to come, and what stands around
// it where there are several channels; and when it does.
type EventID struct {
	seq           int32
	epoch         uint32
	some          bool  // else the event says nothing of where to resume
	Retry         int64 // when to come back, in milliseconds; 0: as ever
	before, after []byte
}

// NoEventID: the event has no place of the channel's to resume from.
var NoEventID = EventID{}

// AppendPlace appends what an id says of one channel: the number of the last message
// seen, and its epoch if that is known, or why nothing more is to come.
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

// AppendFrame appends one message, framed.
func AppendFrame(dst []byte, f Framing, object []byte, id EventID) []byte {
	if !f.chunked() {
		return f.transport().Row().payload(dst, object, id)
	}
	// The chunk's size goes in front of what is not rendered yet: room is left
	// for the longest, and the payload moved to it.
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

// appendForScript appends JSON for the inside of a script element, where "<"
// might end it or begin a comment. In JSON it only stands inside strings.
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

// Batch is consecutive messages in one framing, one behind the other.
type Batch struct {
	Buf     []byte
	Ends    []int // where each message ends in buf
	Head    int   // bytes before the first message
	framing Framing
	Closes  bool   // the last message is a close
	Epoch   uint32 // of its channel
	Tell    bool   // what comes first has the epoch in it
	teller  int    // how many messages tell it, what stands before them included; -1: nothing does
	Object  []byte // scratch
	Told    []byte // scratch

	Before, After []byte // of its events' ids

	Deflater *websocket.Deflater // of the loop, where clients that inflate are to share what is rendered; nil: it is not compressed
}

// Reset begins a batch of a framing, for a channel in that epoch. Its buffers are used again.
func (b *Batch) Reset(f Framing, epoch uint32) {
	b.Buf, b.Ends, b.Head, b.framing, b.Closes = b.Buf[:0], b.Ends[:0], 0, f, false
	b.Epoch, b.Tell, b.teller = epoch, false, -1
	b.Before, b.After, b.Deflater = b.Before[:0], b.After[:0], nil
}

// Id is the id of an event whose message has that number.
func (b *Batch) Id(seq int32) EventID {
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

// leastDeflated is the bytes of the shortest object that is worth compressing.
const leastDeflated = 128

// Append renders a message at the end. What an endless response says after a
// broadcast, the next number, belongs to it.
func (b *Batch) Append(message *msg.Message, cname []byte) {
	id := b.Id(message.Seq)
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

// Extend renders an object behind the last message, which it belongs to.
func (b *Batch) Extend(object []byte, id int32) {
	b.frame(object, b.Id(id))
	b.Ends[len(b.Ends)-1] = len(b.Buf)
}

// AppendPreface renders an object that is no message of the channel, before
// the first message.
func (b *Batch) AppendPreface(object []byte, id int32) {
	tell := b.Tell
	b.frame(object, b.Id(id))
	if b.Head = len(b.Buf); tell {
		b.teller = 0
	}
}

// WasTold says whether so many of the messages, and what stands before them, tell the
// epoch.
func (b *Batch) WasTold(messages int) bool { return b.teller >= 0 && messages >= b.teller }

// Start is where message index from begins; -1 is the very beginning.
func (b *Batch) Start(from int) int {
	switch {
	case from < 0:
		return 0
	case from == 0:
		return b.Head
	}
	return b.Ends[from-1]
}

// Rest is what a write that got as far as pos must go on with before anything
// else: the rest of the frame it cut, from byte at of it on, in a copy that does not
// change (cut: the last one made, which serves again where it is the same); and how
// many messages are through with it.
func (b *Batch) Rest(pos int, cut *reactor.Frame) (frame *reactor.Frame, at, through int) {
	if pos < b.Head {
		return &reactor.Frame{Bytes: bytes.Clone(b.Buf[pos:b.Head])}, 0, 0
	}
	j := sort.SearchInts(b.Ends, pos+1) // the first message that ends behind pos
	start := b.Start(j)
	if whole := b.Buf[start:b.Ends[j]]; cut == nil || !bytes.Equal(cut.Bytes, whole) {
		cut = &reactor.Frame{Bytes: bytes.Clone(whole)}
	}
	return cut, pos - start, j + 1
}

// AppendPollBody appends the body of a poll, without callback and newline: one
// object for one live message, an array for several, for a backlog (array) and
// for a broadcast, which is followed by the next number. The first has the epoch
// in it, if there is one to be told.
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

// AppendSpan appends the object that says that the messages from one number on
// are gone, up to the one before next.
func AppendSpan(dst, cname []byte, from, next int32) []byte {
	var span [24]byte
	content := strconv.AppendInt(span[:0], int64(from), 10)
	content = append(content, '-')
	content = strconv.AppendInt(content, int64(next-1), 10)
	return msg.AppendObject(dst, msg.Lost, cname, next, content)
}
