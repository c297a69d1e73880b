package pool

// Buffers are the buffers in which one actor renders. Their content is valid
// until the next rendering.
type Buffers struct {
	Scratch []byte // a response, or what is about to be written
	Object  []byte // one JSON object
	Body    []byte
}

// Trim drops buffers in which something large was rendered.
func (b *Buffers) Trim() { Trimmed(&b.Scratch, &b.Object, &b.Body) }

// Trimmed drops buffers that are too large to keep.
func Trimmed(list ...*[]byte) {
	for _, b := range list {
		if cap(*b) > KeepBuffer {
			*b = nil
		}
	}
}
