package record

import "math/rand/v2"

// Epochs gives a loop's channels their epochs: a count, from anywhere on. One goroutine
// uses it.
type Epochs uint32

// NewEpochs begins anywhere.
func NewEpochs() Epochs { return Epochs(rand.Uint32()) }

// Next returns an epoch that is not the one before it.
func (n *Epochs) Next(before uint32) uint32 {
	for {
		*n++
		if e := Scatter(uint32(*n)); e >= EpochLeast && e != before {
			return e
		}
	}
}

// Scatter maps the numbers of 32 bits onto themselves, so that neighbours look
// nothing alike (the last steps of MurmurHash3).
func Scatter(n uint32) uint32 {
	n ^= n >> 16
	n *= 0x85EBCA6B
	n ^= n >> 13
	n *= 0xC2B2AE35
	return n ^ n>>16
}
