package bench

import (
	"fmt"
	"testing"

	"ccomet/httplite/websocket"
)

// Wherever the input is cut, the client reads the same messages, and buffers
// nothing for a subscriber between two messages.
func TestFramesCutAnywhere(t *testing.T) {
	f := newFormat(7, 64)
	var input []byte
	for n := range 3 {
		text := fmt.Appendf(nil, `{"type":"data","cname":"0000000000000000","seq":%d,"content":"%s"}`, n+1, f.append(nil, message{number: uint32(n + 1), sent: 1}))
		input = websocket.Head{Op: websocket.Text, Length: 20}.Append(input)
		input = append(input, text[:20]...)
		input = websocket.Head{Op: websocket.Continuation, Final: true, Length: len(text) - 20}.Append(input)
		input = append(input, text[20:]...)
	}
	for cut := range input {
		c := &client{format: f, latency: newHistogram()}
		c.Transport = bareStream
		sub := subscriber{ready: true, place: place{next: 1, seq: 1}}
		used := c.readFrames(0, 1, &sub, append([]byte(nil), input[:cut]...))
		if used > cut {
			t.Fatalf("cut at %d: %d bytes taken", cut, used)
		}
		c.readFrames(0, 1, &sub, append([]byte(nil), input[used:]...))
		if c.stats.Received != 3 || sub.seq != 4 || c.stats.Damaged+c.stats.Lost+c.stats.Doubled != 0 || len(c.frames.begun) != 0 {
			t.Fatalf("cut at %d: %+v, next %d, %d begun", cut, c.stats, sub.seq, len(c.frames.begun))
		}
	}
}
