package broker

import (
	"encoding/binary"
	"errors"
	"reflect"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Handover is the state of a Quiet broker as plain data. The records stay where they are, in
// the loop's arena. The histories are written after it (histories.handOver).
type Handover struct {
	Names                      [record.NameSizes]reactor.SlabState
	Channels, Sessions         reactor.SlabState
	ChannelIndex, SessionIndex record.IndexState
	Leases                     reactor.WheelState
	Epochs                     uint32
	Published                  uint64
	Keys                       KeysState
	HistoryRoom                uint32   // number of histories, including the unused ones
	Kinds                      []string // names of the kinds of messages, by number
	Waiting                    []WaitingRequest
	Gaps                       uint64
}

// Layout describes the records of a broker.
func Layout() string {
	return handover.Layout(reflect.TypeFor[Channel](), reflect.TypeFor[session](), reflect.TypeFor[publishKey]())
}

// Quiet reports whether all operations under way are in the broker's records.
func (b *Broker) Quiet() bool {
	return b.remote.quiet() && len(b.broadcasts) == 0 && len(b.batches) == 0 && len(b.Presence.listings) == 0 && len(b.Explanations.list) == 0
}

// The names of the parts of a broker's hand-over.
const (
	valueName     = "broker"
	bodiesName    = "bodies"
	historiesName = "histories"
)

// historyBatch is roughly how many bytes of messages are written at once.
const historyBatch = 1 << 20

// HandOver writes the state of the broker. byName: HandOverByName follows, which needs the
// histories in the format of early.go.
func (b *Broker) HandOver(to handover.Part, byName bool) {
	to.Value(valueName, &Handover{
		Names: b.names.State(), Channels: b.channels.State(), Sessions: b.sessions.State(),
		ChannelIndex: b.channels.index.State(), SessionIndex: b.sessions.index.State(),
		Keys: b.keys.state(), Leases: b.channels.leases.State(), Epochs: uint32(b.channels.epochs), Published: b.published, HistoryRoom: b.histories.used, Kinds: msg.KindNames(),
		Waiting: b.attachments.subscriptions(), Gaps: b.attachments.gaps(),
	})
	b.attachments.handOver(to)
	b.histories.handOver(to, byName)
}

// handOver writes the histories, or only what has changed since they were written early.
func (t *histories) handOver(to handover.Part, byName bool) {
	e := t.early
	if e != nil && e.to != to { // it belongs to another attempt
		e = nil
	}
	if e == nil && byName {
		e = newEarly(t, to)
	}
	if e != nil {
		e.finish()
		return
	}
	bodies := map[*byte]uint64{}
	var body, batch []byte
	flush := func(most int) {
		if len(body) > most {
			to.Raw(bodiesName, body)
			body = body[:0]
		}
		if len(batch) > most {
			to.Raw(historiesName, batch)
			batch = batch[:0]
		}
	}
	for i := uint32(1); i <= t.channels.Used(); i++ {
		if ch := t.channels.At(i); ch.state != channelFree && ch.history != 0 {
			batch, body = t.append(batch, body, ch.history, bodies)
			flush(historyBatch)
		}
	}
	flush(0)
}

// append appends one history: its index, the number of messages, and the messages as
// appendMessage writes them.
func (t *histories) append(dst, body []byte, place uint32, bodies map[*byte]uint64) (history, shared []byte) {
	h := t.At(place)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(place)), uint64(h.count))
	for message, n := h.oldest(), int32(h.count); n > 0; message, n = message.After(n), n-1 {
		dst, body = appendMessage(dst, body, message, bodies)
	}
	return dst, body
}

// resumeFrom continues a broker from the state that another program has written.
func (b *Broker) resumeFrom(from *handover.Reader) error {
	var st Handover
	if err := from.Value(valueName, &st); err != nil {
		return err
	}
	arena := b.loop.Arena()
	if err := errors.Join(
		b.names.Resume(arena, st.Names), b.channels.resume(arena, &st), b.sessions.resume(arena, &st), b.keys.resume(arena, &st.Keys),
	); err != nil {
		return err
	}
	b.published = st.Published
	if err := b.histories.resume(from, &st); err != nil {
		return err
	}
	if !b.attachments.resumeFrom(from, &st) {
		return errHistories
	}
	return nil
}

// resume reads the histories that handOver has written.
func (t *histories) resume(from *handover.Reader, st *Handover) error {
	r := historyReader{to: t, kinds: kindsOf(st.Kinds)}
	r.body = r.eager
	t.reserve(st.HistoryRoom)
	for _, batch := range from.Raw(bodiesName) {
		r.takeBodies(batch)
	}
	for _, batch := range from.Raw(historiesName) {
		r.takeHistories(batch)
	}
	if r.wrong {
		return errHistories
	}
	if err := t.resumeUnread(from, r.kinds); err != nil {
		return err
	}
	t.freeUnused()
	return nil
}

var errHistories = errors.New("the handed-over messages of channels are incomplete")

// historyReader reads the histories that histories.append has written.
type historyReader struct {
	to     *histories
	kinds  []int // by the other program's number of the kind; -1: unknown here
	bodies []*msg.Sharing
	body   func(number uint64) *msg.Sharing // returns one of them; nil: there is no such number
	in     []byte
	wrong  bool
}

// fail notes that the data is corrupt, and ends the batch.
func (r *historyReader) fail() { r.wrong, r.in = true, nil }

func (r *historyReader) uvarint() uint64 { return takeNumber(r, binary.Uvarint) }
func (r *historyReader) varint() int64   { return takeNumber(r, binary.Varint) }

// takeNumber reads a number with decode. It returns 0 if there is none.
func takeNumber[T uint64 | int64](r *historyReader, decode func([]byte) (T, int)) T {
	v, n := decode(r.in)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.in = r.in[n:]
	return v
}

func (r *historyReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.in)) {
		r.fail()
		return nil
	}
	content := r.in[:n]
	r.in = r.in[n:]
	return content
}

func (r *historyReader) takeBodies(batch []byte) {
	for r.in = batch; len(r.in) > 0; {
		r.bodies = append(r.bodies, msg.NewSharing(msg.ExactCopy(r.bytes())))
	}
}

func (r *historyReader) takeHistories(batch []byte) {
	for r.in = batch; len(r.in) > 0; {
		place, n := r.uvarint(), r.uvarint()
		if place == 0 || place > uint64(r.to.used) || r.to.place(uint32(place)).count != 0 {
			r.fail()
			return
		}
		h := r.to.place(uint32(place))
		for ; n > 0 && !r.wrong; n-- {
			if message := r.message(h); message != nil {
				r.to.put(h, message)
			}
		}
	}
}

// message reads a message, which must be put next. It returns nil after an error.
func (r *historyReader) message(h *history) *msg.Message {
	if len(r.in) == 0 || int(r.in[0]) >= len(r.kinds) || r.kinds[r.in[0]] < 0 {
		r.fail()
		return nil
	}
	kind := msg.Kind(r.kinds[r.in[0]])
	r.in = r.in[1:]
	seq, body := int32(r.varint()), r.uvarint()
	if body == 0 {
		return r.to.behind(h, kind, seq, r.bytes())
	}
	sharing := r.body(body)
	if sharing == nil {
		r.fail()
		return nil
	}
	return sharing.Message(kind, seq)
}

func (r *historyReader) eager(number uint64) *msg.Sharing {
	if number > uint64(len(r.bodies)) {
		return nil
	}
	return r.bodies[number-1]
}

// reserve makes room for n histories, without memory for them.
func (t *histories) reserve(n uint32) {
	if t.used = n; n > 0 {
		t.chunks = make([]*[historyChunk]history, n/historyChunk+1)
	}
}

// place returns a history without reading its messages from the other program's data.
func (t *histories) place(i uint32) *history {
	chunk := &t.chunks[i/historyChunk]
	if *chunk == nil {
		*chunk = new([historyChunk]history)
	}
	return &(*chunk)[i%historyChunk]
}

// freeUnused frees the histories without messages.
func (t *histories) freeUnused() {
	for i := t.used; i > 0; i-- {
		if !t.unread.has(i) && t.place(i).count == 0 {
			t.free(i)
		}
	}
}
