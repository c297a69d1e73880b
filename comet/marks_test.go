package comet

import (
	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/msg"
	"math/rand/v2"
	"testing"
)

// TestPlacesInALongHistory holds a place that is found by marks against the one
// that a walk finds, while messages come, leave gaps, go, and their numbers wrap.
func TestPlacesInALongHistory(t *testing.T) {
	seeded(t, func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 2))
		st := newHarness(t, Config{Loops: 1, ChannelBufferSize: 1000, ChannelBufferBytes: 1 << 30})
		s := st.srv.shards[0]
		i, _ := s.broker.FindOrMake([]byte("a"))
		ch := s.broker.Channels.At(i)
		ch.Next = 1<<31 - 1500
		for range 4000 {
			if rng.IntN(50) == 0 {
				ch.Next += int32(rng.IntN(200))
			}
			s.broker.Append(i, msg.Data, nil)
			for h := s.broker.Histories.At(ch.History); rng.IntN(8) == 0 && h.N > 1; {
				for range min(rng.Uint32N(400), h.N-1) {
					s.broker.DropOldest(h)
				}
			}
			if rng.IntN(20) > 0 {
				continue
			}
			h := s.broker.Histories.At(ch.History)
			want := h.First.Seq + int32(rng.IntN(int(ch.Next-h.First.Seq)+20)) - 10
			walked := msg.Run{First: h.First, N: int(h.N)}
			for walked.N > 0 && walked.First.Seq-want < 0 {
				if walked.N--; walked.N > 0 {
					walked.First = walked.First.Next
				}
			}
			if found := h.From(want); found.N != walked.N || found.N > 0 && found.First != walked.First {
				t.Fatalf("CCOMET_SEED=%d: from %d of %d: %d messages, a walk finds %d", seed, want, h.N, found.N, walked.N)
			}
			if h.Marks != nil && len(h.Marks.List) > int(h.N)/broker.MarkEvery+1 {
				t.Fatalf("CCOMET_SEED=%d: %d marks of %d messages", seed, len(h.Marks.List), h.N)
			}
		}
	})
}

func BenchmarkHistoryFrom(b *testing.B) {
	st := newHarness(b, Config{Loops: 1, ChannelBufferSize: 100_000, ChannelBufferBytes: 1 << 30})
	s := st.srv.shards[0]
	i, _ := s.broker.FindOrMake([]byte("a"))
	for range 100_000 {
		s.broker.Append(i, msg.Data, nil)
	}
	h := s.broker.Histories.At(s.broker.Channels.At(i).History)
	for n := 0; b.Loop(); n++ {
		h.From(int32(1 + n*7919%100_000))
	}
}
