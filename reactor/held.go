package reactor

import (
	"sync"

	"github.com/valyala/bytebufferpool"
)

// Frame is bytes that connections hold the rest of, together (Hold). They must not
// change while one does. It belongs to one loop.
type Frame struct {
	Bytes     []byte
	Uncounted bool // it does not count for Config.MaxHeldAll: its maker bounds such frames itself
	holders   int
}

// Held says whether a connection holds the rest of the frame.
func (f *Frame) Held() bool { return f.holders > 0 }

// size is what the frame counts.
func (f *Frame) size() int {
	if f.Uncounted {
		return 0
	}
	return cap(f.Bytes)
}

// held is what a connection borrows while it must.
type held struct {
	in    *bytebufferpool.ByteBuffer // input not yet consumed
	out   []byte                     // rest of a short write: of own, or of a frame that others share
	own   *bytebufferpool.ByteBuffer
	frame *Frame
	kept  int   // bytes of own, which count for all connections
	taken int   // bytes of in, which do too
	err   error // why it is closing
	free  uint32
}

// borrowed is what the connections of a loop borrow.
type borrowed struct {
	held       []held // [0] is not used
	heldBytes  int    // of their output
	inputBytes int    // of their input
	heldFree   uint32
	buffers    buffers
}

func (l *Loop) borrow(r *record) *held {
	if r.held == 0 {
		if l.heldFree == 0 {
			l.held = append(l.held, held{})
			l.heldFree = uint32(len(l.held) - 1)
		}
		r.held = l.heldFree
		l.heldFree = l.held[r.held].free
		l.stats.held.Add(1)
	}
	return &l.held[r.held]
}

// giveBack returns everything that is borrowed.
func (l *Loop) giveBack(r *record) {
	h := &l.held[r.held]
	if h.in != nil {
		l.buffers.put(h.in)
		l.inputBytes -= h.taken
	}
	l.dropOut(h)
	*h = held{free: l.heldFree}
	l.heldFree, r.held = r.held, 0
	l.stats.held.Add(-1)
}

// keepInput keeps what has not been consumed.
func (l *borrowed) keepInput(h *held, in *bytebufferpool.ByteBuffer) {
	h.in, h.taken = in, cap(in.B)
	l.inputBytes += h.taken
}

// takeInput takes out what was kept; nil if nothing was.
func (l *borrowed) takeInput(h *held) (in *bytebufferpool.ByteBuffer) {
	in = h.in
	l.inputBytes -= h.taken
	h.in, h.taken = nil, 0
	return in
}

// share has a connection hold a frame, which counts once.
func (l *borrowed) share(h *held, f *Frame) {
	if f.holders++; f.holders == 1 {
		l.heldBytes += f.size()
	}
	h.frame = f
}

// dropOut lets go of what could not be written, of its own or with others.
func (l *borrowed) dropOut(h *held) {
	if h.own != nil {
		l.buffers.put(h.own)
		l.heldBytes -= h.kept
		h.own, h.kept = nil, 0
	}
	if h.frame != nil {
		if h.frame.holders--; h.frame.holders == 0 {
			l.heldBytes -= h.frame.size()
		}
		h.frame = nil
	}
	h.out = nil
}

// keepBuffer is the largest buffer worth keeping: a pool of giants is a leak. Those up to
// keepLarge are kept until the collector has run twice: a peer that sends one request of that
// length is soon to send another one.
const (
	keepBuffer = 64 << 10
	keepLarge  = 256 << 10
)

type buffers struct {
	pool  bytebufferpool.Pool
	large sync.Pool
}

func (b *buffers) Get() *bytebufferpool.ByteBuffer { return b.pool.Get() }

func (b *buffers) put(buf *bytebufferpool.ByteBuffer) {
	switch size := cap(buf.B); {
	case size <= keepBuffer:
		b.pool.Put(buf)
	case size <= keepLarge:
		b.large.Put(buf)
	}
}

// more returns a buffer with the same bytes that is to take so many more: a large one, if
// there is one, where it would have to grow to be half as large.
func (b *buffers) more(buf *bytebufferpool.ByteBuffer, bytes int) *bytebufferpool.ByteBuffer {
	if size := len(buf.B) + bytes; size <= cap(buf.B) || size < keepBuffer/2 {
		return buf
	}
	large, _ := b.large.Get().(*bytebufferpool.ByteBuffer)
	if large == nil {
		return buf
	}
	large.B = append(large.B[:0], buf.B...)
	b.put(buf)
	return large
}
