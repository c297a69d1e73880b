package msg

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
)

// bounded keeps a channel's last messages as a home does, and puts the dropped blocks into its
// spares.
type bounded struct {
	spares *Spares
	list   []*Message
	want   [][]byte
}

func (b *bounded) publish(t *testing.T, content []byte, most int) {
	t.Helper()
	var last *Message
	if len(b.list) > 0 {
		last = b.list[len(b.list)-1]
	}
	message := b.spares.Behind(last, len(b.list)/8, 1<<10, Data, int32(len(content)), content)
	if last != nil && !message.Beside(last) {
		last.Link(message)
	}
	b.list, b.want = append(b.list, message), append(b.want, content)
	for len(b.list) > most && !b.list[0].Beside(message) {
		n := int(b.list[0].Together())
		b.spares.Put(b.list[0])
		b.list, b.want = b.list[n:], b.want[n:]
	}
}

// holds reports whether the kept messages are the published ones, and all can be reached from
// the first.
func holds(first *Message, want [][]byte) bool {
	for n, message := 0, first; n < len(want); n++ {
		if !bytes.Equal(message.Content(), want[n]) || message.Seq != int32(len(want[n])) {
			return false
		}
		if n < len(want)-1 {
			message = message.Next()
		}
	}
	return true
}

// Blocks are used again, by any channel. Messages in other blocks do not change, and neither
// does a lent run.
func TestSpares(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	spares := new(Spares)
	var channels [5]bounded
	type run struct {
		first *Message
		want  [][]byte
	}
	var lent []run
	for i := range channels {
		channels[i].spares = spares
	}
	for n := range 20_000 {
		of := &channels[rng.IntN(len(channels))]
		of.publish(t, bytes.Repeat([]byte{byte(n), byte(n >> 8)}, rng.IntN(40)), 50)
		if !holds(of.list[0], of.want) {
			t.Fatalf("at %d, another message has replaced one", n)
		}
		if spares.Limit(2000); spares.bytes > 2000 {
			t.Fatalf("the spare blocks have %d bytes", spares.bytes)
		}
		if rng.IntN(100) == 0 {
			from := rng.IntN(len(of.list))
			count := 1 + rng.IntN(len(of.list)-from)
			of.list[from].Lend(int32(count))
			lent = append(lent, run{of.list[from], of.want[from:][:count]})
		}
	}
	runtime.GC()
	for n, r := range lent {
		if !holds(r.first, r.want) {
			t.Fatalf("run %d of %d messages was written again while it was lent", n, len(r.want))
		}
	}
}

// A block that is lent after it was dropped is not used again. This happens if the newest
// message of a channel is too large to be kept: it is dropped, and then delivered.
func TestSpareThatIsLent(t *testing.T) {
	var spares Spares
	first := spares.Behind(New(Data, 1, []byte("another block")), 1, 24, Data, 2, []byte("lent"))
	spares.Put(first)
	first.Lend(0)
	if second := spares.Behind(New(Data, 1, []byte("another block")), 1, 24, Data, 3, []byte("next")); second.Beside(first) || string(first.Content()) != "lent" {
		t.Errorf("%q, and then %q", first.Content(), second.Content())
	}
	if spares.bytes != 0 {
		t.Errorf("%d bytes are counted without a block", spares.bytes)
	}
}

// A channel whose history is full allocates nothing for a message.
func TestSparesAllocateNothing(t *testing.T) {
	b := bounded{spares: new(Spares)}
	content := make([]byte, 64)
	b.list, b.want = make([]*Message, 0, 4096), make([][]byte, 0, 4096)
	for range 200 {
		b.publish(t, content, 100)
	}
	if allocs := testing.AllocsPerRun(1, func() {
		for range 600 {
			b.publish(t, content, 100)
		}
	}); allocs > 0 {
		t.Errorf("%v allocations for 600 messages", allocs)
	}
}
