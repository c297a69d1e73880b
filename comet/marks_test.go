package comet

import (
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
		i, _ := s.broker.findOrMake([]byte("a"))
		ch := s.broker.channels.At(i)
		ch.next = 1<<31 - 1500
		for range 4000 {
			if rng.IntN(50) == 0 {
				ch.next += int32(rng.IntN(200))
			}
			s.broker.append(i, kindData, nil)
			for h := s.broker.histories.at(ch.history); rng.IntN(8) == 0 && h.n > 1; {
				for range min(rng.Uint32N(400), h.n-1) {
					s.broker.dropOldest(h)
				}
			}
			if rng.IntN(20) > 0 {
				continue
			}
			h := s.broker.histories.at(ch.history)
			want := h.first.seq + int32(rng.IntN(int(ch.next-h.first.seq)+20)) - 10
			walked := run{h.first, int(h.n)}
			for walked.n > 0 && walked.first.seq-want < 0 {
				if walked.n--; walked.n > 0 {
					walked.first = walked.first.next
				}
			}
			if found := h.from(want); found.n != walked.n || found.n > 0 && found.first != walked.first {
				t.Fatalf("CCOMET_SEED=%d: from %d of %d: %d messages, a walk finds %d", seed, want, h.n, found.n, walked.n)
			}
			if h.marks != nil && len(h.marks.list) > int(h.n)/markEvery+1 {
				t.Fatalf("CCOMET_SEED=%d: %d marks of %d messages", seed, len(h.marks.list), h.n)
			}
		}
	})
}

func BenchmarkHistoryFrom(b *testing.B) {
	st := newHarness(b, Config{Loops: 1, ChannelBufferSize: 100_000, ChannelBufferBytes: 1 << 30})
	s := st.srv.shards[0]
	i, _ := s.broker.findOrMake([]byte("a"))
	for range 100_000 {
		s.broker.append(i, kindData, nil)
	}
	h := s.broker.histories.at(s.broker.channels.At(i).history)
	for n := 0; b.Loop(); n++ {
		h.from(int32(1 + n*7919%100_000))
	}
}
