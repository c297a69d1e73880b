package record

import "net/netip"

// Homes tells which loop is a channel's home. It hashes with a key of its own,
// so that no client can choose names that collide. Once made it is only read, by
// any goroutine.
type Homes struct {
	Key    Key
	Seeds  [2]Key   // that the keys of messages are hashed with, on all loops
	Stores []*Names // of each loop: what it keeps of the channels whose home it is
}

// NewHomes makes those of so many loops, 1 to MaxLoops, with keys that nobody knows.
func NewHomes(loops int) *Homes {
	return &Homes{Key: NewKey(), Seeds: [2]Key{NewKey(), NewKey()}, Stores: make([]*Names, loops)}
}

// Hash is the hash of a name that picks a channel's home (high half) and its
// place in the home's index (low half).
func (h *Homes) Hash(name []byte) uint64 { return h.Key.Hash(name) }

// Of is the loop where a channel of that name lives.
func (h *Homes) Of(cname []byte) uint8 { return h.OfHash(h.Hash(cname)) }

// OfHash is that of a name of that hash.
func (h *Homes) OfHash(hash uint64) uint8 {
	hash, n := hash>>32, uint64(len(h.Stores))
	if n&(n-1) == 0 {
		return uint8(hash & (n - 1)) // what the division gives, in a fifth of the time
	}
	return uint8(hash % n)
}

// Name is the name of a channel whose home has told of it, which keeps it there
// while it knows of subscribers of it on the loop that asks.
func (h *Homes) Name(home uint8, k Name) []byte { return h.Stores[home].Foreign(k) }

// HashAddr is the hash of an address, of which an IPv6 network's /64 is one. It
// is never 0, and all its bits count: buckets are chosen by any of them.
func (h *Homes) HashAddr(addr netip.Addr) uint64 {
	addr = addr.Unmap().WithZone("")
	bytes := addr.As16()
	n := len(bytes)
	if addr.Is6() {
		n /= 2
	}
	return max(h.Hash(bytes[:n]), 1)
}

// MaxLoops bounds the loops of a server: a channel's are a set of 64 bits.
const MaxLoops = 64
