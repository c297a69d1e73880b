// Package record has what stands in records without pointers, outside the collector's
// heap: names, the index that finds records, columns beside them, epochs.
package record

import "ccomet/reactor"

// Names keeps short byte strings (channels' names, callbacks) outside the
// collector's heap, in slabs of five sizes. A name is told by its place and
// its length, which its owner's record keeps. It is stored once in the whole
// process: a loop that has subscribers of a channel reads the name where the
// channel's home loop keeps it (foreign), which does not change or free it
// while it knows of such subscribers.
type Names struct {
	s16  reactor.Slab[[16]byte]
	s32  reactor.Slab[[32]byte]
	s64  reactor.Slab[[64]byte]
	s128 reactor.Slab[[128]byte]
	s256 reactor.Slab[[256]byte]
}

// Name is where a name is kept: plain data, 8 bytes in a record's layout.
type Name struct {
	At  uint32
	Len uint8
}

// Put keeps a copy of b, up to MaxName bytes; at is 0 when there is no memory.
func (n *Names) Put(b []byte) Name {
	k := Name{Len: uint8(len(b))}
	switch {
	case len(b) <= 16:
		k.At = n.s16.Alloc()
	case len(b) <= 32:
		k.At = n.s32.Alloc()
	case len(b) <= 64:
		k.At = n.s64.Alloc()
	case len(b) <= 128:
		k.At = n.s128.Alloc()
	default:
		k.At = n.s256.Alloc()
	}
	if k.At != 0 {
		copy(n.Get(k), b)
	}
	return k
}

// Get returns a name of this loop.
func (n *Names) Get(k Name) []byte {
	switch {
	case k.Len <= 16:
		return n.s16.At(k.At)[:k.Len]
	case k.Len <= 32:
		return n.s32.At(k.At)[:k.Len]
	case k.Len <= 64:
		return n.s64.At(k.At)[:k.Len]
	case k.Len <= 128:
		return n.s128.At(k.At)[:k.Len]
	}
	return n.s256.At(k.At)[:k.Len]
}

// Foreign returns a name of another loop, whose channel has told of it.
func (n *Names) Foreign(k Name) []byte {
	switch {
	case k.Len <= 16:
		return n.s16.Foreign(k.At)[:k.Len]
	case k.Len <= 32:
		return n.s32.Foreign(k.At)[:k.Len]
	case k.Len <= 64:
		return n.s64.Foreign(k.At)[:k.Len]
	case k.Len <= 128:
		return n.s128.Foreign(k.At)[:k.Len]
	}
	return n.s256.Foreign(k.At)[:k.Len]
}

// Drop frees a name.
func (n *Names) Drop(k Name) {
	switch {
	case k.Len <= 16:
		n.s16.Free(k.At)
	case k.Len <= 32:
		n.s32.Free(k.At)
	case k.Len <= 64:
		n.s64.Free(k.At)
	case k.Len <= 128:
		n.s128.Free(k.At)
	default:
		n.s256.Free(k.At)
	}
}

func (n *Names) Release() {
	n.s16.Release()
	n.s32.Release()
	n.s64.Release()
	n.s128.Release()
	n.s256.Release()
}

// Live is how many names are kept.
func (n *Names) Live() int {
	return n.s16.Live() + n.s32.Live() + n.s64.Live() + n.s128.Live() + n.s256.Live()
}

// NameSizes is how many slabs names has.
const NameSizes = 5

// Figures are those of each size.
func (n *Names) Figures() [NameSizes]reactor.SlabFigures {
	return [NameSizes]reactor.SlabFigures{
		n.s16.Figures(), n.s32.Figures(), n.s64.Figures(), n.s128.Figures(), n.s256.Figures(),
	}
}
