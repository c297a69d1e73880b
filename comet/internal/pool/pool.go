// Package pool has the buffers that are borrowed, and the rule by which large ones
// are not kept.
package pool

import (
	"sync"

	"github.com/valyala/bytebufferpool"
)

// KeepBuffer is the largest buffer worth keeping, in the pool or for rendering.
const KeepBuffer = 64 << 10

// PutBuffer gives a buffer back, unless it has grown too large to be kept.
func PutBuffer(b *bytebufferpool.ByteBuffer) {
	switch size := cap(b.B); {
	case size == KeepBuffer:
		large.Put(b)
	case size < KeepBuffer:
		bytebufferpool.Put(b)
	}
}

// large has buffers of KeepBuffer bytes, which the other pool would give up: most that it
// lends hold little.
var large = sync.Pool{New: func() any { return &bytebufferpool.ByteBuffer{B: make([]byte, 0, KeepBuffer)} }}

// LargeBuffer borrows an empty buffer of KeepBuffer bytes.
func LargeBuffer() *bytebufferpool.ByteBuffer {
	b := large.Get().(*bytebufferpool.ByteBuffer)
	b.B = b.B[:0]
	return b
}

// keepList is how much room an emptied list keeps.
const keepList = 16 << 10

// Emptied is a list without its elements, and without what they pointed to.
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
