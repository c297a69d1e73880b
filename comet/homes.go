package comet

import (
	"hash/maphash"
	"net/netip"
)

// homes tells which loop is a channel's home. It hashes with a seed of its own,
// so that nobody can choose names that collide. Once made it is only read, by
// any goroutine.
type homes struct {
	seed   maphash.Seed
	stores []*names // of each loop: what it keeps of the channels whose home it is
}

func newHomes(loops int) *homes {
	return &homes{seed: maphash.MakeSeed(), stores: make([]*names, loops)}
}

// hash is the hash of a name that picks a channel's home (high half) and its
// place in the home's index (low half).
func (h *homes) hash(name []byte) uint64 { return maphash.Bytes(h.seed, name) }

// of is the loop where a channel of that name lives.
func (h *homes) of(cname []byte) uint8 { return uint8((h.hash(cname) >> 32) % uint64(len(h.stores))) }

// name is the name of a channel whose home has told of it, which keeps it there
// while it knows of subscribers of it on the loop that asks.
func (h *homes) name(home uint8, k name) []byte { return h.stores[home].foreign(k) }

// hashAddr is the hash of an address, of which an IPv6 network's /64 is one. It
// is never 0, and all its bits count: buckets are chosen by any of them.
func (h *homes) hashAddr(addr netip.Addr) uint64 {
	addr = addr.Unmap().WithZone("")
	bytes := addr.As16()
	n := len(bytes)
	if addr.Is6() {
		n /= 2
	}
	return max(h.hash(bytes[:n]), 1)
}

// MaxLoops bounds the loops of a server: a channel's are a set of 64 bits.
const MaxLoops = 64
