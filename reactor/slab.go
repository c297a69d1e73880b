package reactor

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	chunkShift = 12
	chunkLen   = 1 << chunkShift // records in a chunk: for any size of records, a chunk is a whole number of pages
	chunkMask  = chunkLen - 1
)

// MaxRecords is the most records that a Slab can hold. An index has 31 bits, because
// the Wheel uses the top bit.
const MaxRecords = 1<<31 - 1

// Slab stores records of one fixed size, addressed by index. Index 0 is never used and
// means "none".
//
// Records lie outside the garbage collector's heap, in anonymous memory or in an Arena,
// in chunks that are never moved or copied as the slab grows. So a *T is valid until
// its record is freed. T must contain no pointer, and its size must be a multiple of 4
// bytes, at least 4. While a record is free, its first 4 bytes link the free list. All
// other bytes keep their values, so that a generation counter survives from one use of
// a record to the next.
//
// A slab belongs to one goroutine; only Foreign may be called from others. The zero
// value is an empty slab.
type Slab[T any] struct {
	chunks []*[chunkLen]T
	shared atomic.Pointer[[]*[chunkLen]T] // what Foreign reads; replaced when a chunk is added
	free   uint32                         // head of the free list
	used   uint32                         // indexes 1..used were allocated at least once
	live   int
	arena  *Arena  // where the memory comes from; nil: the process's own
	places []int64 // offsets of the chunks in the arena
}

// Alloc returns the index of a free record, or 0 if the kernel has no more memory or
// MaxRecords are in use. The record has the bytes that it was freed with (zeros if it
// is new), except its first 4.
func (s *Slab[T]) Alloc() uint32 {
	if fault("mmap", -1) != 0 {
		return 0 // as if no record were free
	}
	if i := s.free; i != 0 {
		s.free = *s.freeLink(i)
		s.live++
		return i
	}
	i := s.used + 1
	if i > MaxRecords {
		return 0
	}
	if int(i>>chunkShift) >= len(s.chunks) && !s.grow() {
		return 0
	}
	s.used = i
	s.live++
	return i
}

// Free frees the record at index i, which must be in use.
func (s *Slab[T]) Free(i uint32) {
	*s.freeLink(i) = s.free
	s.free = i
	s.live--
}

// At returns the record at index i, which must have been allocated at least once.
func (s *Slab[T]) At(i uint32) *T {
	return &s.chunks[i>>chunkShift][i&chunkMask]
}

// Foreign is At for any goroutine. The owner must have told the caller the index, in a
// way that orders the record's writes before this read. The record must not change or
// be freed meanwhile.
func (s *Slab[T]) Foreign(i uint32) *T {
	return &(*s.shared.Load())[i>>chunkShift][i&chunkMask]
}

// Has reports whether index i was ever allocated.
func (s *Slab[T]) Has(i uint32) bool { return i != 0 && i <= s.used }

// Live returns the number of records in use. Used returns the highest index ever
// allocated: to visit all records, go from 1 to Used and ask each record whether it is
// alive.
func (s *Slab[T]) Live() int    { return s.live }
func (s *Slab[T]) Used() uint32 { return s.used }

// Size returns the size of a record in bytes.
func (s *Slab[T]) Size() int { var t T; return int(unsafe.Sizeof(t)) }

// Release returns all memory to the kernel. No record may be used afterwards.
func (s *Slab[T]) Release() {
	for _, c := range s.chunks {
		_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(c)), chunkLen*s.Size()))
	}
	s.chunks, s.places, s.free, s.used, s.live = nil, nil, 0, 0, 0
	s.shared.Store(nil)
}

func (s *Slab[T]) freeLink(i uint32) *uint32 { return (*uint32)(unsafe.Pointer(s.At(i))) }

func (s *Slab[T]) grow() bool {
	if s.Size() < 4 || s.Size()%4 != 0 {
		panic(fmt.Sprintf("reactor: a slab's record must be a multiple of 4 bytes, not %d", s.Size()))
	}
	mem, err := s.more()
	if err != nil {
		return false
	}
	s.chunks = append(s.chunks, (*[chunkLen]T)(unsafe.Pointer(&mem[0])))
	published := s.chunks
	s.shared.Store(&published)
	return true
}
