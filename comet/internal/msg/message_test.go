package msg

import (
	"bytes"
	"runtime"
	"testing"
	"unsafe"
)

// A short message is one piece of memory, whose size is one of the collector's own.
func TestPieces(t *testing.T) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	sizes := map[int]bool{}
	for _, of := range m.BySize {
		sizes[int(of.Size)] = true
	}
	most := 0
	for i, p := range pieces {
		if !sizes[int(p.size)] {
			t.Errorf("%d bytes is no size of the collector's", p.size)
		}
		if i > 0 {
			for between := int(pieces[i-1].size) + 8; between < int(p.size); between += 8 {
				if sizes[between] {
					t.Errorf("there is no piece of %d bytes", between)
				}
			}
		}
		most = int(p.size)
	}
	if most != recordSize+MaxInside {
		t.Errorf("the largest piece is %d bytes", most)
	}
	for i, size := range map[int]uintptr{0: unsafe.Sizeof(Message{}), 1: unsafe.Sizeof(behind[[8]byte]{}), 23: unsafe.Sizeof(behind[[488]byte]{})} {
		if uintptr(pieces[i].size) != size {
			t.Errorf("piece %d is %d bytes, and counts as %d", i, size, pieces[i].size)
		}
	}
}

// Any content is what it was, in a piece that has room for it.
func TestContents(t *testing.T) {
	var kept []*Message
	var want [][]byte
	for n := range MaxInside + 100 {
		content := bytes.Repeat([]byte{byte(n), byte(n >> 8), 'x'}, n/3+1)[:n]
		kept, want = append(kept, New(Broadcast, int32(n), content)), append(want, content)
	}
	runtime.GC()
	for n, message := range kept {
		if !bytes.Equal(message.Content(), want[n]) || message.Len() != n || message.Seq != int32(n) || message.Kind != Broadcast || message.Shared() != nil {
			t.Fatalf("%d bytes: %q", n, message.Content())
		}
		if message.Apart() != (n > MaxInside) || message.Size() < recordSize+n || cap(message.Content()) != n {
			t.Errorf("%d bytes: apart: %v, in memory %d", n, message.Apart(), message.Size())
		}
	}
	shared := NewSharing([]byte("all"))
	a, b := shared.Message(Broadcast, 7), shared.Message(Broadcast, 8)
	if string(a.Content()) != "all" || a.Shared() != shared || b.Shared() != shared || a.Size() != recordSize || unsafe.SliceData(a.Content()) != unsafe.SliceData(b.Content()) {
		t.Errorf("%q and %q, of %d bytes", a.Content(), b.Content(), a.Size())
	}
	if of := NewSharing(nil); of != nil || len(of.Message(Close, 1).Content()) != 0 || of.Message(Close, 1).Shared() != nil {
		t.Error("nothing is shared")
	}
}

func TestMessageAllocatesOnce(t *testing.T) {
	for n, want := range map[int]float64{0: 1, 1: 1, 100: 1, MaxInside: 1, MaxInside + 1: 2} {
		content := make([]byte, n)
		var message *Message
		if allocs := testing.AllocsPerRun(100, func() { message = New(Data, 1, content) }); allocs != want || message.Len() != n {
			t.Errorf("%d bytes: %v allocations, want %v", n, allocs, want)
		}
	}
}
