package pool

import "testing"

// TestTrimmed: rendering buffers are kept up to their bound.
func TestTrimmed(t *testing.T) {
	b := Buffers{Scratch: make([]byte, 0, KeepBuffer), Object: make([]byte, 0, KeepBuffer+1), Body: make([]byte, 1)}
	b.Trim()
	if cap(b.Scratch) != KeepBuffer || b.Object != nil || len(b.Body) != 1 {
		t.Errorf("after Trim, capacities %d, %d, %d", cap(b.Scratch), cap(b.Object), cap(b.Body))
	}
}

// TestEmptied: an emptied list keeps its memory up to a bound, and refers to nothing.
func TestEmptied(t *testing.T) {
	one := 1
	list := []*int{&one, &one}
	if got := Emptied(list); len(got) != 0 || cap(got) != 2 || got[:2][0] != nil || got[:2][1] != nil {
		t.Errorf("an emptied list: length %d, capacity %d, %v", len(got), cap(got), got[:2])
	}
	if got := Emptied(make([]int, 3, keepList+1)); got != nil {
		t.Errorf("a large list is kept: capacity %d", cap(got))
	}
}

// TestBuffers: a borrowed buffer is empty or begins with the name, whatever it contained
// before.
func TestBuffers(t *testing.T) {
	for range 3 {
		large := LargeBuffer()
		if len(large.B) != 0 || cap(large.B) != KeepBuffer {
			t.Fatalf("a large buffer: length %d, capacity %d", len(large.B), cap(large.B))
		}
		large.B = append(large.B, "what the borrower before has written"...)
		PutBuffer(large)

		named := NameBuffer([]byte("room"))
		if string(named.B) != "room" {
			t.Fatalf("a buffer with a name: %q", named.B)
		}
		named.B = append(named.B, "what the borrower before has written"...)
		PutBuffer(named)
	}
}
