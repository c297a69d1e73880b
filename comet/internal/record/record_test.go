package record

import (
	"testing"

	"ccomet/reactor"
)

// A name of any size is found again, and its memory is reused.
func TestNames(t *testing.T) {
	var n Names
	defer n.Release()
	text := make([]byte, MaxName)
	for i := range text {
		text[i] = byte(i + 1)
	}
	var kept []Name
	for size := 1; size <= MaxName; size++ {
		kept = append(kept, n.Put(text[:size]))
	}
	for i, k := range kept {
		if string(n.Get(k)) != string(text[:i+1]) || string(n.foreign(k)) != string(text[:i+1]) {
			t.Fatalf("a name of %d bytes came back as %q", i+1, n.Get(k))
		}
		n.Drop(k)
		if again := n.Put(text[:i+1]); again != k {
			t.Fatalf("the room of a name of %d bytes was not used again", i+1)
		}
	}
}

// The index finds every record while it grows and shrinks, and its chains stay
// short.
func TestIndex(t *testing.T) {
	type node struct{ link, key uint32 }
	var nodes reactor.Slab[node]
	defer nodes.Release()
	x := NewIndex(func(i uint32) *uint32 { return &nodes.At(i).link }, func(i uint32) uint32 { return nodes.At(i).key * 0x9E3779B1 })
	if err := x.Begin(nil); err != nil {
		t.Fatal(err)
	}
	defer x.Release()
	find := func(key uint32) (i, steps uint32) {
		for i = x.Head(key * 0x9E3779B1); i != 0 && nodes.At(i).key != key; i = nodes.At(i).link {
			steps++
		}
		return i, steps
	}
	const n = 20000
	at := make([]uint32, n)
	for key := range uint32(n) {
		i := nodes.Alloc()
		*nodes.At(i) = node{key: key}
		x.Insert(i)
		at[key] = i
	}
	total := uint32(0)
	for key := range uint32(n) {
		i, steps := find(key)
		if i != at[key] {
			t.Fatalf("key %d is at %d, found at %d", key, at[key], i)
		}
		total += steps
	}
	if total > 2*n {
		t.Errorf("%d steps for %d records", total, n)
	}
	for key := uint32(0); key < n; key += 2 {
		x.Remove(at[key])
	}
	for key := range uint32(n) {
		if i, _ := find(key); (i != 0) != (key%2 == 1) {
			t.Fatalf("key %d after removing the even ones: %d", key, i)
		}
	}
}
