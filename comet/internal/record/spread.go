package record

import "math/rand/v2"

// Spread makes random numbers to spread things in time (xorshift). They must not
// be used as secrets. Only one goroutine may use it.
type Spread uint64

func NewSpread() *Spread {
	s := Spread(rand.Uint64() | 1)
	return &s
}

func (s *Spread) Next() uint64 {
	n := uint64(*s)
	n ^= n << 13
	n ^= n >> 7
	n ^= n << 17
	*s = Spread(n)
	return n
}
