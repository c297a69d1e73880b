package record

import "testing"

func TestEpochText(t *testing.T) {
	for _, e := range []uint32{EpochFirst, EpochLeast, 31, 32, 1 << 31, 1<<32 - 1, Scatter(1)} {
		text := AppendEpoch(nil, e)
		if got, ok := ParseEpoch(text); !ok || got != e || len(text) != epochLen {
			t.Errorf("%d is %q, which is %d, %v", e, text, got, ok)
		}
	}
	for text, want := range map[string]uint32{
		"": EpochNone, "k3f9": EpochOther, "K3F9ABCD": EpochOther, "zzzzzzz": EpochOther, "0000000": EpochOther, "0000003": EpochOther, "lllllll": EpochOther,
	} {
		if got, ok := ParseEpoch([]byte(text)); !ok || got != want {
			t.Errorf("%q is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"undefined", "a.b", "a,b", "a b", "-1", "é", "\x00"} {
		if got, ok := ParseEpoch([]byte(text)); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestEpochsDiffer(t *testing.T) {
	given := Epochs(1<<32 - 5000)
	seen := map[uint32]bool{}
	last := uint32(0)
	for range 10000 {
		e := given.Next(last)
		if seen[e] || e < EpochLeast {
			t.Fatalf("%d was given twice, or is not an epoch", e)
		}
		seen[e], last = true, e
	}
	given = 0
	if e := given.Next(Scatter(1)); e == Scatter(1) {
		t.Error("the previous epoch was given again")
	}
}
