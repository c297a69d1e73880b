package broker

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"ccomet/comet/internal/msg"
)

// TestPlacesInALongHistory compares searches by marks with linear searches, while messages
// are added with gaps and dropped, and their numbers wrap around.
func TestPlacesInALongHistory(t *testing.T) {
	seeds := []uint64{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}
	if text := os.Getenv("CCOMET_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 2))
		b, ch := keeper(t, 1000)
		ch.Next = 1<<31 - 1500
		for range 4000 {
			if rng.IntN(50) == 0 {
				ch.Next += int32(rng.IntN(200))
			}
			b.publish(ch)
			for h := b.At(ch.history); rng.IntN(8) == 0 && h.count > 1; {
				for range min(rng.Uint32N(400), h.count-1) {
					b.dropOldest(h)
				}
			}
			if rng.IntN(20) > 0 {
				continue
			}
			h := b.At(ch.history)
			want := h.oldest().Seq + int32(rng.IntN(int(ch.Next-h.oldest().Seq)+20)) - 10
			walked := msg.Run{First: h.oldest(), N: int(h.count)}
			for walked.N > 0 && walked.First.Seq-want < 0 {
				if walked.N--; walked.N > 0 {
					walked.First = walked.First.Next()
				}
			}
			if found := h.from(want); found.N != walked.N || found.N > 0 && found.First != walked.First {
				t.Fatalf("CCOMET_SEED=%d: from %d of %d: %d messages, a walk finds %d", seed, want, h.count, found.N, walked.N)
			}
			if h.marks != nil && len(h.marks.list) > int(h.count)/markEvery+1 {
				t.Fatalf("CCOMET_SEED=%d: %d marks of %d messages", seed, len(h.marks.list), h.count)
			}
		}
	}
}

// keeping are histories that are tested by themselves.
type keeping struct{ histories }

// keeper has one of them, of a channel that is record 1.
func keeper(t testing.TB, messages int) (*keeping, *Channel) {
	var list channels
	b := &keeping{}
	b.open(&Config{ChannelBufferSize: messages, ChannelBufferBytes: 1 << 30, MaxHistoryBytes: 1 << 30, Loops: 1}, nil, &list)
	t.Cleanup(list.Release)
	ch := list.At(list.Alloc())
	ch.Next = 1
	return b, ch
}

func (b *keeping) publish(ch *Channel) {
	b.keep(1, b.newMessage(ch, msg.Data, ch.Next, nil))
	ch.Next++
}

func BenchmarkHistoryFrom(b *testing.B) {
	k, ch := keeper(b, 100_000)
	for range 100_000 {
		k.publish(ch)
	}
	h := k.At(ch.history)
	for n := 0; b.Loop(); n++ {
		h.from(int32(1 + n*7919%100_000))
	}
}
