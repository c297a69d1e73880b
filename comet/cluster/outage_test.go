package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/mail"
)

var rooms = []string{"red", "green", "blue", "white"}

// TestReaderCut cuts all connections several times, also those that read the bus: no message is lost,
// and messages under way are refused.
func TestReaderCut(t *testing.T) {
	needsMuch(t)
	r := startRedis(t)
	nodes := []*testNode{startNode(t, 2, Config{}, r.url), startNode(t, 1, Config{}, r.url)}
	followAll(nodes, rooms...)
	c := startCrowd(nodes, rooms...)
	for range 5 {
		before := c.sent.Load()
		waitFor(t, "messages go on", func() bool { return c.sent.Load() > before+100 })
		r.must("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	c.end()
	settle(t, nodes, rooms...)
	told, gaps, refused := verdict(t, nodes, rooms...)
	t.Logf("%d sent, %d told, %d refused, %d gaps", c.sent.Load(), told, refused, gaps)
	if gaps != 0 {
		t.Errorf("%d gaps, though Redis has lost nothing", gaps)
	}
}

// TestRestart kills Redis, which then has nothing, or what it has written to disk: numbers rise all
// the same, and the nodes continue by themselves.
func TestRestart(t *testing.T) {
	needsMuch(t)
	for name, args := range map[string][]string{"empty": nil, "appendonly": {"--appendonly", "yes", "--appendfsync", "everysec"}} {
		t.Run(name, func(t *testing.T) {
			r := startRedis(t, args...)
			nodes := []*testNode{startNode(t, 1, Config{}, r.url), startNode(t, 1, Config{}, r.url)}
			followAll(nodes, rooms...)
			c := startCrowd(nodes, rooms...)
			for range 3 {
				before := c.sent.Load()
				waitFor(t, "messages go on", func() bool { return c.sent.Load() > before+100 })
				r.kill()
				waitFor(t, "a node says why it is not ready", func() bool { return nodes[0].Away() != nil && nodes[1].Away() != nil })
				r.start()
				waitFor(t, "the nodes are ready", func() bool { return nodes[0].Away() == nil && nodes[1].Away() == nil })
			}
			c.end()
			settle(t, nodes, rooms...)
			told, gaps, refused := verdict(t, nodes, rooms...)
			t.Logf("%d sent, %d told, %d refused, %d gaps, generation %d", c.sent.Load(), told, refused, gaps, nodes[0].Figures().Generation)
		})
	}
}

// TestTrimmed: the bus no longer has the entries that a reader needs next. The loops compare their
// channels, and fetch the missing messages.
func TestTrimmed(t *testing.T) {
	needsMuch(t)
	r := startRedis(t)
	small := Config{Bus: 8, History: 500}
	nodes := []*testNode{startNode(t, 1, small, r.url), startNode(t, 1, small, r.url)}
	followAll(nodes, rooms...)
	nodes[1].Suspend()
	const each = 200
	for n := range each {
		for _, name := range rooms {
			nodes[0].home(name).propose(mail.OpPublish, name, "", fmt.Sprint(name, n))
			nodes[0].home(name).answer(fmt.Sprint(name, n))
		}
	}
	nodes[1].Resume()
	settle(t, nodes, rooms...)
	if told, gaps, _ := verdict(t, nodes, rooms...); gaps != 0 || told != 2*len(rooms)*(each+1) {
		t.Errorf("%d messages, %d gaps", told, gaps)
	}
	if nodes[1].Figures().Compared == 0 {
		t.Error("the reader has not noticed that the bus was trimmed")
	}
}

// TestSlow stops Redis for longer than a message may wait: the message is refused, and no message is
// lost or duplicated.
func TestSlow(t *testing.T) {
	needsMuch(t)
	r := startRedis(t)
	cfg := Config{Wait: 200 * time.Millisecond}
	nodes := []*testNode{startNode(t, 1, cfg, r.url), startNode(t, 1, cfg, r.url)}
	followAll(nodes, rooms...)
	slept := make(chan error)
	go func() {
		_, err := r.do("DEBUG", "SLEEP", "3")
		slept <- err
	}()
	refused := false
	waitFor(t, "a message is refused", func() bool {
		last := fmt.Sprint("slow", time.Now().UnixNano())
		nodes[0].home("red").propose(mail.OpPublish, "red", "", last)
		refused = nodes[0].home("red").answer(last).Code == mail.CodeNoLog
		return refused
	})
	if err := <-slept; err != nil {
		t.Fatal(err)
	}
	settle(t, nodes, rooms...)
	verdict(t, nodes, rooms...)
}

// TestLarge: a node reads messages of a MiB each, which another node has published before. None is lost;
// the reader reads fewer at once.
func TestLarge(t *testing.T) {
	r := startRedis(t)
	nodes := []*testNode{startNode(t, 1, Config{}, r.url), startNode(t, 1, Config{}, r.url)}
	followAll(nodes, "room")
	nodes[1].Suspend()
	large := strings.Repeat("x", 1<<20)
	const many = 40
	for n := range many {
		nodes[0].judges[0].propose(mail.OpPublish, "room", "", fmt.Sprint(n, large))
		nodes[0].judges[0].answer(fmt.Sprint(n, large))
	}
	nodes[1].Resume()
	waitFor(t, "all messages", func() bool { return len(nodes[1].judges[0].messages("room")) == many })
	verdict(t, nodes, "room")
}

// TestKeys publishes messages with a key again while connections break: each message exists once.
func TestKeys(t *testing.T) {
	r := startRedis(t)
	nodes := []*testNode{startNode(t, 1, Config{}, r.url)}
	followAll(nodes, "room")
	j := nodes[0].home("room")
	for n := range 200 {
		content := fmt.Sprint("m", n)
		j.propose(mail.OpPublish, "room", content, content)
		if n%50 == 0 {
			r.must("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
		if m := j.answer(content); m.Code != mail.CodeOK {
			t.Fatalf("%s: code %d", content, m.Code)
		}
	}
	j.mu.Lock()
	delete(j.answers, "m7")
	j.mu.Unlock()
	j.propose(mail.OpPublish, "room", "m7", "m7")
	if m := j.answer("m7"); m.Seq != 8 || m.Msg != nil {
		t.Errorf("a message that is sent again has got %d, not 8", m.Seq)
	}
	if told := j.messages("room"); len(told) != 200 {
		t.Errorf("%d messages for 200", len(told))
	}
}

// TestRefuses: a node with another number of partitions is refused at once.
func TestRefuses(t *testing.T) {
	r := startRedis(t)
	startNode(t, 1, Config{Partitions: 3}, r.url)
	_, err := Open(t.Context(), Config{Redis: redisAt(t, r.url), Partitions: 4, Node: "other", Log: testLog(t)})
	if err == nil || !strings.Contains(err.Error(), "with 3 partitions, not 4") {
		t.Errorf("a node with other partitions: %v", err)
	}
	if n := startNode(t, 1, Config{}, r.url); len(n.partitions) != 3 {
		t.Errorf("a node that is not told has %d partitions", len(n.partitions))
	}
	var fatal *fatalError
	if !errors.As(err, &fatal) {
		t.Errorf("%T", err)
	}
}
