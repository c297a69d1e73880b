package reactor

import (
	"sync"

	"github.com/valyala/bytebufferpool"
)

// Frame is bytes whose rest several connections still have to send (Hold). They must not
// change while a connection holds the frame. A Frame belongs to one loop.
type Frame struct {
	Bytes     []byte
	Uncounted bool // not counted for Config.MaxHeldAll: its maker bounds such frames itself
	holders   int
}

// Held reports whether a connection holds the frame.
func (f *Frame) Held() bool { return f.holders > 0 }

// size returns the bytes that the frame counts for Config.MaxHeldAll.
func (f *Frame) size() int {
	if f.Uncounted {
		return 0
	}
	return cap(f.Bytes)
}

// held is what a connection borrows while it has unconsumed input or unsent output.
type held struct {
	in    *bytebufferpool.ByteBuffer // input not yet consumed
	out   []byte                     // rest of a short write: part of own, or of a shared frame
	own   *bytebufferpool.ByteBuffer
	frame *Frame
	kept  int   // capacity of own, counted in heldBytes
	taken int   // capacity of in, counted in inputBytes
	err   error // why the connection is closing
	free  uint32
}

// borrowed holds what the connections of a loop borrow.
type borrowed struct {
	held       []held // [0] is not used
	heldBytes  int    // of output, of all connections
	inputBytes int    // of input, of all connections
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

// giveBack returns everything that a connection has borrowed.
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

// keepInput keeps unconsumed input.
func (l *borrowed) keepInput(h *held, in *bytebufferpool.ByteBuffer) {
	h.in, h.taken = in, cap(in.B)
	l.inputBytes += h.taken
}

// takeInput takes out the kept input; nil if there is none.
func (l *borrowed) takeInput(h *held) (in *bytebufferpool.ByteBuffer) {
	in = h.in
	l.inputBytes -= h.taken
	h.in, h.taken = nil, 0
	return in
}

// share makes a connection hold a frame. The frame counts once, however many hold it.
func (l *borrowed) share(h *held, f *Frame) {
	if f.holders++; f.holders == 1 {
		l.heldBytes += f.size()
	}
	h.frame = f
}

// dropOut drops the held output, in its own buffer or in a frame.
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

// keepBuffer is the largest buffer that returns to the pool: a pool of huge buffers is a
// leak. Buffers up to keepLarge are kept until the garbage collector has run twice, because a
// peer that sends one request of that length soon sends another.
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

// more returns a buffer with the content of buf, to which that many bytes will be appended. If
// buf would have to grow to at least half of keepBuffer, it returns a large one from the
// pool, if there is one.
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
