package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
)

// Inflater inflates messages of permessage-deflate, each by itself (no context takeover), so one is enough for all
// connections of a loop. The zero value is ready. The first message allocates some 40 KB; each further one at most a few
// KB, where its Huffman codes have more than nine bits, and else nothing. It is used by one goroutine at a time.
//
// It is the standard library's: that of klauspost/compress, which allocates nothing, goes on with the code of an
// earlier block where one has none, maybe of another client's message, and takes what is malformed.
type Inflater struct {
	r   io.Reader
	in  []byte // the message, and what its sender left out
	src bytes.Reader
	out []byte
}

const (
	// tail is what a sender removed (RFC 7692 7.2.2 step 1), and an empty last block, so that the decompressor
	// sees an end.
	tail = flushed + "\x01\x00\x00\xff\xff"
	// keptBytes is the most that the buffers keep between messages.
	keptBytes = 64 << 10
	// window is how far back a distance can point.
	window = 1 << MaxWindow
	// maxLastBlocks is how many blocks that say they are the last may have others behind them: each of those
	// begins with a copy of the window.
	maxLastBlocks = 64
)

// Inflate returns what a whole compressed message holds, valid until the next call. The error is an *Error: of kind
// BadCompression, or TooBig where it holds more than limit bytes; inflating ends when that is seen. A limit of zero or
// less means DefaultMessage.
func (f *Inflater) Inflate(payload []byte, limit int) ([]byte, error) {
	rules := Rules{Message: limit}
	out, k := f.inflate(payload, rules.message())
	if k != 0 {
		return nil, rules.fail(k)
	}
	return out, nil
}

func (f *Inflater) inflate(payload []byte, limit int) ([]byte, Kind) {
	f.trim()
	if len(payload) == 0 {
		return nil, 0 // 7.2.3.6 asks for one zero byte; zlib makes this of nothing, and takes it
	}
	f.in = append(append(f.in[:0], payload...), tail...)
	f.src.Reset(f.in)
	out := f.out[:0]
	for range maxLastBlocks + 1 {
		f.begin(out[max(0, len(out)-window):])
		var err error
		for err == nil {
			if len(out) == cap(out) {
				out = slices.Grow(out, max(len(out), 4<<10))
			}
			var n int
			n, err = f.r.Read(out[len(out):cap(out)])
			out = out[:len(out)+n]
			if f.out = out; len(out) > limit {
				return nil, TooBig
			}
		}
		if err != io.EOF {
			return nil, BadCompression
		}
		switch f.src.Len() {
		case 0, len(tail) - len(flushed), len(tail): // all was read, or a block of its own said it was the last
			return out, 0
		}
		// 7.2.1: more blocks may follow one that says it is the last. Where that one ended within the tail, what is left
		// of it is no block.
	}
	return nil, BadCompression
}

// begin has the decompressor read from src on, with dict before it.
func (f *Inflater) begin(dict []byte) {
	if f.r == nil {
		f.r = flate.NewReader(&f.src)
	}
	_ = f.r.(flate.Resetter).Reset(&f.src, dict) // it does not fail
}

// trim lets go of buffers that a large message has made grow.
func (f *Inflater) trim() {
	if cap(f.in) > keptBytes {
		f.in = nil
	}
	if cap(f.out) > keptBytes {
		f.out = nil
	}
}
