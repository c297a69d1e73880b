package record

// Column is what a configuration adds to each record of a slab: a value by the
// record's index, in chunks that are made as they are needed. It costs nothing
// where it is not used.
type Column[T any] struct{ chunks []*[columnChunk]T }

const columnChunk = 4096

// At is the value that goes with record i, zero at first.
func (c *Column[T]) At(i uint32) *T {
	n := int(i / columnChunk)
	for len(c.chunks) <= n {
		c.chunks = append(c.chunks, nil)
	}
	if c.chunks[n] == nil {
		c.chunks[n] = new([columnChunk]T)
	}
	return &c.chunks[n][i%columnChunk]
}

// State is what Resume goes on with: the values of all records up to the last that has
// one. It is a copy.
func (c *Column[T]) State() []T {
	list := make([]T, len(c.chunks)*columnChunk)
	for n, chunk := range c.chunks {
		if chunk != nil {
			copy(list[n*columnChunk:], chunk[:])
		}
	}
	return list
}

// Resume takes values back.
func (c *Column[T]) Resume(list []T) {
	for n := 0; n < len(list); n += columnChunk {
		c.At(uint32(n)) // makes the chunk
		copy(c.chunks[n/columnChunk][:], list[n:])
	}
}
