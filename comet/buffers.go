package comet

// buffers are what one actor renders in; nobody keeps what is rendered there.
type buffers struct {
	scratch []byte // a response, or what is about to be written
	object  []byte // one JSON object
	body    []byte
}

// trim gives back those that something large was rendered in.
func (b *buffers) trim() { trimmed(&b.scratch, &b.object, &b.body) }

// trimmed gives back buffers that are not worth keeping.
func trimmed(list ...*[]byte) {
	for _, b := range list {
		if cap(*b) > keepBuffer {
			*b = nil
		}
	}
}
