package record

import "net/netip"

// Homes tells which loop is a channel's home. It hashes with a key of its own,
// so that no client can choose names that collide. It never changes once made:
// any goroutine may use it.
type Homes struct {
	Key    Key
	Seeds  [2]Key   // with which the keys of messages are hashed, on all loops
	Stores []*Names // of each loop: the names of the channels whose home it is
}

// NewHomes makes the Homes of 1 to MaxLoops loops, with random keys.
func NewHomes(loops int) *Homes {
	return &Homes{Key: NewKey(), Seeds: [2]Key{NewKey(), NewKey()}, Stores: make([]*Names, loops)}
}

// Hash returns the hash of a name. Its high half chooses a channel's home, its
// low half the place in the home's index.
func (h *Homes) Hash(name []byte) uint64 { return h.Key.Hash(name) }

// Of returns the home of a channel with that name.
func (h *Homes) Of(cname []byte) uint8 { return h.OfHash(h.Hash(cname)) }

// OfHash returns the home of a channel whose name has that hash.
func (h *Homes) OfHash(hash uint64) uint8 {
	hash, n := hash>>32, uint64(len(h.Stores))
	if n&(n-1) == 0 {
		return uint8(hash & (n - 1)) // the same as the division, in a fifth of the time
	}
	return uint8(hash % n)
}

// Name returns the name of a channel of which its home has told. The home keeps
// it while it knows of subscribers on the calling loop.
func (h *Homes) Name(home uint8, k Name) []byte { return h.Stores[home].foreign(k) }

// HashAddr returns the hash of an address; all addresses of an IPv6 /64 have the
// same. It is never 0. Any of its bits may choose a bucket.
func (h *Homes) HashAddr(addr netip.Addr) uint64 {
	addr = addr.Unmap().WithZone("")
	bytes := addr.As16()
	n := len(bytes)
	if addr.Is6() {
		n /= 2
	}
	return max(h.Hash(bytes[:n]), 1)
}

// MaxLoops bounds the loops of a server: a channel's set of loops has 64 bits.
const MaxLoops = 64
