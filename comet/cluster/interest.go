package cluster

import "sync/atomic"

// interest says which channels a loop may wait for: those that it has attached, and some whose
// names have the hash of one. A table of counters and no set of names: it takes the same
// memory, 4 MiB, for any number of channels, and a message that nobody waits for costs one look.
type interest struct {
	slots    [interestSlots]atomic.Uint32
	channels atomic.Int64 // that it has attached
}

const interestSlots = 1 << 20

func (t *interest) slot(hash uint64) *atomic.Uint32 { return &t.slots[(hash^hash>>32)%interestSlots] }

// add says whether it is the first.
func (t *interest) add(name []byte) (first bool) {
	t.slot(hashName(name)).Add(1)
	return t.channels.Add(1) == 1
}

func (t *interest) remove(name []byte) {
	t.slot(hashName(name)).Add(^uint32(0))
	t.channels.Add(-1)
}

// has says whether the loop may wait for a channel whose name has that hash.
func (t *interest) has(hash uint64) bool { return t.slot(hash).Load() != 0 }

// waits says whether a loop waits for any channel.
func (l *Log) waits() bool {
	for _, t := range *l.loops.Load() {
		if t.interest.channels.Load() != 0 {
			return true
		}
	}
	return false
}
