package comet

import (
	"testing"
)

// In a test the epochs of each loop begin at the same place: life(n) is that of the
// channel that is the n-th to be made on its loop.
func life(n uint32) string { return string(appendEpoch(nil, scatter(n))) }

// sameLives has the epochs of a server that has not begun to serve come as life says.
func sameLives(srv *Server) {
	for _, s := range srv.shards {
		s.broker.epochs = 0
	}
}

// tokenOf is the token of a channel where Config.Secret is "secret".
func tokenOf(cname string, n uint32) string {
	return string(newTokens([]byte("secret")).make([]byte(cname), scatter(n)))
}

func TestEpochText(t *testing.T) {
	for _, e := range []uint32{epochFirst, epochLeast, 31, 32, 1 << 31, 1<<32 - 1, scatter(1)} {
		text := appendEpoch(nil, e)
		if got, ok := parseEpoch(text); !ok || got != e || len(text) != epochLen {
			t.Errorf("%d is %q, which is %d, %v", e, text, got, ok)
		}
	}
	for text, want := range map[string]uint32{
		"": epochNone, "k3f9": epochOther, "K3F9ABCD": epochOther, "zzzzzzz": epochOther, "0000000": epochOther, "0000003": epochOther, "lllllll": epochOther,
	} {
		if got, ok := parseEpoch([]byte(text)); !ok || got != want {
			t.Errorf("%q is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"undefined", "a.b", "a,b", "a b", "-1", "é", "\x00"} {
		if got, ok := parseEpoch([]byte(text)); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestEpochsDiffer(t *testing.T) {
	given := epochs(1<<32 - 5000)
	seen := map[uint32]bool{}
	last := uint32(0)
	for range 10000 {
		e := given.next(last)
		if seen[e] || e < epochLeast {
			t.Fatalf("%d comes again, or is no epoch", e)
		}
		seen[e], last = true, e
	}
	given = 0
	if e := given.next(scatter(1)); e == scatter(1) {
		t.Error("the epoch of before is given again")
	}
}
