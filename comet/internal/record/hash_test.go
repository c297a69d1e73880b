package record

import "testing"

// TestHash compares with values of Rust's SipHasher13 (its test_siphash_1_3), for the
// key 00 01 … 0f and inputs 00 01 …
func TestHash(t *testing.T) {
	var key Key
	var input []byte
	for i := range key {
		key[i] = byte(i)
	}
	for _, want := range []uint64{
		0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb, 0xcf75576088d38328,
		0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140, 0x369095118d299a8e, 0x25a48eb36c063de4,
	} {
		if got := key.Hash(input); got != want {
			t.Errorf("%d bytes: %#x, want %#x", len(input), got, want)
		}
		input = append(input, byte(len(input)))
	}
}

// TestKeys: each key gives another order.
func TestKeys(t *testing.T) {
	a, b := NewKey(), NewKey()
	if a == b || a.Hash([]byte("news")) == b.Hash([]byte("news")) {
		t.Error("two keys hash alike")
	}
}

func BenchmarkHash(b *testing.B) {
	k, name := NewKey(), []byte("news-of-the-world")
	for b.Loop() {
		k.Hash(name)
	}
}
