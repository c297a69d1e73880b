package comet

import "math/rand/v2"

// spread gives numbers to spread things in time by (xorshift): nobody may depend
// on their secrecy. One goroutine uses it.
type spread uint64

func newSpread() *spread {
	s := spread(rand.Uint64() | 1)
	return &s
}

func (s *spread) next() uint64 {
	n := uint64(*s)
	n ^= n << 13
	n ^= n >> 7
	n ^= n << 17
	*s = spread(n)
	return n
}
