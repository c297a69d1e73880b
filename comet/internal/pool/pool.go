// Package pool lends buffers, and decides which ones are too large to keep.
package pool

import (
	"sync"

	"github.com/valyala/bytebufferpool"
)

// KeepBuffer is the size of the largest buffer to keep, in the pool or for rendering.
const KeepBuffer = 64 << 10

// PutBuffer returns a buffer to the pool, unless it has grown too large.
func PutBuffer(b *bytebufferpool.ByteBuffer) {
	switch size := cap(b.B); {
	case size == KeepBuffer:
		large.Put(b)
	case size < KeepBuffer:
		bytebufferpool.Put(b)
	}
}

// large has buffers of KeepBuffer bytes. The other pool would drop them, because most
// buffers that it lends contain little.
var large = sync.Pool{New: func() any { return &bytebufferpool.ByteBuffer{B: make([]byte, 0, KeepBuffer)} }}

// LargeBuffer borrows an empty buffer of KeepBuffer bytes.
func LargeBuffer() *bytebufferpool.ByteBuffer {
	b := large.Get().(*bytebufferpool.ByteBuffer)
	b.B = b.B[:0]
	return b
}

// keepList is the capacity up to which an emptied list is kept.
const keepList = 16 << 10

// Emptied returns a list without its elements, and without references to what they
// pointed to.
func Emptied[T any](list []T) []T {
	if cap(list) > keepList {
		return nil
	}
	clear(list)
	return list[:0]
}

// NameBuffer borrows a buffer that begins with a channel's name.
func NameBuffer(cname []byte) *bytebufferpool.ByteBuffer {
	b := bytebufferpool.Get()
	b.B = append(b.B[:0], cname...)
	return b
}
