package record

import "math/rand/v2"

// Epochs gives a loop's channels their epochs: it counts up from a random number. Only
// one goroutine may use it.
type Epochs uint32

// NewEpochs starts at a random number.
func NewEpochs() Epochs { return Epochs(rand.Uint32()) }

// Next returns an epoch other than before.
func (n *Epochs) Next(before uint32) uint32 {
	for {
		*n++
		if e := Scatter(uint32(*n)); e >= EpochLeast && e != before {
			return e
		}
	}
}

// Scatter maps the 32-bit numbers one to one onto themselves, so that neighbours look
// unrelated (the last steps of MurmurHash3).
func Scatter(n uint32) uint32 {
	n ^= n >> 16
	n *= 0x85EBCA6B
	n ^= n >> 13
	n *= 0xC2B2AE35
	return n ^ n>>16
}
