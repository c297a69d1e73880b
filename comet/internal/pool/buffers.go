package pool

// Buffers are what one actor renders in; what is rendered there is good until the next rendering.
type Buffers struct {
	Scratch []byte // a response, or what is about to be written
	Object  []byte // one JSON object
	Body    []byte
}

// Trim gives back those that something large was rendered in.
func (b *Buffers) Trim() { Trimmed(&b.Scratch, &b.Object, &b.Body) }

// Trimmed gives back buffers that are not worth keeping.
func Trimmed(list ...*[]byte) {
	for _, b := range list {
		if cap(*b) > KeepBuffer {
			*b = nil
		}
	}
}
