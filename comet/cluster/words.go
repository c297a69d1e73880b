package cluster

import "encoding/binary"

// Words are strings, each after its length as a varint.

func appendWords(dst []byte, words ...string) []byte {
	for _, word := range words {
		dst = append(binary.AppendUvarint(dst, uint64(len(word))), word...)
	}
	return dst
}

// splitWords reads the result of appendWords; false: it is malformed.
func splitWords(text string) (words []string, ok bool) {
	for len(text) > 0 {
		n, size := binary.Uvarint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
		if text = text[max(size, 0):]; size <= 0 || n > uint64(len(text)) {
			return nil, false
		}
		words, text = append(words, text[:n]), text[n:]
	}
	return words, true
}
