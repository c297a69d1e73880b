package cluster

import "sync/atomic"

// interest says which channels a loop may have subscribers of: those that it has
// attached, and any others with the same hash. It is a table of counters, not a set of
// names. So it takes 4 MiB for any number of channels, and dropping a message takes one
// look.
type interest struct {
	slots    [interestSlots]atomic.Uint32
	channels atomic.Int64 // that the loop has attached
}

const interestSlots = 1 << 20

func (t *interest) slot(hash uint64) *atomic.Uint32 { return &t.slots[(hash^hash>>32)%interestSlots] }

// add returns whether it is the loop's first channel.
func (t *interest) add(name []byte) (first bool) {
	t.slot(hashName(name)).Add(1)
	return t.channels.Add(1) == 1
}

func (t *interest) remove(name []byte) {
	t.slot(hashName(name)).Add(^uint32(0))
	t.channels.Add(-1)
}

// has says whether the loop may have a channel with this hash.
func (t *interest) has(hash uint64) bool { return t.slot(hash).Load() != 0 }

// waits says whether any loop has attached a channel.
func (l *Log) waits() bool {
	for _, t := range *l.loops.Load() {
		if t.interest.channels.Load() != 0 {
			return true
		}
	}
	return false
}
