package cluster

import (
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"ccomet/comet/internal/mail"
)

// TestAttachMany attaches as many channels as the clients of a node have when all come back at once.
// It takes few calls.
func TestAttachMany(t *testing.T) {
	const channels = 18000
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	j := n.judges[0]
	before, began := trips(n), time.Now()
	r.signal(syscall.SIGSTOP) // until all requests are made
	j.followMany(channels, 0)
	r.signal(syscall.SIGCONT)
	waitFor(t, "all channels are attached", func() bool { return j.attachedCount() == channels })
	t.Logf("%d channels in %d calls, %v", channels, trips(n)-before, time.Since(began))
	if calls := trips(n) - before; calls > channels/attachWeight+10 {
		t.Errorf("%d calls for %d channels", calls, channels)
	}
	if keys := r.must("KEYS", "*many*"); keys != "[]" {
		t.Errorf("channels that only wait have keys in Redis: %s", keys)
	}
}

func trips(n *testNode) (calls uint64) {
	for _, count := range n.Figures().Trips.Counts {
		calls += count
	}
	return calls
}

// TestAttachDuringOutage requests channels while Redis is away: they are attached when it is back.
func TestAttachDuringOutage(t *testing.T) {
	needsMuch(t)
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	r.kill()
	j := n.judges[0]
	j.on(func() { // of clients that come and go
		for i := range 1000 {
			name := fmt.Appendf(nil, "gone%d", i)
			j.end.Attach(mail.Ref{Index: 1 << 20}, name, 0)
			j.end.Detach(name)
		}
	})
	j.followMany(2000, 1)
	waitFor(t, "the node says why", func() bool { return n.Away() != nil })
	waitFor(t, "those that have gone are forgotten", func() bool {
		q := &n.partitions[0].attaches
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.items)-q.head <= 2000
	})
	r.start()
	waitFor(t, "all channels are attached", func() bool { return n.judges[0].attachedCount() == 2000 })
	settle(t, []*testNode{n}, "many7")
}

// TestAttachUnfenced has a master that no node has fenced, and that lacks the last messages, like one
// that has just been promoted: it must not answer about channels until its numbers are raised.
func TestAttachUnfenced(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	j := n.judges[0]
	for _, content := range []string{"m1", "m2", "m3"} {
		j.propose(mail.OpPublish, "a", "", content)
		j.answer(content)
	}
	p := n.partitions[0]
	r.setRun(p.keyG, "another")
	r.must("SET", p.prefix+"m:a", "1") // two messages are lost
	r.must("SCRIPT", "FLUSH")
	j.follow("a", 0)
	j.attachedTo("a")
	j.mu.Lock()
	defer j.mu.Unlock()
	if next := j.follows["a"].next; next < 1<<16 {
		t.Errorf("the next number is %d: 3 has been given", next)
	}
}

// TestInterest shows that the table, whose size is fixed, knows the channels of a loop.
func TestInterest(t *testing.T) {
	var before, after runtime.MemStats
	table := new(interest)
	runtime.GC()
	runtime.ReadMemStats(&before)
	var text [32]byte
	name := func(n int) []byte { return strconv.AppendInt(append(text[:0], "channel"...), int64(n), 10) }
	const many = 200_000
	for n := range many {
		table.add(name(n))
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes for %d channels", grown, many)
	}
	falsely := 0
	for n := range many {
		if !table.has(hashName(name(n))) {
			t.Fatalf("channel %d is not there", n)
		}
		if table.has(hashName(name(n + many))) {
			falsely++
		}
	}
	if falsely > many/4 {
		t.Errorf("%d of %d channels are there that are not", falsely, many)
	}
	for n := range many {
		table.remove(name(n))
	}
	for n := range many {
		if table.has(hashName(name(n))) {
			t.Fatalf("channel %d is still there", n)
		}
	}
}

// TestPlace covers all entries that a bus may have.
func TestPlace(t *testing.T) {
	at := place{gen: 3, off: 65536, b: 2, total: 100, seen: 100, seed: "s"}
	batch := func(gen, b uint32, total uint64, items uint32) *entry {
		return &entry{kind: entryBatch, gen: gen, off: 65536, b: b, total: total, items: items}
	}
	jump := func(gen uint32, was, total uint64, seed string) *entry {
		return &entry{kind: entryJump, gen: gen, off: 131072, b: 2, was: was, total: total, seed: seed}
	}
	for name, c := range map[string]struct {
		seen uint64
		e    *entry
		want step
	}{
		"the next":                              {100, batch(3, 2, 100, 5), step{}},
		"read already":                          {100, batch(3, 2, 90, 10), step{stale: true}},
		"of an earlier generation":              {100, batch(2, 2, 100, 5), step{stale: true}},
		"behind what is missing":                {100, batch(3, 2, 107, 5), step{behind: true}},
		"a new master that has all":             {100, jump(4, 100, 100, "s"), step{jump: true}},
		"a new master that lacks some":          {100, jump(4, 95, 100, "s"), step{behind: true}},
		"a new master that has more":            {100, jump(4, 110, 110, "s"), step{behind: true}},
		"a new master that lacks what was told": {104, jump(4, 100, 100, "s"), step{behind: true}},
		"an empty one with another seed":        {100, jump(4, 100, 100, "t"), step{behind: true}},
		"of a generation whose jump is gone":    {100, batch(5, 2, 100, 5), step{behind: true}},
	} {
		p := at
		p.seen = c.seen
		index := p.index(p.b)
		got := p.take(c.e)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if concerns := got.jump || got.behind; int32(p.index(p.b)-index) <= 0 && concerns {
			t.Errorf("%s: what concerns all channels has index %d behind %d", name, p.index(p.b), index)
		}
		if !got.stale && p.total != c.e.total+uint64(c.e.items) {
			t.Errorf("%s: then it is at %d", name, p.total)
		}
	}
}
