package broker

import (
	"encoding/binary"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/msg"
)

// unread are histories of a broker that goes on for another one, or several, whose messages
// still stand in what those have written (early.go). There may be no memory yet for the history
// of such a place.
type unread struct {
	of      *histories
	from    *handover.Reader
	batches []keptBatch
	at      []uint64 // by place: the batch, counted from 1, and the offset in it of its entry; 0: its messages are here
	next    int      // the batch that comes next in its turn, or the place
	rest    []byte   // of that batch
	moved   bool     // places are others than those of the batches
}

// keptBatch is some of what one broker has written.
type keptBatch struct {
	content []byte
	of      *keptBy
}

// keptBy is what messages of one broker need, as a broker has it that goes on for it.
type keptBy struct {
	kinds    []int          // as in historyReader
	contents [][]byte       // that messages share
	bodies   []*msg.Sharing // made of them, so far
}

// readAhead is about how many bytes of messages are read in a turn.
const readAhead = 64 << 10

// newKeptBy finds the contents that messages share.
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

// copy is what another broker needs of it.
func (by *keptBy) copy() *keptBy {
	return &keptBy{kinds: by.kinds, contents: by.contents, bodies: make([]*msg.Sharing, len(by.contents))}
}

// eachKept tells where each entry of a batch stands; false: it is not sound.
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

// found notes where the messages of a place stand: of several entries the last one holds.
func (u *unread) found(place uint32, e entry, batch, offset int) bool {
	if int(place) >= len(u.at) {
		u.at = append(u.at, make([]uint64, int(place)+1-len(u.at))...)
	}
	if chunk := u.of.chunks[place/historyChunk]; chunk != nil && chunk[place%historyChunk].N > 0 {
		return false
	}
	if u.at[place] = 0; e.n > 0 {
		u.at[place] = uint64(batch+1)<<32 | uint64(offset)
	}
	return true
}

// resumeUnread finds what channels keep, and reads none of it.
func (t *histories) resumeUnread(from *handover.Reader, kinds []int) error {
	by, err := newKeptBy(from, kinds)
	if err != nil {
		return err
	}
	u := &unread{of: t, from: from, at: make([]uint64, t.Used+1)}
	for number, batch := range from.Raw(keptName) {
		u.batches = append(u.batches, keptBatch{batch, by})
		if !eachKept(batch, func(e entry, offset int) bool {
			return e.place != 0 && e.place <= uint64(t.Used) && u.found(uint32(e.place), e, number, offset)
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

// entry is one of keptName.
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

// has says whether the messages of a place are not made yet.
func (u *unread) has(place uint32) bool {
	return u != nil && int(place) < len(u.at) && u.at[place] != 0
}

// take makes a place, with its messages.
func (u *unread) take(place uint32) *history {
	h := u.of.place(place)
	if !u.has(place) { // it is new, or here
		return h
	}
	at := u.at[place]
	u.at[place] = 0
	batch := &u.batches[at>>32-1]
	rest := batch.content[uint32(at):]
	e, _ := takeEntry(&rest) // it was sound
	r := historyReader{to: u.of, kinds: batch.of.kinds, in: e.messages, body: batch.of.body}
	for n := e.n; n > 0 && !r.wrong; n-- {
		if message := r.message(h); message != nil {
			u.of.put(h, message)
		}
	}
	return h
}

// body is a content that messages share; nil where there is no such number.
func (by *keptBy) body(number uint64) *msg.Sharing {
	if number > uint64(len(by.contents)) {
		return nil
	}
	if by.bodies[number-1] == nil {
		by.bodies[number-1] = msg.NewSharing(msg.ExactCopy(by.contents[number-1]))
	}
	return by.bodies[number-1]
}

// readOn makes messages that are not made yet, as many as a turn has time for, and gives up
// the memory that they stood in.
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

// readPlace makes the messages of the next place, and says whether there was one.
func (u *unread) readPlace(read *int) bool {
	if u.next == len(u.at) {
		return false
	}
	if u.has(uint32(u.next)) {
		*read += u.take(uint32(u.next)).Bytes
	}
	u.next++
	*read++
	return true
}

// readEntry makes the messages of the next entry, and says whether there was one. Once its
// batch is read nobody needs that any more.
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
	if *read += len(e.messages) + 1; u.at[e.place] == at { // else it is read, or another entry holds
		u.take(uint32(e.place))
	}
	return true
}
