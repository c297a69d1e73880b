package comet

import "github.com/valyala/bytebufferpool"

// keepBuffer is the largest buffer worth keeping, in the pool or for rendering.
const keepBuffer = 64 << 10

func putBuffer(b *bytebufferpool.ByteBuffer) {
	if cap(b.B) <= keepBuffer {
		bytebufferpool.Put(b)
	}
}

// keepList is how much room an emptied list keeps.
const keepList = 16 << 10

// emptied is a list without its elements, and without what they pointed to.
func emptied[T any](list []T) []T {
	if cap(list) > keepList {
		return nil
	}
	clear(list)
	return list[:0]
}

// nameBuffer borrows a buffer that begins with a channel's name.
func nameBuffer(cname []byte) *bytebufferpool.ByteBuffer {
	b := bytebufferpool.Get()
	b.B = append(b.B[:0], cname...)
	return b
}
