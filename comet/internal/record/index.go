package record

import (
	"errors"

	"ccomet/reactor"
)

// Index finds records by hash: chains that are linked through the records, and one
// 32-bit bucket for each record. It grows by linear hashing, one bucket at a time as
// records come. So it never stops to copy itself and leaves no garbage: four bytes a
// record, however many there are.
type Index struct {
	link    func(i uint32) *uint32 // the record's chain link
	hash    func(i uint32) uint32  // the record's hash
	buckets reactor.Slab[uint32]   // bucket b is at b+1
	level   uint32                 // number of buckets before this round of splitting: a power of two
	split   uint32                 // the next bucket to split in this round
	Count   uint32
}

const firstBuckets = 64

// NewIndex makes an index. Call Begin or Resume before you use it.
func NewIndex(link func(uint32) *uint32, hash func(uint32) uint32) *Index {
	return &Index{link: link, hash: hash, level: firstBuckets}
}

// Begin prepares an empty index whose buckets lie in an arena, which may be nil. The
// error is that there is no memory for the first of them.
func (x *Index) Begin(a *reactor.Arena) error {
	x.buckets.In(a)
	for range firstBuckets {
		if !x.addBucket() {
			return errNoIndex
		}
	}
	return nil
}

// IndexState is an index as plain data. Its chains lie in the records.
type IndexState struct {
	Buckets             reactor.SlabState
	Level, Split, Count uint32
}

// State returns the state that Resume needs.
func (x *Index) State() IndexState { return IndexState{x.buckets.State(), x.level, x.split, x.Count} }

// Resume makes an index continue with the records of another one, which was made with
// the same link and hash.
func (x *Index) Resume(a *reactor.Arena, st IndexState) error {
	if st.Level < firstBuckets || st.Level&(st.Level-1) != 0 || st.Split >= st.Level || uint64(st.Buckets.Used) < uint64(st.Level)+uint64(st.Split) {
		return errIndexState
	}
	x.level, x.split, x.Count = st.Level, st.Split, st.Count
	return x.buckets.Resume(a, st.Buckets)
}

// errIndexState rejects a state that no index can be in.
var errIndexState = errors.New("the state of an index is inconsistent")

// Head returns the first record of the chain for hash h.
func (x *Index) Head(h uint32) uint32 { return *x.bucket(h) }

func (x *Index) bucket(h uint32) *uint32 {
	b := h & (x.level - 1)
	if b < x.split {
		b = h & (2*x.level - 1)
	}
	return x.buckets.At(b + 1)
}

// Insert adds a record. Its hash must not change while it is in the index.
func (x *Index) Insert(i uint32) {
	x.push(x.bucket(x.hash(i)), i)
	x.Count++
	if x.Count > x.level+x.split {
		x.grow()
	}
}

// Remove removes a record, which must be in the index.
func (x *Index) Remove(i uint32) {
	at := x.bucket(x.hash(i))
	for *at != i {
		at = x.link(*at)
	}
	*at = *x.link(i)
	x.Count--
}

func (x *Index) push(bucket *uint32, i uint32) {
	*x.link(i) = *bucket
	*bucket = i
}

// grow splits one bucket: its records stay in it, or move to the new one.
func (x *Index) grow() {
	if !x.addBucket() {
		return // no memory now: chains get longer, and the next Insert tries again
	}
	low := x.buckets.At(x.split + 1)
	high := x.buckets.At(x.split + x.level + 1)
	i := *low
	*low = 0
	for i != 0 {
		next := *x.link(i)
		if x.hash(i)&x.level == 0 {
			x.push(low, i)
		} else {
			x.push(high, i)
		}
		i = next
	}
	if x.split++; x.split == x.level {
		x.level, x.split = 2*x.level, 0
	}
}

func (x *Index) addBucket() bool {
	i := x.buckets.Alloc()
	if i != 0 {
		*x.buckets.At(i) = 0
	}
	return i != 0
}

// Release frees the buckets. It does nothing to a nil Index, of an actor that was not
// opened for lack of memory.
func (x *Index) Release() {
	if x != nil {
		x.buckets.Release()
	}
}

// Figures returns the figures of its buckets.
func (x *Index) Figures() reactor.SlabFigures { return x.buckets.Figures() }

// errNoIndex: the kernel has no memory for an index.
var errNoIndex = errors.New("no memory for an index")
