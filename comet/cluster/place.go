package cluster

import (
	"hash/fnv"

	"ccomet/comet/internal/record"
)

// place is the state of a partition, as a reader knows it.
type place struct {
	gen, off, b uint32
	total       uint64 // items on the bus that were read, or are known to be missed
	seen        uint64 // the highest total in any answer of this generation
	seed        string // of epochs
	missed      bool   // entries of another master were skipped
	top         uint32 // the highest off that is known; one more if a new master started below it
	events      uint32 // how often loops were told of a new generation, or to compare
	since       uint64 // the total from which on nothing was missed
}

// step is what an entry means for the loops, apart from its items.
type step struct {
	stale  bool // it is of an earlier generation, or was read before
	behind bool // items are missing here or in Redis: channels must be compared
	jump   bool // numbers are skipped
}

// take advances to an entry. Its items must be applied unless the entry is stale.
func (p *place) take(e *entry) (s step) {
	switch {
	case e.gen < p.gen || e.gen == p.gen && e.total < p.total || e.gen == p.gen && e.kind == entryJump:
		s.stale = true
		p.missed = p.missed || e.gen < p.gen
		return s
	case e.gen == p.gen:
		s.behind = e.total > p.total
	case e.kind == entryJump && !p.missed && e.was == p.total && p.seen <= e.was && e.total == e.was && (p.seed == "" || p.seed == e.seed):
		s.jump = true
	default:
		s.behind = true
	}
	if e.gen != p.gen && e.off <= p.top {
		p.top++ // the lost numbers of another master were as high: numbers must be raised once more
	} else {
		p.top = e.off
	}
	p.gen, p.off, p.b = e.gen, e.off, e.b
	if e.kind == entryJump {
		p.seed = e.seed
	}
	p.total = e.total + uint64(e.items)
	p.seen = max(p.seen, p.total)
	if s.behind {
		p.since, p.missed = e.total, false
	}
	if s.behind || s.jump {
		p.events++
		p.seen = p.total
	}
	return s
}

// see records the total in an answer of this generation.
func (p *place) see(total uint64) { p.seen = max(p.seen, total) }

// low reports whether numbers must be raised, because numbers as high as the next ones were given
// before.
func (p place) low() bool { return p.top > p.off }

// number returns the number of the n-th message of a channel.
func (p *place) number(n uint32) int32 { return int32(n + p.b + p.off) }

// index returns the index of the last event that concerned all channels of the partition, as
// loops know it. A broadcast raises it by one; a new generation or a comparison raises it
// by more than the number of broadcasts that a master may have lost.
func (p *place) index(b uint32) uint32 { return b + p.events<<16 }

// epoch returns the epoch of one life of a channel.
func epoch(seed string, name []byte, life uint32) uint32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed))
	_, _ = h.Write([]byte{0, byte(life >> 24), byte(life >> 16), byte(life >> 8), byte(life)})
	_, _ = h.Write(name)
	v := h.Sum64()
	v = (v ^ v>>31) * 0x9E3779B97F4A7C15 // mix the last bytes of the name into the high bits
	return max(uint32(v>>32), record.EpochLeast)
}

// partitionOf returns the partition of a channel, the same on all nodes.
func partitionOf(name []byte, partitions int) int {
	if partitions == 1 {
		return 0
	}
	return int(hashName(name) % uint64(partitions))
}

// hashName returns the 64-bit FNV-1a hash of a name.
func hashName[T []byte | string](name T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}
