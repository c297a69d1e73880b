package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// startThree starts three nodes that know each other.
func startThree(t *testing.T, url string, cfg Config) (nodes []*testNode) {
	t.Helper()
	for n := range 3 {
		cfg.Node = fmt.Sprint("n", n)
		nodes = append(nodes, startNode(t, 1, cfg, url))
		nodes[n].Start(func() broker.Node { return broker.Node{Channels: int64(n), Listening: 1} })
	}
	for _, n := range nodes {
		waitFor(t, "nodes know of each other", func() bool { return len(n.Nodes()) == 2 })
	}
	return nodes
}

// countOf asks how many subscribers other nodes have on a channel.
func (j *judge) countOf(name string) (subscribers uint32, exists bool) {
	j.t.Helper()
	j.mu.Lock()
	delete(j.counted, name)
	j.mu.Unlock()
	j.on(func() {
		j.end.Count(mail.Mail{Kind: mail.Counted, Buf: pool.NameBuffer([]byte(name)), Nlen: uint8(len(name))})
	})
	var m countedOf
	waitFor(j.t, "others are counted", func() (ok bool) {
		j.mu.Lock()
		defer j.mu.Unlock()
		m, ok = j.counted[name]
		return ok
	})
	return m.subscribers, m.exists
}

// TestCounts asks other nodes for numbers of subscribers, and Redis for signed channels.
func TestCounts(t *testing.T) {
	r := startRedis(t)
	nodes := startThree(t, r.url, Config{})
	followAll(nodes[1:], "a#12", "only here", "b#1")
	for name, want := range map[string]uint32{"a#12": 24, "b#1": 2, "only here": 0} {
		if got, exists := nodes[0].judges[0].countOf(name); got != want || !exists {
			t.Errorf("%s has %d subscribers elsewhere, there %t; want %d", name, got, exists, want)
		}
	}
	if got, exists := nodes[0].judges[0].countOf("nobody's"); got != 0 || exists {
		t.Errorf("a channel that nobody has: %d, there %t", got, exists)
	}
	nodes[1].judges[0].on(func() {
		m := mail.Mail{Kind: mail.Committed, Op: mail.OpSign, Flag: mail.FlagProposed, Buf: pool.NameBuffer([]byte("signed")), Nlen: 6}
		m.SetSeconds(60)
		nodes[1].judges[0].end.Propose(m)
	})
	waitFor(t, "a signed channel is there", func() bool {
		got, exists := nodes[0].judges[0].countOf("signed")
		return got == 0 && exists
	})
}

// TestNodes: a node tells others about itself and about presence.
func TestNodes(t *testing.T) {
	r := startRedis(t)
	nodes := startThree(t, r.url, Config{Version: "v1"})
	waitFor(t, "another node has channels", func() bool {
		for _, other := range nodes[0].Nodes() {
			if other.Name == "n2" && other.Channels == 2 && other.Version == "v1" {
				return true
			}
		}
		return false
	})
	waitFor(t, "a node knows of listeners", func() bool { return nodes[1].judges[0].end.Wanted() })
	nodes[1].judges[0].on(func() {
		nodes[1].judges[0].end.Presence([]byte("room"), true)
		nodes[1].judges[0].end.Presence([]byte("room"), false)
	})
	for _, n := range []*testNode{nodes[0], nodes[2]} {
		waitFor(t, "lines of presence", func() bool {
			n.judges[0].mu.Lock()
			defer n.judges[0].mu.Unlock()
			return strings.Contains(n.judges[0].lines, "1 room\n0 room\n")
		})
	}
	nodes[0].nodes.forget(time.Now().Add(nodeTime + time.Minute))
	if others := nodes[0].Nodes(); len(others) != 0 {
		t.Errorf("nodes that say nothing are remembered: %v", others)
	}
}

// TestLeases: the state of a channel says that it has a lease if it is signed, or if a node with
// subscribers touches it.
func TestLeases(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{Leases: true}, r.url)
	j := n.judges[0]
	exists := func(name string) bool {
		j.follow(name, 0)
		waitFor(t, "it is attached", func() bool {
			j.mu.Lock()
			defer j.mu.Unlock()
			return j.follows[name].attached
		})
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.follows[name].exists
	}
	j.sequence("published", mail.OpPublish)
	j.sequence("signed", mail.OpSign)
	j.on(func() { j.end.Touch([]byte("touched"), time.Minute) })
	waitFor(t, "a channel is touched", func() bool { return r.must("EXISTS", n.cfg.Prefix+"{0}l:touched") == "1" })
	for name, want := range map[string]bool{"published": false, "signed": true, "touched": true, "nobody's": false} {
		if got := exists(name); got != want {
			t.Errorf("%s is signed: %t", name, got)
		}
	}
	if life := r.must("PTTL", n.cfg.Prefix+"{0}l:touched"); len(life) != 5 || life > "60000" {
		t.Errorf("a lease of a minute has %s ms left", life)
	}
}

// TestResume: the node of another program continues where one has stopped.
func TestResume(t *testing.T) { testResume(t, startRedis(t), nil, nil) }

// TestResumeAway: the same while Redis is away. The node does not wait for Redis, says that it is
// away, and continues when it is back.
func TestResumeAway(t *testing.T) {
	needsMuch(t)
	t.Run("it is dead", func(t *testing.T) {
		r := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
		testResume(t, r, r.kill, r.start)
	})
	t.Run("it hangs", func(t *testing.T) {
		r := startRedis(t)
		signal := func(sig os.Signal) func() { return func() { _ = r.cmd.Process.Signal(sig) } }
		testResume(t, r, signal(syscall.SIGSTOP), signal(syscall.SIGCONT))
	})
}

// testResume calls leave before a node continues, and back afterwards; leave may be nil.
func testResume(t *testing.T, r *redisServer, leave, back func()) {
	t.Helper()
	one, before := startNode(t, 1, Config{}, r.url), startNode(t, 1, Config{}, r.url)
	followAll([]*testNode{one}, rooms...)
	before.judges[0].follow("red", 0)
	before.judges[0].attachedTo("red")
	state := before.Suspend()
	for n := range 50 {
		one.judges[0].propose(mail.OpPublish, "red", "", fmt.Sprint("m", n))
	}
	one.judges[0].answer("m49")
	if leave != nil {
		leave()
	}
	before.Close()
	if told := before.judges[0].messages("red"); len(told) != 0 {
		t.Errorf("a log that is suspended tells of %d messages", len(told))
	}
	cfg := Config{State: state}
	after := openNode(t, cfg, r.url)
	j := newJudge(t, after)
	j.mu.Lock()
	j.follows["red"] = &followed{name: "red", first: 1, next: 1, attached: true}
	j.mu.Unlock()
	j.end.Follow([]byte("red"))
	after.judges = append(after.judges, j)
	after.Log.Start(func() broker.Node { return broker.Node{} })
	if leave != nil {
		waitFor(t, "the node says that Redis is away", func() bool { return after.Away() != nil })
		j.propose(mail.OpPublish, "red", "", "refused")
		if m := j.answer("refused"); m.Code != mail.CodeNoLog {
			t.Errorf("what is published without Redis is answered with code %d", m.Code)
		}
		back()
		waitFor(t, "the node says that Redis is back", func() bool { return after.Away() == nil })
	}
	waitFor(t, "all messages", func() bool { return len(j.messages("red")) == 50 })
	verdict(t, []*testNode{one, after}, "red")
}

// TestResumeTwice: a node that has not reached Redis hands over the same state as it was given.
func TestResumeTwice(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	n.judges[0].propose(mail.OpPublish, "red", "", "m")
	n.judges[0].answer("m")
	state := n.Suspend()
	r.kill()
	for range 2 {
		if again := openNode(t, Config{State: state}, r.url).Suspend(); !bytes.Equal(again, state) {
			t.Errorf("handed over %s, of %s", again, state)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for what, cfg := range map[string]Config{"another prefix": {State: state, Prefix: "other:"}, "no hand-over": {}} {
		cfg.Redis = redisAt(t, r.url)
		if _, err := Open(ctx, cfg); !errors.Is(err, context.Canceled) {
			t.Errorf("with %s it does not wait for Redis: %v", what, err)
		}
	}
	cfg := Config{Redis: redisAt(t, r.url), State: state, Partitions: 3}
	if _, err := Open(ctx, cfg); err == nil || !strings.Contains(err.Error(), "the running server has 1 partitions, and redis-partitions is 3") {
		t.Errorf("with other partitions: %v", err)
	}
}

// TestResumeElsewhere: a node continues for another program, and Redis is now of a cluster that it
// cannot be a node of. It says why it is away, and does not try to connect again.
func TestResumeElsewhere(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	state := n.Suspend()
	n.Close()
	r.must("HSET", n.partitions[0].keyG, "parts", "2")
	after := openNode(t, Config{State: state}, r.url)
	after.Start(func() broker.Node { return broker.Node{} })
	within(t, "connecting", after.connecting.Wait)
	waitFor(t, "the node says why", func() bool {
		err := after.Away()
		return err != nil && strings.Contains(err.Error(), "with 2 partitions, not 1")
	})
}

// TestTry: Try returns no error for a Redis that is away or does not answer. It returns one if Redis
// does not permit what nodes do.
func TestTry(t *testing.T) {
	r := startRedis(t)
	try := func(ctx context.Context, url string) error { return Try(ctx, Config{Redis: redisAt(t, url)}) }
	if err := try(t.Context(), r.url); err != nil {
		t.Errorf("without a password: %v", err)
	}
	if n := r.must("EXISTS", "ccomet:secret"); n != "0" {
		t.Errorf("Try has made %s secrets, which are not the running node's", n)
	}
	r.must("CONFIG", "SET", "requirepass", "right")
	path := strings.TrimPrefix(r.url, "unix://")
	if err := try(t.Context(), "unix://:wrong@"+path); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with another password: %v", err)
	}
	if err := try(t.Context(), "unix://:right@"+path); err != nil {
		t.Errorf("with the right password: %v", err)
	}
	_ = r.cmd.Process.Signal(syscall.SIGSTOP)
	soon, done := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer done()
	if err := try(soon, "unix://:right@"+path); err != nil {
		t.Errorf("one that hangs: %v", err)
	}
	r.kill()
	if err := try(t.Context(), "unix://:right@"+path); err != nil {
		t.Errorf("one that is dead: %v", err)
	}
}
