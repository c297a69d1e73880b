package comet

import (
	"bytes"
	"sort"
	"strconv"

	"ccomet/httplite"
	"ccomet/reactor"
)

// transport is how a client wants to be told.
type transport uint8

const (
	transportStream transport = iota // a JSON line a message
	transportIframe                  // a script element a message
	transportSSE                     // a server-sent event a message
	transportPoll                    // one response, then it asks again
	transportCComet                  // a poll in CComet's dialect
)

// framing is the bytes round a message in an endless response: a transport,
// in chunks (HTTP/1.1) or bare (HTTP/1.0).
type framing uint8

const framings = 2 * int(transportPoll) // polls have none

func (sub *subscriber) framing() framing {
	f := framing(sub.transport) * 2
	if sub.has(subOld) {
		f++
	}
	return f
}

func (f framing) transport() transport { return transport(f / 2) }
func (f framing) chunked() bool        { return f%2 == 0 }

// noEventID: the event has no number of the channel's to resume from.
var noEventID = eventID{seq: noNumber}

const noNumber int64 = -1 << 40

// lastChunk ends an endless response that is in chunks.
var lastChunk = []byte(httplite.LastChunk)

// eventID is what a client that has seen an event resumes after: the number of
// a message, and what stands around it where there are several channels.
type eventID struct {
	seq           int64
	before, after []byte
}

// appendFrame appends one message, framed.
func appendFrame(dst []byte, f framing, object []byte, id eventID) []byte {
	if !f.chunked() {
		return appendPayload(dst, f, object, id)
	}
	// The chunk's size goes in front of what is not rendered yet: room is left
	// for the longest, and the payload moved to it.
	const room = len("ffffffff\r\n")
	at := len(dst)
	dst = append(dst, "          "[:room]...)
	dst = appendPayload(dst, f, object, id)
	size := len(dst) - at - room
	var line [room]byte
	head := httplite.AppendChunkHead(line[:0], size)
	copy(dst[at:], head)
	copy(dst[at+len(head):], dst[at+room:])
	return append(dst[:at+len(head)+size], "\r\n"...)
}

func appendPayload(dst []byte, f framing, object []byte, id eventID) []byte {
	switch f.transport() {
	case transportSSE:
		if id.seq != noNumber {
			dst = append(append(dst, "id: "...), id.before...)
			dst = strconv.AppendInt(dst, id.seq, 10)
			dst = append(append(dst, id.after...), '\n')
		}
		dst = append(dst, "data: "...)
		dst = append(dst, object...)
		return append(dst, "\n\n"...)
	case transportIframe:
		dst = append(dst, "<script>parent.icomet_cb("...)
		dst = appendForScript(dst, object)
		return append(dst, ");</script>\n"...)
	}
	dst = append(dst, object...)
	return append(dst, '\n')
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
	object  []byte // scratch

	before, after []byte // of its events' ids
}

func (b *batch) reset(f framing) {
	b.buf, b.ends, b.head, b.framing, b.closes = b.buf[:0], b.ends[:0], 0, f, false
	b.before, b.after = b.before[:0], b.after[:0]
}

func (b *batch) id(seq int64) eventID { return eventID{seq, b.before, b.after} }

// append renders a message at the end. What an endless response says after a
// broadcast, the next number, belongs to it.
func (b *batch) append(msg *message, cname []byte) {
	id := b.id(int64(msg.seq))
	if msg.kind == kindClose {
		b.closes = true
		id = noEventID
	}
	b.buf = appendFrame(b.buf, b.framing, msg.json, id)
	if msg.kind == kindBroadcast {
		b.object = appendObject(b.object[:0], kindNextSeq, cname, msg.seq+1, "")
		b.buf = appendFrame(b.buf, b.framing, b.object, id)
	}
	b.ends = append(b.ends, len(b.buf))
}

// extend renders an object behind the last message, which it belongs to.
func (b *batch) extend(object []byte, id int32) {
	b.buf = appendFrame(b.buf, b.framing, object, b.id(int64(id)))
	b.ends[len(b.ends)-1] = len(b.buf)
}

// appendPreface renders an object that is no message of the channel, before
// the first message.
func (b *batch) appendPreface(object []byte, id int32) {
	b.buf = appendFrame(b.buf, b.framing, object, b.id(int64(id)))
	b.head = len(b.buf)
}

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
// for a broadcast, which is followed by the next number.
func appendPollBody(dst []byte, msgs []*message, cname []byte, array bool) []byte {
	if len(msgs) == 1 && !array && msgs[0].kind != kindBroadcast {
		return append(dst, msgs[0].json...)
	}
	dst = append(dst, '[')
	for n, msg := range msgs {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, msg.json...)
		if msg.kind == kindBroadcast {
			dst = append(dst, ',')
			dst = appendObject(dst, kindNextSeq, cname, msg.seq+1, "")
		}
	}
	return append(dst, ']')
}

// appendLost appends the object that says which messages are gone.
func appendLost(dst, cname []byte, m *mail) []byte { return appendSpan(dst, cname, m.lost, firstOf(m)) }

// appendSpan appends the object that says that the messages from one number on
// are gone, up to the one before next.
func appendSpan(dst, cname []byte, from, next int32) []byte {
	var span [24]byte
	content := strconv.AppendInt(span[:0], int64(from), 10)
	content = append(content, '-')
	content = strconv.AppendInt(content, int64(next-1), 10)
	return appendObject(dst, kindLost, cname, next, content)
}
