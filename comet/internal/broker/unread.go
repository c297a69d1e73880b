package broker

import (
	"encoding/binary"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/msg"
)

// unread are histories of a broker that goes on for another one, whose messages still
// stand in what that has written (early.go). The history of such a place has a number of
// messages, and none of them.
type unread struct {
	of       *histories
	from     *handover.Reader
	kinds    []int // as in historyReader
	batches  [][]byte
	at       []uint64       // by place: the batch and the offset in it of its messages; 0: they are here
	contents [][]byte       // that messages share
	bodies   []*msg.Sharing // made of them, so far
	batch    int            // what comes next in its turn
	rest     []byte         // of that
}

// readAhead is about how many bytes of messages are read in a turn.
const readAhead = 64 << 10

// resumeUnread finds what channels keep, and reads none of it.
func (t *histories) resumeUnread(from *handover.Reader, kinds []int) error {
	u := &unread{of: t, from: from, kinds: kinds, batches: from.Raw(keptName), at: make([]uint64, t.Used+1)}
	for _, batch := range from.Raw(contentsName) {
		for len(batch) > 0 {
			size, n := binary.Uvarint(batch)
			if n <= 0 || size > uint64(len(batch)-n) {
				return errHistories
			}
			u.contents = append(u.contents, batch[n:n+int(size):n+int(size)])
			batch = batch[n+int(size):]
		}
	}
	u.bodies = make([]*msg.Sharing, len(u.contents))
	for number, batch := range u.batches {
		for rest := batch; len(rest) > 0; {
			e, ok := takeEntry(&rest)
			if !ok || e.place == 0 || e.place > uint64(t.Used) {
				return errHistories
			}
			h := t.place(uint32(e.place))
			if h.first != nil {
				return errHistories
			}
			h.N, u.at[e.place] = e.n, 0
			if e.n > 0 {
				u.at[e.place] = uint64(number+1)<<32 | uint64(len(batch)-len(rest)-len(e.messages))
			}
		}
	}
	if len(u.batches) > 0 {
		from.Keep()
		t.unread = u
		u.rest = u.batches[0]
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

// take makes the messages of a place.
func (u *unread) take(place uint32, h *history) {
	if int(place) >= len(u.at) || u.at[place] == 0 { // it is new, or here
		return
	}
	at := u.at[place]
	u.at[place] = 0
	n := h.N
	*h = history{}
	r := historyReader{to: u.of, kinds: u.kinds, in: u.batches[at>>32-1][uint32(at):], body: u.body}
	for ; n > 0 && !r.wrong; n-- {
		if message := r.message(h); message != nil {
			u.of.put(h, message)
		}
	}
}

// body is a content that messages share; nil where there is no such number.
func (u *unread) body(number uint64) *msg.Sharing {
	if number > uint64(len(u.contents)) {
		return nil
	}
	if u.bodies[number-1] == nil {
		u.bodies[number-1] = msg.NewSharing(msg.ExactCopy(u.contents[number-1]))
	}
	return u.bodies[number-1]
}

// readOn makes messages that are not made yet, as many as a turn has time for, and gives up
// the memory that they stood in.
func (t *histories) readOn() {
	u := t.unread
	if u == nil {
		return
	}
	for read := 0; read < readAhead; {
		if len(u.rest) == 0 {
			u.from.Forget(u.batches[u.batch])
			if u.batch++; u.batch == len(u.batches) {
				t.unread = nil
				u.from.Let()
				return
			}
			u.rest = u.batches[u.batch]
			continue
		}
		batch := u.batches[u.batch]
		e, _ := takeEntry(&u.rest)
		at := uint64(u.batch+1)<<32 | uint64(len(batch)-len(u.rest)-len(e.messages))
		if read += len(e.messages) + 1; u.at[e.place] == at { // else it is read, or another entry holds
			u.take(uint32(e.place), t.place(uint32(e.place)))
		}
	}
}
