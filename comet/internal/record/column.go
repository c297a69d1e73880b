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
