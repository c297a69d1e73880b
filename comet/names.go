package comet

import "ccomet/reactor"

// names keeps short byte strings (channels' names, callbacks) outside the
// collector's heap, in slabs of five sizes. A name is told by its place and
// its length, which its owner's record keeps. It is stored once in the whole
// process: a loop that has subscribers of a channel reads the name where the
// channel's home loop keeps it (foreign), which does not change or free it
// while it knows of such subscribers.
type names struct {
	s16  reactor.Slab[[16]byte]
	s32  reactor.Slab[[32]byte]
	s64  reactor.Slab[[64]byte]
	s128 reactor.Slab[[128]byte]
	s256 reactor.Slab[[256]byte]
}

// name is where a name is kept: plain data, 8 bytes in a record's layout.
type name struct {
	at  uint32
	len uint8
}

// put keeps a copy of b, up to MaxName bytes; at is 0 when there is no memory.
func (n *names) put(b []byte) name {
	k := name{len: uint8(len(b))}
	switch {
	case len(b) <= 16:
		k.at = n.s16.Alloc()
	case len(b) <= 32:
		k.at = n.s32.Alloc()
	case len(b) <= 64:
		k.at = n.s64.Alloc()
	case len(b) <= 128:
		k.at = n.s128.Alloc()
	default:
		k.at = n.s256.Alloc()
	}
	if k.at != 0 {
		copy(n.get(k), b)
	}
	return k
}

// get returns a name of this loop.
func (n *names) get(k name) []byte {
	switch {
	case k.len <= 16:
		return n.s16.At(k.at)[:k.len]
	case k.len <= 32:
		return n.s32.At(k.at)[:k.len]
	case k.len <= 64:
		return n.s64.At(k.at)[:k.len]
	case k.len <= 128:
		return n.s128.At(k.at)[:k.len]
	}
	return n.s256.At(k.at)[:k.len]
}

// foreign returns a name of another loop, whose channel has told of it.
func (n *names) foreign(k name) []byte {
	switch {
	case k.len <= 16:
		return n.s16.Foreign(k.at)[:k.len]
	case k.len <= 32:
		return n.s32.Foreign(k.at)[:k.len]
	case k.len <= 64:
		return n.s64.Foreign(k.at)[:k.len]
	case k.len <= 128:
		return n.s128.Foreign(k.at)[:k.len]
	}
	return n.s256.Foreign(k.at)[:k.len]
}

// drop frees a name.
func (n *names) drop(k name) {
	switch {
	case k.len <= 16:
		n.s16.Free(k.at)
	case k.len <= 32:
		n.s32.Free(k.at)
	case k.len <= 64:
		n.s64.Free(k.at)
	case k.len <= 128:
		n.s128.Free(k.at)
	default:
		n.s256.Free(k.at)
	}
}

func (n *names) release() {
	n.s16.Release()
	n.s32.Release()
	n.s64.Release()
	n.s128.Release()
	n.s256.Release()
}

// live is how many names are kept.
func (n *names) live() int {
	return n.s16.Live() + n.s32.Live() + n.s64.Live() + n.s128.Live() + n.s256.Live()
}

// nameSizes is how many slabs names has.
const nameSizes = 5

// figures are those of each size.
func (n *names) figures() [nameSizes]reactor.SlabFigures {
	return [nameSizes]reactor.SlabFigures{
		n.s16.Figures(), n.s32.Figures(), n.s64.Figures(), n.s128.Figures(), n.s256.Figures(),
	}
}
