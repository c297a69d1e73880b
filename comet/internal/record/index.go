package record

import (
	"errors"

	"ccomet/reactor"
)

// Index finds records by hash: chains threaded through the records (link),
// and one 32-bit bucket a record. It grows by linear hashing, a bucket at a
// time as records come, so it never stops to copy itself and leaves no
// garbage: four bytes a record, whatever the number.
type Index struct {
	link    func(i uint32) *uint32 // the record's chain link
	hash    func(i uint32) uint32  // the record's hash
	buckets reactor.Slab[uint32]   // bucket b is at b+1
	level   uint32                 // buckets before this round of splitting: a power of two
	split   uint32                 // the next bucket to be split in this round
	Count   uint32
}

const firstBuckets = 64

// NewIndex makes an index, which Begin or Resume readies.
func NewIndex(link func(uint32) *uint32, hash func(uint32) uint32) *Index {
	return &Index{link: link, hash: hash, level: firstBuckets}
}

// Begin readies an index whose buckets lie in an arena, which may be nil. An error says
// that there is no memory for the first of them.
func (x *Index) Begin(a *reactor.Arena) error {
	x.buckets.In(a)
	for range firstBuckets {
		if !x.addBucket() {
			return errNoIndex
		}
	}
	return nil
}

// IndexState is an index as plain data: its chains lie in the records.
type IndexState struct {
	Buckets             reactor.SlabState
	Level, Split, Count uint32
}

// State is what Resume goes on with.
func (x *Index) State() IndexState { return IndexState{x.buckets.State(), x.level, x.split, x.Count} }

// Resume has an index go on with the records of another one, which was made
// with the same link and hash.
func (x *Index) Resume(a *reactor.Arena, st IndexState) error {
	if st.Level < firstBuckets || st.Level&(st.Level-1) != 0 || st.Split >= st.Level || uint64(st.Buckets.Used) < uint64(st.Level)+uint64(st.Split) {
		return errIndexState
	}
	x.level, x.split, x.Count = st.Level, st.Split, st.Count
	return x.buckets.Resume(a, st.Buckets)
}

// errIndexState is a state that no index can be in.
var errIndexState = errors.New("the index of records does not fit")

// Head is the first record of the chain that holds hash h.
func (x *Index) Head(h uint32) uint32 { return *x.bucket(h) }

func (x *Index) bucket(h uint32) *uint32 {
	b := h & (x.level - 1)
	if b < x.split {
		b = h & (2*x.level - 1)
	}
	return x.buckets.At(b + 1)
}

// Insert adds a record, whose hash must not change while it is in the index.
func (x *Index) Insert(i uint32) {
	x.push(x.bucket(x.hash(i)), i)
	x.Count++
	if x.Count > x.level+x.split {
		x.grow()
	}
}

// Remove takes out a record, which must be there.
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

// grow splits one bucket: its records go on to it or to the new one behind.
func (x *Index) grow() {
	if !x.addBucket() {
		return // no memory now: chains get longer, and it is tried again
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
// opened for want of memory.
func (x *Index) Release() {
	if x != nil {
		x.buckets.Release()
	}
}

// Figures are those of its buckets.
func (x *Index) Figures() reactor.SlabFigures { return x.buckets.Figures() }

// errNoIndex says that the kernel gives no memory for an index.
var errNoIndex = errors.New("no memory for an index")
