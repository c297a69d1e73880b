package broker

import (
	"encoding/binary"
	"unsafe"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/msg"
)

// Stored messages are most of the state of a broker, and few change during a hand-over. So they
// are written while the server still serves (WriteEarly), a batch in each turn, and HandOver
// adds the changes. The new program does not read them at its start either: a channel's
// messages are created when it is first used, or a few in each turn (unread.go).
//
// A record keptName has entries: the index (place) of a history, the number of its messages,
// the length of the rest of the entry, and the messages in the form of appendMessage. If a
// place has several entries, the last one is valid; an entry without messages says that there
// are none any more. A record contentsName has contents that messages share, in the form of
// bodiesName.
const (
	keptName     = "kept" + handover.Late
	contentsName = "contents" + handover.Late
)

// earlyBatch is roughly how many bytes of messages are written in a turn.
const earlyBatch = 256 << 10

// early is the progress of WriteEarly. It needs one bit for each history; the history itself
// records in which attempt it was written.
type early struct {
	of      *histories
	to      handover.Part
	attempt uint16   // histories with this number in history.written are up to date
	next    uint32   // number of channels visited
	places  placeSet // places that were written
	bodies  map[*byte]uint64

	batch, body, one []byte
}

// placeSet is a set of places, one bit for each.
type placeSet []uint64

func (b *placeSet) set(n uint32) {
	if more := int(n/64) + 1 - len(*b); more > 0 {
		*b = append(*b, make([]uint64, more)...)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b placeSet) has(n uint32) bool { return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0 }

func newEarly(of *histories, to handover.Part) *early {
	of.attempts++
	if of.attempts == 0 { // old histories may have the numbers of the new attempts
		for i := range of.used {
			of.At(i + 1).written = 0
		}
		of.attempts = 1
	}
	return &early{of: of, to: to, attempt: of.attempts, places: make(placeSet, 0, of.used/64+1), bodies: map[*byte]uint64{}}
}

// WriteEarly writes a batch of stored messages, and returns whether there are more. The first
// call starts a new attempt. HandOver must get the same file. to = nil abandons the attempt.
func (b *Broker) WriteEarly(to *handover.Part) (more bool) { return b.histories.writeEarly(to) }

func (t *histories) writeEarly(to *handover.Part) (more bool) {
	e := t.early
	switch {
	case to == nil:
		t.early = nil
		return false
	case e == nil:
		e = newEarly(t, *to)
		t.early = e
	}
	for e.next < t.channels.Used() && len(e.batch)+len(e.body) < earlyBatch {
		e.next++
		e.write(e.next)
	}
	e.flush()
	return e.next < t.channels.Used()
}

// write writes a channel's stored messages, unless they are written already, and returns their
// place, or 0 if there are none.
func (e *early) write(channel uint32) (place uint32) {
	ch := e.of.channels.At(channel)
	if ch.state == channelFree || ch.history == 0 {
		return 0
	}
	h := e.of.At(ch.history)
	if h.written == e.attempt {
		return ch.history
	}
	h.written = e.attempt
	e.places.set(ch.history)
	e.one = e.one[:0]
	for message, n := h.oldest(), int32(h.count); n > 0; message, n = message.After(n), n-1 {
		e.one, e.body = appendMessage(e.one, e.body, message, e.bodies)
	}
	e.entry(ch.history, h.count)
	return ch.history
}

// entry appends an entry with the messages in one to the batch.
func (e *early) entry(place, n uint32) {
	e.batch = binary.AppendUvarint(binary.AppendUvarint(e.batch, uint64(place)), uint64(n))
	e.batch = append(binary.AppendUvarint(e.batch, uint64(len(e.one))), e.one...)
}

func (e *early) flush() {
	if len(e.body) > 0 {
		e.to.Raw(contentsName, e.body)
		e.body = e.body[:0]
	}
	if len(e.batch) > 0 {
		e.to.Raw(keptName, e.batch)
		e.batch = e.batch[:0]
	}
}

// finish writes the changes since WriteEarly. It changes nothing but its own progress.
func (e *early) finish() {
	there := make(placeSet, e.of.used/64+1)
	for channel := uint32(1); channel <= e.of.channels.Used(); channel++ {
		there.set(e.write(channel))
		if len(e.batch)+len(e.body) >= historyBatch {
			e.flush()
		}
	}
	e.one = e.one[:0]
	for place := range uint32(len(e.places) * 64) {
		if e.places.has(place) && !there.has(place) {
			e.entry(place, 0)
		}
	}
	e.flush()
}

// appendMessage appends a message: kind, number, and content. If the content is shared, it
// appends the content's number instead, and the content to body if that is new.
func appendMessage(dst, body []byte, message *msg.Message, bodies map[*byte]uint64) (history, shared []byte) {
	dst = binary.AppendVarint(append(dst, byte(message.Kind)), int64(message.Seq))
	content := message.Content()
	if message.Shared() == nil {
		dst = binary.AppendUvarint(dst, 0)
		dst = binary.AppendUvarint(dst, uint64(len(content)))
		return append(dst, content...), body
	}
	number, known := bodies[unsafe.SliceData(content)]
	if !known {
		number = uint64(len(bodies) + 1)
		bodies[unsafe.SliceData(content)] = number
		body = binary.AppendUvarint(body, uint64(len(content)))
		body = append(body, content...)
	}
	return binary.AppendUvarint(dst, number), body
}
