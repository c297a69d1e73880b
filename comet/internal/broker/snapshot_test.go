package broker

import (
	"bytes"
	"runtime"
	"testing"
	"weak"

	"ccomet/comet/internal/msg"
)

// The contents in a snapshot keep neither their message nor later ones in memory, and do not
// change.
func TestSnapshotKeepsNoMessageAlive(t *testing.T) {
	var n Snapshot
	var contents, want [][]byte
	var left []weak.Pointer[msg.Message]
	for size := range 2 * msg.MaxInside {
		content := bytes.Repeat([]byte{byte(size)}, size)
		message := msg.New(msg.Data, 1, content)
		message.Link(msg.New(msg.Data, 2, nil))
		left = append(left, weak.Make(message), weak.Make(message.Next()))
		contents, want = append(contents, n.contentOf(message)), append(want, content)
	}
	runtime.GC()
	for i, message := range left {
		if message.Value() != nil {
			t.Fatalf("message %d is alive", i)
		}
	}
	for i := range want {
		if !bytes.Equal(contents[i], want[i]) {
			t.Fatalf("%d bytes are %q", i, contents[i])
		}
	}
}
