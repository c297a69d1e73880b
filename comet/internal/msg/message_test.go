package msg

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"
)

// The size of a block is one of the allocator's.
func TestBlocks(t *testing.T) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	sizes := map[int]bool{}
	for _, of := range m.BySize {
		sizes[int(of.Size)] = true
	}
	for i, b := range blocks {
		size := int(b.size)
		if !sizes[size] {
			t.Errorf("%d bytes is no size of the collector's", size)
		}
		if made := b.make(); made.size != b.size || made.next != nil {
			t.Errorf("block %d is %d bytes, and counts as %d", i, made.size, b.size)
		}
		if i > 0 {
			for between := int(blocks[i-1].size) + 8; between < size; between += 8 {
				if sizes[between] {
					t.Errorf("there is no block of %d bytes", between)
				}
			}
		}
	}
	if of := sizeFor(blockHead + room(MaxInside)); of != maxBlock || blocks[len(blocks)-1].size != maxBlock {
		t.Errorf("the longest content is in a block of %d bytes", of)
	}
	if size := unsafe.Sizeof(sized[[12]byte]{}); size != uintptr(blocks[0].size) || unsafe.Sizeof(apartBlock{}) != size || unsafe.Sizeof(block{}) > size {
		t.Errorf("the smallest blocks are %d bytes, %d, %d", size, unsafe.Sizeof(apartBlock{}), unsafe.Sizeof(block{}))
	}
}

// Any content is unchanged, in a block that has room for it.
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
		if message.Apart() != (n > MaxInside) || message.Size() < recordSize+n || message.BlockSize() != message.Size() || !message.Begins() || cap(message.Content()) != n {
			t.Errorf("%d bytes: apart: %v, in memory %d", n, message.Apart(), message.Size())
		}
	}
	shared := NewSharing([]byte("all"))
	a, b := shared.Message(Broadcast, 7), shared.Message(Broadcast, 8)
	if string(a.Content()) != "all" || a.Shared() != shared || b.Shared() != shared || a.Size() != 24 || unsafe.SliceData(a.Content()) != unsafe.SliceData(b.Content()) {
		t.Errorf("%q and %q, of %d bytes", a.Content(), b.Content(), a.Size())
	}
	if of := NewSharing(nil); of != nil || len(of.Message(Close, 1).Content()) != 0 || of.Message(Close, 1).Shared() != nil {
		t.Error("nothing was shared")
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

// A message after the last one of a channel lies in its block while there is room, for
// any order of sizes, and is found from there.
func TestBehind(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for most := range 40 {
		var run []*Message
		var want [][]byte
		var last *Message
		var spares Spares
		for n := range 300 {
			content := bytes.Repeat([]byte{byte(n)}, rng.IntN(1+rng.IntN(2*MaxInside)))
			message := spares.Behind(last, most, 50*most, Kind(n%3), int32(n), content)
			if last != nil && !message.Beside(last) {
				last.Link(message)
			}
			if last != nil && message.Beside(last) == message.Begins() {
				t.Fatalf("message %d begins a block, or does not: %t", n, message.Begins())
			}
			last, run, want = message, append(run, message), append(want, content)
		}
		runtime.GC()
		at, together := run[0], 0
		for n := range run {
			if at != run[n] || !bytes.Equal(at.Content(), want[n]) || at.Kind != Kind(n%3) || at.Seq != int32(n) {
				t.Fatalf("message %d is %q", n, at.Content())
			}
			if together++; n == len(run)-1 {
				break
			}
			if at = at.Next(); at.Begins() {
				if got := run[n].Together(); int(got) != together || run[n].Following() != at {
					t.Fatalf("of %d messages together %d are counted", together, got)
				}
				together = 0
			}
		}
	}
}
