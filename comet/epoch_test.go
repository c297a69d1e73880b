package comet

import (
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
	"testing"
)

// In a test the epochs of each loop begin at the same place: life(n) is that of the
// channel that is the n-th to be made on its loop.
func life(n uint32) string { return string(record.AppendEpoch(nil, record.Scatter(n))) }

// sameLives has the epochs of a server that has not begun to serve come as life says.
func sameLives(srv *Server) {
	for _, s := range srv.shards {
		s.broker.Epochs = 0
	}
}

// tokenOf is the token of a channel where Config.Secret is "secret".
func tokenOf(cname string, n uint32) string {
	return string(token.New([]byte("secret")).Make([]byte(cname), record.Scatter(n)))
}

func TestEpochText(t *testing.T) {
	for _, e := range []uint32{record.EpochFirst, record.EpochLeast, 31, 32, 1 << 31, 1<<32 - 1, record.Scatter(1)} {
		text := record.AppendEpoch(nil, e)
		if got, ok := record.ParseEpoch(text); !ok || got != e || len(text) != record.EpochLen {
			t.Errorf("%d is %q, which is %d, %v", e, text, got, ok)
		}
	}
	for text, want := range map[string]uint32{
		"": record.EpochNone, "k3f9": record.EpochOther, "K3F9ABCD": record.EpochOther, "zzzzzzz": record.EpochOther, "0000000": record.EpochOther, "0000003": record.EpochOther, "lllllll": record.EpochOther,
	} {
		if got, ok := record.ParseEpoch([]byte(text)); !ok || got != want {
			t.Errorf("%q is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"undefined", "a.b", "a,b", "a b", "-1", "é", "\x00"} {
		if got, ok := record.ParseEpoch([]byte(text)); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestEpochsDiffer(t *testing.T) {
	given := record.Epochs(1<<32 - 5000)
	seen := map[uint32]bool{}
	last := uint32(0)
	for range 10000 {
		e := given.Next(last)
		if seen[e] || e < record.EpochLeast {
			t.Fatalf("%d comes again, or is no epoch", e)
		}
		seen[e], last = true, e
	}
	given = 0
	if e := given.Next(record.Scatter(1)); e == record.Scatter(1) {
		t.Error("the epoch of before is given again")
	}
}
