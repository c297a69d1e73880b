package broker

import (
	"encoding/binary"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/msg"
)

// unread holds the stored messages that a broker has taken over from another program and has not
// read yet. They are still in the form that the other program has written (early.go). A history
// whose messages are unread may not have been allocated.
type unread struct {
	of      *histories
	from    *handover.Reader
	batches []keptBatch
	at      []uint64 // by place: number of the batch, from 1, and offset of the entry in it; 0: the messages are read
	next    int      // index of the batch to read next; if moved, the place
	rest    []byte   // unread bytes of that batch
	moved   bool     // places differ from those in the batches
}

// keptBatch is one batch that a broker has written.
type keptBatch struct {
	content []byte
	of      *keptBy
}

// keptBy is what is needed to create the messages of one old broker.
type keptBy struct {
	kinds    []int          // as in historyReader
	contents [][]byte       // contents that messages share
	bodies   []*msg.Sharing // created from contents so far
}

// readAhead is roughly how many bytes of messages are read in a turn.
const readAhead = 64 << 10

// newKeptBy locates the contents that messages share.
func newKeptBy(from *handover.Reader, kinds []int) (*keptBy, error) {
	by := &keptBy{kinds: kinds}
	for _, batch := range from.Raw(contentsName) {
		for len(batch) > 0 {
			size, n := binary.Uvarint(batch)
			if n <= 0 || size > uint64(len(batch)-n) {
				return nil, errHistories
			}
			by.contents = append(by.contents, batch[n:n+int(size):n+int(size)])
			batch = batch[n+int(size):]
		}
	}
	by.bodies = make([]*msg.Sharing, len(by.contents))
	return by, nil
}

// copy returns a keptBy for another new broker.
func (by *keptBy) copy() *keptBy {
	return &keptBy{kinds: by.kinds, contents: by.contents, bodies: make([]*msg.Sharing, len(by.contents))}
}

// eachKept calls tell for each entry of a batch. It returns false if the batch is malformed.
func eachKept(batch []byte, tell func(e entry, offset int) bool) bool {
	for rest := batch; len(rest) > 0; {
		offset := len(batch) - len(rest)
		e, ok := takeEntry(&rest)
		if !ok || !tell(e, offset) {
			return false
		}
	}
	return true
}

// found records where the messages of a place are. Of several entries the last is valid.
func (u *unread) found(place uint32, e entry, batch, offset int) bool {
	if int(place) >= len(u.at) {
		u.at = append(u.at, make([]uint64, int(place)+1-len(u.at))...)
	}
	if chunk := u.of.chunks[place/historyChunk]; chunk != nil && chunk[place%historyChunk].count > 0 {
		return false
	}
	if u.at[place] = 0; e.n > 0 {
		u.at[place] = uint64(batch+1)<<32 | uint64(offset)
	}
	return true
}

// resumeUnread locates the stored messages without reading them.
func (t *histories) resumeUnread(from *handover.Reader, kinds []int) error {
	by, err := newKeptBy(from, kinds)
	if err != nil {
		return err
	}
	u := &unread{of: t, from: from, at: make([]uint64, t.used+1)}
	for number, batch := range from.Raw(keptName) {
		u.batches = append(u.batches, keptBatch{batch, by})
		if !eachKept(batch, func(e entry, offset int) bool {
			return e.place != 0 && e.place <= uint64(t.used) && u.found(uint32(e.place), e, number, offset)
		}) {
			return errHistories
		}
	}
	if len(u.batches) > 0 {
		from.Keep()
		t.unread = u
		u.rest = u.batches[0].content
	}
	return nil
}

// entry is one entry of a record keptName.
type entry struct {
	place    uint64
	n        uint32
	messages []byte
}

func takeEntry(rest *[]byte) (e entry, ok bool) {
	var numbers [3]uint64
	in := *rest
	for i := range numbers {
		v, n := binary.Uvarint(in)
		if n <= 0 {
			return e, false
		}
		numbers[i], in = v, in[n:]
	}
	if numbers[1] > 1<<31 || numbers[2] > uint64(len(in)) {
		return e, false
	}
	*rest = in[numbers[2]:]
	return entry{numbers[0], uint32(numbers[1]), in[:numbers[2]]}, true
}

// has reports whether the messages of a place are unread.
func (u *unread) has(place uint32) bool {
	return u != nil && int(place) < len(u.at) && u.at[place] != 0
}

// take returns the history of a place, and reads its messages if they are unread.
func (u *unread) take(place uint32) *history {
	h := u.of.place(place)
	if !u.has(place) { // it is new, or read already
		return h
	}
	at := u.at[place]
	u.at[place] = 0
	batch := &u.batches[at>>32-1]
	rest := batch.content[uint32(at):]
	e, _ := takeEntry(&rest) // checked by eachKept
	r := historyReader{to: u.of, kinds: batch.of.kinds, in: e.messages, body: batch.of.body}
	for n := e.n; n > 0 && !r.wrong; n-- {
		if message := r.message(h); message != nil {
			u.of.put(h, message)
		}
	}
	return h
}

// body returns a content that messages share, or nil if there is no such number.
func (by *keptBy) body(number uint64) *msg.Sharing {
	if number > uint64(len(by.contents)) {
		return nil
	}
	if by.bodies[number-1] == nil {
		by.bodies[number-1] = msg.NewSharing(msg.ExactCopy(by.contents[number-1]))
	}
	return by.bodies[number-1]
}

// readOn reads some unread messages in each turn. When all are read it releases the memory that
// they were in.
func (t *histories) readOn() {
	u := t.unread
	if u == nil {
		return
	}
	for read := 0; read < readAhead; {
		more := false
		if u.moved {
			more = u.readPlace(&read)
		} else {
			more = u.readEntry(&read)
		}
		if !more {
			t.unread = nil
			u.from.Let()
			return
		}
	}
}

// readPlace reads the messages of the next place. It returns false at the end.
func (u *unread) readPlace(read *int) bool {
	if u.next == len(u.at) {
		return false
	}
	if u.has(uint32(u.next)) {
		*read += u.take(uint32(u.next)).bytes
	}
	u.next++
	*read++
	return true
}

// readEntry reads the messages of the next entry. It returns false at the end. Memory of a
// batch that is read is released.
func (u *unread) readEntry(read *int) bool {
	if len(u.rest) == 0 {
		u.from.Forget(u.batches[u.next].content)
		if u.next++; u.next == len(u.batches) {
			return false
		}
		u.rest = u.batches[u.next].content
		return true
	}
	batch := u.batches[u.next].content
	at := uint64(u.next+1)<<32 | uint64(len(batch)-len(u.rest))
	e, _ := takeEntry(&u.rest)
	if *read += len(e.messages) + 1; u.at[e.place] == at { // else the messages are read already, or another entry is valid
		u.take(uint32(e.place))
	}
	return true
}
