package reactor

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	chunkShift = 12
	chunkLen   = 1 << chunkShift // records in a chunk; a chunk of any record size is a whole number of pages
	chunkMask  = chunkLen - 1
)

// MaxRecords is the most records a Slab can hold: an index has 31 bits, the
// top one is the wheel's.
const MaxRecords = 1<<31 - 1

// Slab holds records of one fixed size, named by index. Index 0 is never
// handed out and means "none".
//
// Records live outside the garbage collector's heap, in anonymous memory or in an
// Arena, in chunks that are never moved or copied as the slab grows, so a *T stays good
// until its record is freed. T must hold no pointer, must be at least 4 bytes
// long and a multiple of 4, and must not mind that its first 4 bytes are
// overwritten while it is free (they link the free list). All else is left as
// it was, which is what keeps a generation counter alive from one use of a
// record to the next.
//
// A slab belongs to one goroutine; only Foreign may be called from others.
// The zero value is an empty slab.
type Slab[T any] struct {
	chunks []*[chunkLen]T
	shared atomic.Pointer[[]*[chunkLen]T] // what Foreign reads; republished when a chunk is added
	free   uint32                         // head of the free list
	used   uint32                         // indexes 1..used have been handed out at least once
	live   int
	arena  *Arena  // where the memory is from; nil: it is the process's own
	places []int64 // of the chunks in the arena
}

// Alloc returns the index of a free record, or 0 when the kernel has no more
// memory or MaxRecords are in use. The record is as it was freed (zero when
// fresh), but for its first 4 bytes.
func (s *Slab[T]) Alloc() uint32 {
	if fault("mmap", -1) != 0 {
		return 0 // as if no record were free just now
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

// Free gives a record back. The caller knows that it was live.
func (s *Slab[T]) Free(i uint32) {
	*s.freeLink(i) = s.free
	s.free = i
	s.live--
}

// At returns the record at index i, which must have been handed out once.
func (s *Slab[T]) At(i uint32) *T {
	return &s.chunks[i>>chunkShift][i&chunkMask]
}

// Foreign is At for any goroutine. The caller must have been told the index
// by the owner (which orders the record's writes before this read), and the
// record must not change or be freed while it is read.
func (s *Slab[T]) Foreign(i uint32) *T {
	return &(*s.shared.Load())[i>>chunkShift][i&chunkMask]
}

// Has says whether index i was ever handed out.
func (s *Slab[T]) Has(i uint32) bool { return i != 0 && i <= s.used }

// Live counts the records in use, Used those ever used: a walk over a slab
// goes from 1 to Used and asks each record whether it is alive.
func (s *Slab[T]) Live() int    { return s.live }
func (s *Slab[T]) Used() uint32 { return s.used }

// Size is the bytes of one record.
func (s *Slab[T]) Size() int { var t T; return int(unsafe.Sizeof(t)) }

// Release returns all memory to the kernel. No record may be touched again.
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
