package cluster

import (
	"context"
	"sync"
	"sync/atomic"
)

// window limits the unsolicited mail that a loop has not handled yet. While it is full, the reader
// waits, and further messages stay on the bus.
type window struct {
	bytes atomic.Int64
	room  signal // there is room again

	mu    sync.Mutex
	sizes []int32 // of the mails, in order; those from head on are not handled
	head  int
}

// windowBytes is the number of bytes at which a window is full.
const windowBytes = 8 << 20

// add counts mails that are about to be posted.
func (w *window) add(sizes []int32) {
	if len(sizes) == 0 {
		return
	}
	bytes := int64(0)
	for _, size := range sizes {
		bytes += int64(size)
	}
	w.bytes.Add(bytes)
	w.mu.Lock()
	if w.head > len(w.sizes)/2 {
		w.sizes, w.head = w.sizes[:copy(w.sizes, w.sizes[w.head:])], 0
	}
	w.sizes = append(w.sizes, sizes...)
	w.mu.Unlock()
}

// taken records that the first n mails have been handled.
func (w *window) taken(n int) {
	bytes := int64(0)
	w.mu.Lock()
	for end := min(w.head+n, len(w.sizes)); w.head < end; w.head++ {
		bytes += int64(w.sizes[w.head])
	}
	w.mu.Unlock()
	if now := w.bytes.Add(-bytes); now < windowBytes && now+bytes >= windowBytes {
		w.room.tell()
	}
}

// full reports whether the reader must wait.
func (w *window) full() bool { return w.bytes.Load() >= windowBytes }

// wait waits until there is room, or the context ends.
func (w *window) wait(ctx context.Context) {
	for w.full() {
		select {
		case <-w.room:
		case <-ctx.Done():
			return
		}
	}
}
