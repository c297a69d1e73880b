package record

// Column is a value for each record of a slab, by the record's index, which only some
// configurations need. Its chunks are made when they are needed: it costs nothing if
// it is not used.
type Column[T any] struct{ chunks []*[columnChunk]T }

const columnChunk = 4096

// At returns the value for record i, zero at first.
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

// State returns a copy of the values, for Resume: those of all records up to the last
// that has one.
func (c *Column[T]) State() []T {
	list := make([]T, len(c.chunks)*columnChunk)
	for n, chunk := range c.chunks {
		if chunk != nil {
			copy(list[n*columnChunk:], chunk[:])
		}
	}
	return list
}

// Resume restores the values.
func (c *Column[T]) Resume(list []T) {
	for n := 0; n < len(list); n += columnChunk {
		c.At(uint32(n)) // makes the chunk
		copy(c.chunks[n/columnChunk][:], list[n:])
	}
}
