package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// startThree starts nodes that know of each other.
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

// count asks how many subscribers other nodes have of a channel.
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

// TestCounts asks other nodes how many subscribers they have, and Redis what is signed.
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

// TestNodes: a node tells others of itself, and of presence.
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

// TestLeases: a channel that is signed, or that a node with subscribers touches, is told of as
// such by its place.
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

// TestResume has a node of another program go on from where one has stopped.
func TestResume(t *testing.T) {
	r := startRedis(t)
	one, before := startNode(t, 1, Config{}, r.url), startNode(t, 1, Config{}, r.url)
	followAll([]*testNode{one}, rooms...)
	before.judges[0].follow("red", 0)
	before.judges[0].attachedTo("red")
	state := before.Suspend()
	for n := range 50 {
		one.judges[0].propose(mail.OpPublish, "red", "", fmt.Sprint("m", n))
	}
	one.judges[0].answer("m49")
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
	waitFor(t, "all messages", func() bool { return len(j.messages("red")) == 50 })
	verdict(t, []*testNode{one, after}, "red")
}
