// Package record stores what lies in records without pointers, outside the garbage
// collector's heap: names, the index that finds records, columns beside them, epochs.
package record

import (
	"unsafe"

	"ccomet/reactor"
)

// Names stores short byte strings (names of channels, callbacks) outside the garbage
// collector's heap, in slabs of several sizes. The record of a name's owner has its
// position and length. A channel's name is stored once in the whole process: a loop that
// has subscribers of the channel reads it where the channel's home keeps it (foreign). The
// home does not change or free it while it knows of such subscribers.
type Names struct {
	s16  sized[[16]byte]
	s24  sized[[24]byte]
	s32  sized[[32]byte]
	s48  sized[[48]byte]
	s64  sized[[64]byte]
	s128 sized[[128]byte]
	s256 sized[[256]byte]
}

// NameSizes is the number of slabs that Names has.
const NameSizes = 7

// all returns the slabs, the smallest first.
func (n *Names) all() [NameSizes]namesOfSize {
	return [NameSizes]namesOfSize{&n.s16, &n.s24, &n.s32, &n.s48, &n.s64, &n.s128, &n.s256}
}

// of returns the slab for names of a length.
func (n *Names) of(length int) namesOfSize {
	switch {
	case length <= 16:
		return &n.s16
	case length <= 24:
		return &n.s24
	case length <= 32:
		return &n.s32
	case length <= 48:
		return &n.s48
	case length <= 64:
		return &n.s64
	case length <= 128:
		return &n.s128
	}
	return &n.s256
}

// Name is the position and length of a name: plain data, 8 bytes in a record.
type Name struct {
	At  uint32
	Len uint8
}

// In makes empty Names take their memory from an arena, which may be nil.
func (n *Names) In(a *reactor.Arena) {
	for _, of := range n.all() {
		of.In(a)
	}
}

// State returns the state that Resume needs.
func (n *Names) State() (st [NameSizes]reactor.SlabState) {
	for i, of := range n.all() {
		st[i] = of.State()
	}
	return st
}

// Resume continues with the names of another program.
func (n *Names) Resume(a *reactor.Arena, st [NameSizes]reactor.SlabState) error {
	for i, of := range n.all() {
		if err := of.Resume(a, st[i]); err != nil {
			return err
		}
	}
	return nil
}

// Put stores a copy of b, up to MaxName bytes; At is 0 if there is no memory.
func (n *Names) Put(b []byte) Name {
	of := n.of(len(b))
	k := Name{At: of.Alloc(), Len: uint8(len(b))}
	if k.At != 0 {
		copy(of.own(k.At), b)
	}
	return k
}

// AllocNamed allocates a record and stores the name for it. Without memory for both it does
// neither, and returns 0.
func AllocNamed[T any](s *reactor.Slab[T], n *Names, name []byte) (uint32, Name) {
	k := n.Put(name)
	if k.At == 0 {
		return 0, k
	}
	i := s.Alloc()
	if i == 0 {
		n.Drop(k)
	}
	return i, k
}

// Get returns a name of this loop.
func (n *Names) Get(k Name) []byte {
	if k.Len <= 16 { // most are, and this takes half the time
		return n.s16.At(k.At)[:k.Len]
	}
	return n.of(int(k.Len)).own(k.At)[:k.Len]
}

// foreign returns a name of another loop, of whose channel that loop has told.
func (n *Names) foreign(k Name) []byte { return n.of(int(k.Len)).foreign(k.At)[:k.Len] }

// Drop frees a name.
func (n *Names) Drop(k Name) { n.of(int(k.Len)).Free(k.At) }

// Release frees the memory of all names.
func (n *Names) Release() {
	for _, of := range n.all() {
		of.Release()
	}
}

// Live returns the number of names.
func (n *Names) Live() (live int) {
	for _, of := range n.all() {
		live += of.Live()
	}
	return live
}

// Figures returns the figures of each size.
func (n *Names) Figures() (figures [NameSizes]reactor.SlabFigures) {
	for i, of := range n.all() {
		figures[i] = of.Figures()
	}
	return figures
}

// namesOfSize is a slab of names.
type namesOfSize interface {
	Alloc() uint32
	Free(i uint32)
	Live() int
	Release()
	Figures() reactor.SlabFigures
	In(a *reactor.Arena)
	State() reactor.SlabState
	Resume(a *reactor.Arena, st reactor.SlabState) error
	own(i uint32) []byte
	foreign(i uint32) []byte
}

// sized is a slab of arrays of bytes.
type sized[T any] struct{ reactor.Slab[T] }

func (s *sized[T]) own(i uint32) []byte     { return s.bytes(s.At(i)) }
func (s *sized[T]) foreign(i uint32) []byte { return s.bytes(s.Slab.Foreign(i)) }
func (s *sized[T]) bytes(room *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(room)), s.Size())
}
