package cluster

import "sync/atomic"

// interest says which channels a loop may wait for: those that it has attached, and some whose
// names have the hash of one. A table of counters and no set of names: it takes the same
// memory, 4 MiB, for any number of channels, and a message that nobody waits for costs one look.
type interest [interestSlots]atomic.Uint32

const interestSlots = 1 << 20

func (t *interest) slot(hash uint64) *atomic.Uint32 { return &t[(hash^hash>>32)%interestSlots] }

func (t *interest) add(name []byte) { t.slot(hashName(name)).Add(1) }

func (t *interest) remove(name []byte) { t.slot(hashName(name)).Add(^uint32(0)) }

// has says whether the loop may wait for a channel whose name has that hash.
func (t *interest) has(hash uint64) bool { return t.slot(hash).Load() != 0 }
