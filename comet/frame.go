package comet

import (
	"bytes"
	"sort"
	"strconv"

	"ccomet/httplite"
	"ccomet/reactor"
)

// lastChunk ends an endless response that is in chunks.
var lastChunk = []byte(httplite.LastChunk)

// eventID is what a client that has seen an event resumes after: the number of
// a message and its epoch, or that nothing more is to come, and what stands around
// it where there are several channels; and when it does.
type eventID struct {
	seq           int32
	epoch         uint32
	some          bool  // else the event says nothing of where to resume
	retry         int64 // when to come back, in milliseconds; 0: as ever
	before, after []byte
}

// noEventID: the event has no place of the channel's to resume from.
var noEventID = eventID{}

// appendPlace appends what an id says of one channel: the number of the last message
// seen, and its epoch if that is known, or why nothing more is to come.
func appendPlace(dst []byte, seq int32, epoch uint32) []byte {
	switch epoch {
	case epochClosed:
		return append(dst, wordClosed...)
	case epochDenied:
		return append(dst, wordDenied...)
	}
	dst = strconv.AppendInt(dst, int64(seq), 10)
	if epoch == epochNone {
		return dst
	}
	return appendEpoch(append(dst, '.'), epoch)
}

// appendFrame appends one message, framed.
func appendFrame(dst []byte, f framing, object []byte, id eventID) []byte {
	if !f.chunked() {
		return f.transport().row().payload(dst, object, id)
	}
	// The chunk's size goes in front of what is not rendered yet: room is left
	// for the longest, and the payload moved to it.
	const room = len("ffffffff\r\n")
	at := len(dst)
	dst = append(dst, "          "[:room]...)
	dst = f.transport().row().payload(dst, object, id)
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

// batch is consecutive messages in one framing, one behind the other.
type batch struct {
	buf     []byte
	ends    []int // where each message ends in buf
	head    int   // bytes before the first message
	framing framing
	closes  bool   // the last message is a close
	epoch   uint32 // of its channel
	tell    bool   // what comes first has the epoch in it
	teller  int    // how many messages tell it, what stands before them included; -1: nothing does
	object  []byte // scratch
	told    []byte // scratch

	before, after []byte // of its events' ids
}

func (b *batch) reset(f framing, epoch uint32) {
	b.buf, b.ends, b.head, b.framing, b.closes = b.buf[:0], b.ends[:0], 0, f, false
	b.epoch, b.tell, b.teller = epoch, false, -1
	b.before, b.after = b.before[:0], b.after[:0]
}

func (b *batch) id(seq int32) eventID {
	return eventID{seq: seq, epoch: b.epoch, some: true, before: b.before, after: b.after}
}

// frame renders an object.
func (b *batch) frame(object []byte, id eventID) {
	if b.tell {
		b.tell, b.teller = false, len(b.ends)+1
		b.told = tellLast(append(b.told[:0], object...), b.epoch)
		object = b.told
	}
	b.buf = appendFrame(b.buf, b.framing, object, id)
}

// append renders a message at the end. What an endless response says after a
// broadcast, the next number, belongs to it.
func (b *batch) append(msg *message, cname []byte) {
	id := b.id(msg.seq)
	if msg.kind == kindClose {
		b.closes = true
		id.epoch = epochClosed
	}
	b.object = msg.appendTo(b.object[:0], cname)
	b.frame(b.object, id)
	if msg.kind == kindBroadcast {
		b.object = appendObject(b.object[:0], kindNextSeq, cname, msg.seq+1, "")
		b.frame(b.object, id)
	}
	b.ends = append(b.ends, len(b.buf))
}

// extend renders an object behind the last message, which it belongs to.
func (b *batch) extend(object []byte, id int32) {
	b.frame(object, b.id(id))
	b.ends[len(b.ends)-1] = len(b.buf)
}

// appendPreface renders an object that is no message of the channel, before
// the first message.
func (b *batch) appendPreface(object []byte, id int32) {
	tell := b.tell
	b.frame(object, b.id(id))
	if b.head = len(b.buf); tell {
		b.teller = 0
	}
}

// wasTold says whether so many of the messages, and what stands before them, tell the
// epoch.
func (b *batch) wasTold(messages int) bool { return b.teller >= 0 && messages >= b.teller }

// start is where message index from begins; -1 is the very beginning.
func (b *batch) start(from int) int {
	switch {
	case from < 0:
		return 0
	case from == 0:
		return b.head
	}
	return b.ends[from-1]
}

// rest is what a write that got as far as pos must go on with before anything
// else: the rest of the frame it cut, from byte at of it on, in a copy that does not
// change (cut: the last one made, which serves again where it is the same); and how
// many messages are through with it.
func (b *batch) rest(pos int, cut *reactor.Frame) (frame *reactor.Frame, at, through int) {
	if pos < b.head {
		return &reactor.Frame{Bytes: bytes.Clone(b.buf[pos:b.head])}, 0, 0
	}
	j := sort.SearchInts(b.ends, pos+1) // the first message that ends behind pos
	start := b.start(j)
	if whole := b.buf[start:b.ends[j]]; cut == nil || !bytes.Equal(cut.Bytes, whole) {
		cut = &reactor.Frame{Bytes: bytes.Clone(whole)}
	}
	return cut, pos - start, j + 1
}

// appendPollBody appends the body of a poll, without callback and newline: one
// object for one live message, an array for several, for a backlog (array) and
// for a broadcast, which is followed by the next number. The first has the epoch
// in it, if there is one to be told.
func appendPollBody(dst []byte, msgs []*message, cname []byte, array bool, tell uint32) []byte {
	if len(msgs) == 1 && !array && msgs[0].kind != kindBroadcast {
		return tellLast(msgs[0].appendTo(dst, cname), tell)
	}
	dst = append(dst, '[')
	for n, msg := range msgs {
		if n > 0 {
			dst, tell = append(dst, ','), epochNone
		}
		dst = tellLast(msg.appendTo(dst, cname), tell)
		if msg.kind == kindBroadcast {
			dst = append(dst, ',')
			dst = appendObject(dst, kindNextSeq, cname, msg.seq+1, "")
		}
	}
	return append(dst, ']')
}

// appendSpan appends the object that says that the messages from one number on
// are gone, up to the one before next.
func appendSpan(dst, cname []byte, from, next int32) []byte {
	var span [24]byte
	content := strconv.AppendInt(span[:0], int64(from), 10)
	content = append(content, '-')
	content = strconv.AppendInt(content, int64(next-1), 10)
	return appendObject(dst, kindLost, cname, next, content)
}
