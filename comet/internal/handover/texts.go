package handover

// Texts are short texts, one behind the other: a column of them.
type Texts struct {
	Lengths []uint8
	Bytes   []byte
}

// Add puts a text behind the others, of at most 255 bytes.
func (t *Texts) Add(text []byte) {
	t.Lengths, t.Bytes = append(t.Lengths, uint8(len(text))), append(t.Bytes, text...)
}

// Whole says whether there are n texts, and all of each.
func (t *Texts) Whole(n int) bool {
	sum := 0
	for _, length := range t.Lengths {
		sum += int(length)
	}
	return len(t.Lengths) == n && len(t.Bytes) == sum
}

// Next takes the first text off.
func (t *Texts) Next() (text []byte) {
	n := t.Lengths[0]
	text, t.Bytes, t.Lengths = t.Bytes[:n:n], t.Bytes[n:], t.Lengths[1:]
	return text
}
