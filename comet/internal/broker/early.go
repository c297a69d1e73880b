package broker

import (
	"encoding/binary"
	"unsafe"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/msg"
)

// What channels keep is most of what a broker hands over, and hardly any of it changes
// meanwhile. So it is written while the server still serves (WriteEarly), a batch in each
// turn, and HandOver adds what has changed since. Nor is it read when the other program
// begins: a channel's messages are made when it is first looked at, or in their turn
// (unread.go).
//
// A record keptName is entries: the place of a history, the number of its messages, the
// bytes of the rest of the entry, and the messages, as appendMessage has them. Of several
// entries of one place the last one holds; one without messages says that there are none
// any more. A record contentsName is contents that messages share, as in bodiesName.
const (
	keptName     = "kept" + handover.Late
	contentsName = "contents" + handover.Late
)

// earlyBatch is about how many bytes of messages a turn writes.
const earlyBatch = 256 << 10

// early is how far what channels keep has been written before a broker is handed over. It
// takes a bit for each history, which itself knows whether it is as it was written.
type early struct {
	of      *histories
	to      handover.Part
	attempt uint16   // history.written of those that are as they were written
	next    uint32   // the channel that is looked at next
	places  placeSet // that were written
	bodies  map[*byte]uint64

	batch, body, one []byte
}

// placeSet is a set of places, a bit for each.
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
	if of.attempts == 0 { // histories may have the number of an attempt long ago
		for i := range of.Used {
			of.At(i + 1).written = 0
		}
		of.attempts = 1
	}
	return &early{of: of, to: to, attempt: of.attempts, places: make(placeSet, 0, of.Used/64+1), bodies: map[*byte]uint64{}}
}

// WriteEarly writes a batch of what channels keep, and says whether there is more. The first
// call begins. HandOver must be told the same file. nil stands for none: what was written is
// forgotten.
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

// write writes what a channel keeps, if that was not written before, and returns the
// place of it, 0 for none.
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
	for message, n := h.oldest(), int32(h.N); n > 0; message, n = message.After(n), n-1 {
		e.one, e.body = appendMessage(e.one, e.body, message, e.bodies)
	}
	e.entry(ch.history, h.N)
	return ch.history
}

// entry adds what stands in one to the batch.
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

// finish writes what has changed since WriteEarly. It changes nothing but what it has
// written.
func (e *early) finish() {
	there := make(placeSet, e.of.Used/64+1)
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

// appendMessage appends a message: its kind, its number, and its content; of one that is
// shared, in the place of the content, which of the bodies it is.
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
