package record

import (
	"ccomet/reactor"
	"errors"
)

// index finds records by hash: chains threaded through the records (link),
// and one 32-bit bucket a record. It grows by linear hashing, a bucket at a
// time as records come, so it never stops to copy itself and leaves no
// garbage: four bytes a record, whatever the number.
type Index struct {
	Link    func(i uint32) *uint32 // the record's chain link
	Hash    func(i uint32) uint32  // the record's hash
	Buckets reactor.Slab[uint32]   // bucket b is at b+1
	Level   uint32                 // buckets before this round of splitting: a power of two
	Split   uint32                 // the next bucket to be split in this round
	Count   uint32
}

const firstBuckets = 64

func NewIndex(link func(uint32) *uint32, hash func(uint32) uint32) *Index {
	x := &Index{Link: link, Hash: hash, Level: firstBuckets}
	for range firstBuckets {
		x.addBucket()
	}
	return x
}

// usable says whether there was memory for the first buckets.
func (x *Index) Usable() bool { return x.Buckets.Live() >= firstBuckets }

// head is the first record of the chain that holds hash h.
func (x *Index) Head(h uint32) uint32 { return *x.Bucket(h) }

func (x *Index) Bucket(h uint32) *uint32 {
	b := h & (x.Level - 1)
	if b < x.Split {
		b = h & (2*x.Level - 1)
	}
	return x.Buckets.At(b + 1)
}

func (x *Index) Insert(i uint32) {
	x.push(x.Bucket(x.Hash(i)), i)
	x.Count++
	if x.Count > x.Level+x.Split {
		x.grow()
	}
}

func (x *Index) Remove(i uint32) {
	at := x.Bucket(x.Hash(i))
	for *at != i {
		at = x.Link(*at)
	}
	*at = *x.Link(i)
	x.Count--
}

func (x *Index) push(bucket *uint32, i uint32) {
	*x.Link(i) = *bucket
	*bucket = i
}

// grow splits one bucket: its records go on to it or to the new one behind.
func (x *Index) grow() {
	if !x.addBucket() {
		return // no memory now: chains get longer, and it is tried again
	}
	low := x.Buckets.At(x.Split + 1)
	high := x.Buckets.At(x.Split + x.Level + 1)
	i := *low
	*low = 0
	for i != 0 {
		next := *x.Link(i)
		if x.Hash(i)&x.Level == 0 {
			x.push(low, i)
		} else {
			x.push(high, i)
		}
		i = next
	}
	if x.Split++; x.Split == x.Level {
		x.Level, x.Split = 2*x.Level, 0
	}
}

func (x *Index) addBucket() bool {
	i := x.Buckets.Alloc()
	if i != 0 {
		*x.Buckets.At(i) = 0
	}
	return i != 0
}

func (x *Index) Release() { x.Buckets.Release() }

// figures are those of its buckets.
func (x *Index) Figures() reactor.SlabFigures { return x.Buckets.Figures() }

var ErrNoIndex = errors.New("no memory for an index")
