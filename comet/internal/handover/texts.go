package handover

// Texts is a list of short texts, in the form of two columns.
type Texts struct {
	Lengths []uint8
	Bytes   []byte
}

// Add appends a text of at most 255 bytes.
func (t *Texts) Add(text []byte) {
	t.Lengths, t.Bytes = append(t.Lengths, uint8(len(text))), append(t.Bytes, text...)
}

// Whole reports whether there are exactly n texts, with exactly their bytes.
func (t *Texts) Whole(n int) bool {
	sum := 0
	for _, length := range t.Lengths {
		sum += int(length)
	}
	return len(t.Lengths) == n && len(t.Bytes) == sum
}

// Next removes the first text, and returns it.
func (t *Texts) Next() (text []byte) {
	n := t.Lengths[0]
	text, t.Bytes, t.Lengths = t.Bytes[:n:n], t.Bytes[n:], t.Lengths[1:]
	return text
}
