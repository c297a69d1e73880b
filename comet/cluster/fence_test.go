package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ccomet/comet/internal/mail"
)

// forget forgets the answers to proposals whose content contains what.
func (j *judge) forget(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for content := range j.answers {
		if strings.Contains(content, what) {
			delete(j.answers, content)
		}
	}
}

// setRun makes a partition belong to another run of a master.
func (s *redisServer) setRun(g, run string) {
	at := s.must("HGET", g, "at")
	s.must("HSET", g, "run", run, "at", run+at[len(run):])
}

// TestTermBegins has a generation whose number begins with the digits of one that a node knows: the
// node must not take it for that one.
func TestTermBegins(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	last := n.publishUntilWire("room")
	p := n.of([]byte("room"))
	gen := r.must("HGET", p.keyG, "gen")
	at := r.must("HGET", p.keyG, "at")
	r.must("HSET", p.keyG, "gen", gen+"7", "at", strings.Replace(at, gen+" ", gen+"7 ", 1))
	if m := n.home("room").publish("room", "of that"); m.Msg.Seq != last+1 {
		t.Errorf("number %d behind %d", m.Msg.Seq, last)
	}
}

// TestLostTerm: a master publishes, and its whole term is lost. The next master has the state from
// before, and a node that has not heard of the lost term raises the numbers there. The other nodes
// raise them once more: no number is given twice, and all nodes continue.
func TestLostTerm(t *testing.T) {
	for range 4 {
		r := startRedis(t)
		nodes := []*testNode{startNode(t, 1, Config{}, r.url), startNode(t, 1, Config{}, r.url)}
		knows, ignorant := nodes[0], nodes[1]
		followAll(nodes, rooms...)
		publish := func(n *testNode, what string, many int) {
			for i := range many {
				for _, name := range rooms {
					n.judges[0].propose(mail.OpPublish, name, "", fmt.Sprint(name, what, i))
				}
			}
			n.judges[0].answer(fmt.Sprint(rooms[len(rooms)-1], what, many-1))
		}
		publish(knows, "before", 10)
		settle(t, nodes, rooms...)
		ignorant.Suspend()
		g := knows.partitions[0].keyG
		keys := strings.Fields(strings.Trim(r.must("KEYS", "*"), "[]"))
		for _, key := range keys {
			r.must("COPY", key, "old:"+key)
		}
		r.setRun(g, "another")
		publish(knows, "lost", 20)
		waitFor(t, "the node knows of the new master", func() bool { return len(knows.judges[0].messages(rooms[3])) == 31 })
		for _, key := range keys {
			r.must("RENAME", "old:"+key, key)
		}
		r.setRun(g, "yet another")
		publish(ignorant, "behind", 10)
		ignorant.Resume()
		settle(t, nodes, rooms...)
		// These messages have numbers below those that the other node has told: it tells of a gap.
		ignorant.judges[0].forget("behind")
		told, gaps, refused := verdict(t, nodes, rooms...)
		t.Logf("%d told, %d gaps, %d refused", told, gaps, refused)
		if t.Failed() {
			return
		}
	}
}

// TestJumpsDiffer: many masters begin where the same one has ended. Each skips a random range of numbers:
// the first few numbers of one are almost never those of another.
func TestJumpsDiffer(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	n.Suspend() // it reads nothing
	p := n.partitions[0]
	const few = 8
	var offs []uint32
	r.must("COPY", p.keyG, "before")
	for range 200 {
		r.must("COPY", "before", p.keyG, "REPLACE")
		r.setRun(p.keyG, "another")
		ctx, done := p.log.call(hang)
		f, err := p.fence(ctx, true)
		done()
		if err != nil {
			t.Fatal(err)
		}
		if f.place.off < 1<<16 || f.place.off >= 1<<16+chanceJump {
			t.Fatalf("numbers rise by %d", f.place.off)
		}
		offs = append(offs, f.place.off/few)
	}
	slices.Sort(offs)
	if same := len(offs) - len(slices.Compact(offs)); same > 10 {
		t.Errorf("%d of 200 begin where another does", same)
	}
}
