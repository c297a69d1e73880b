package reactor

import "github.com/valyala/bytebufferpool"

// held is what a connection borrows while it must.
type held struct {
	in   *bytebufferpool.ByteBuffer // input not yet consumed
	out  []byte                     // rest of a short write: of own, or of a frame that others share
	own  *bytebufferpool.ByteBuffer
	kept int   // bytes of own, which count for all connections
	err  error // why it is closing
	free uint32
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
	}
	l.dropOwn(h)
	*h = held{free: l.heldFree}
	l.heldFree, r.held = r.held, 0
	l.stats.held.Add(-1)
}

// dropOwn gives back the buffer of what could not be written.
func (l *Loop) dropOwn(h *held) {
	if h.own != nil {
		l.buffers.put(h.own)
		l.heldBytes -= h.kept
		h.own, h.kept = nil, 0
	}
}

// keepBuffer is the largest buffer worth keeping: a pool of giants is a leak.
const keepBuffer = 64 << 10

type buffers struct{ pool bytebufferpool.Pool }

func (b *buffers) Get() *bytebufferpool.ByteBuffer { return b.pool.Get() }

func (b *buffers) put(buf *bytebufferpool.ByteBuffer) {
	if cap(buf.B) <= keepBuffer {
		b.pool.Put(buf)
	}
}
