package comet

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
)

// pollsOn is a client that polls several channels, and comes back with its numbers whatever
// becomes of the server.
type pollsOn struct {
	names []string
	next  []int32
	told  bool // it asks to be told of what is lost
}

// poll begins a poll.
func (p *pollsOn) poll(h *harness, shard int) *end {
	path := "/poll?"
	for i, name := range p.names {
		path += fmt.Sprintf("cname=%s&seq=%d&", name, p.next[i])
	}
	if p.told {
		path += "lost=1"
	}
	e := h.connect(h.srv.shards[shard], conn.Front, 0)
	e.get(path)
	h.settle()
	return e
}

// takes is what a poll is answered by now; false: it waits.
func (p *pollsOn) takes(t *testing.T, e *end) bool {
	t.Helper()
	list, over := e.events()
	for _, m := range list {
		i := 0
		for p.names[i] != m.Cname {
			i++
		}
		switch gap := m.Seq - p.next[i]; {
		case m.Type == "data" && gap == 0:
			p.next[i]++
		case m.Type == "data" && gap > 0 && !p.told:
			p.next[i] = m.Seq + 1
		case m.Type == "lost" && gap > 0 && p.told:
			p.next[i] = m.Seq
		default:
			t.Fatalf("a client that wants %v of %v is sent %+v", p.next, p.names, m)
		}
	}
	return over && len(list) > 0
}

// TestPollsAfterCrashesInARow: after any number of crashes with one state file, a client
// that polls several channels gets the newest message of each, whether it waits when the
// message is published or comes later. The file has neither the numbers that the client has
// seen nor, perhaps, any history.
func TestPollsAfterCrashesInARow(t *testing.T) {
	for kind := range 8 {
		told, keeps, fills := kind&1 != 0, kind&2 != 0, kind&4 != 0
		cfg := stateConfig(t)
		if !keeps {
			cfg.ChannelBufferSize = -1
		}
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 1))
		t.Run(fmt.Sprintf("told %v, keeps %v, fills %v, seed %d", told, keeps, fills, seed), func(t *testing.T) {
			pollsThroughCrashes(t, cfg, &pollsOn{[]string{"a", "b", "c"}, []int32{1, 1, 1}, told}, random, fills)
		})
	}
}

// pollsThroughCrashes lets a client poll a series of servers, each after a crash; fills: it
// catches up before each crash.
func pollsThroughCrashes(t *testing.T, cfg Config, p *pollsOn, random *rand.Rand, fills bool) {
	h := newHarness(t, cfg)
	number := make([]int32, len(p.names))
	for i := range number {
		number[i] = 1
	}
	publish := func(i int) {
		want := fmt.Sprintf("{\"type\":\"ok\",\"seq\":%d}\n", number[i])
		if got := h.ask(conn.Admin, "/push?ack=1&content=x&cname="+p.names[i]); got != want {
			t.Fatalf("a publish to %s is answered %q, want %q", p.names[i], got, want)
		}
		number[i]++
	}
	// One more message to a channel: the client has it, and all others there are.
	mark := func(i int) {
		e := p.poll(h, random.IntN(len(h.srv.shards)))
		for p.takes(t, e) {
			e = p.poll(h, random.IntN(len(h.srv.shards)))
		}
		publish(i)
		for polls := 0; p.next[i] != number[i]; polls++ {
			if h.settle(); !p.takes(t, e) || polls > 20 {
				t.Fatalf("a client that waits for %v of %v is not sent what is published to %s, and %v are next", p.next, p.names, p.names[i], number)
			}
			e = p.poll(h, random.IntN(len(h.srv.shards)))
		}
		e.close()
	}
	for i := range p.names {
		publish(i)
		mark(i)
	}
	if err := h.save(false); err != nil {
		t.Fatal(err)
	}
	saved := append([]int32(nil), number...)
	for crash := int32(1); crash <= 5; crash++ {
		for range random.IntN(8) {
			if i := random.IntN(len(p.names)); fills {
				mark(i)
			} else {
				publish(i)
			}
		}
		h.end()
		h = newHarnessAt(t, cfg, h.now)
		if err := h.srv.state.mark(); err != nil {
			t.Fatal(err)
		}
		for i := range number {
			number[i] = saved[i] + crash*record.StateGap
		}
		for _, i := range random.Perm(len(p.names)) {
			if random.IntN(2) == 0 {
				publish(i) // before it asks
			}
			mark(i)
		}
	}
}
