package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// hasWire reports whether a partition has a wire.
func (p *partition) hasWire() bool {
	p.fast.mu.Lock()
	defer p.fast.mu.Unlock()
	return p.fast.wire != nil
}

// readByLoop reports whether a partition has a wire that Go's poller does not watch.
func (p *partition) readByLoop() bool {
	p.fast.mu.Lock()
	defer p.fast.mu.Unlock()
	return p.fast.wire != nil && p.fast.wire.conn == nil
}

// publishUntilWire publishes messages until the partition has a wire. It returns the number of the last one.
func (n *testNode) publishUntilWire(name string) (last int32) {
	n.t.Helper()
	p := n.of([]byte(name))
	tries := 0
	waitFor(n.t, "a wire is opened", func() bool {
		tries++
		m := n.home(name).publish(name, fmt.Sprint(name, " is tried ", tries, " ", last))
		last = max(last, m.Msg.Seq)
		return p.hasWire()
	})
	return last
}

// publish publishes a message, which must get a number.
func (j *judge) publish(name, content string) mail.Mail {
	j.t.Helper()
	j.propose(mail.OpPublish, name, "", content)
	m := j.answer(content)
	if m.Code != mail.CodeOK || m.Msg == nil {
		j.t.Fatalf("%s: code %d", content, m.Code)
	}
	return m
}

// TestFastPath publishes by wire to each kind of Redis, and continues without a wire when the scripts
// are lost.
func TestFastPath(t *testing.T) {
	port := freePorts(t, 1)[0]
	locked := startRedisOn(t, port)
	locked.must("CONFIG", "SET", "requirepass", "secret")
	locked.url = fmt.Sprintf("redis://:secret@127.0.0.1:%d/3", port)
	servers, _ := startCluster(t)
	for name, r := range map[string]*redisServer{"a socket": startRedis(t), "a password, and a database": locked, "a Redis Cluster": servers[0]} {
		n := startNode(t, 1, Config{Partitions: 3, Prefix: "of fastpath"}, r.url)
		for _, room := range rooms {
			last := n.publishUntilWire(room)
			if !n.of([]byte(room)).readByLoop() {
				t.Errorf("%s: %s: no loop reads the answers", name, room)
			}
			if m := n.home(room).publish(room, room+" by wire"); m.Msg.Seq != last+1 {
				t.Errorf("%s: %s: number %d behind %d", name, room, m.Msg.Seq, last)
			}
		}
		if r != servers[0] {
			r.must("SCRIPT", "FLUSH")
			last := n.home("red").publish("red", "the script is not known").Msg.Seq
			if now := n.publishUntilWire("red"); now <= last {
				t.Errorf("%s: number %d behind %d", name, now, last)
			}
		}
	}
}

// TestFastPathFrozen stops Redis while calls are under way: they are refused. When Redis continues,
// messages are published without a wire, and then by wire again.
func TestFastPathFrozen(t *testing.T) {
	needsMuch(t)
	r := startRedis(t)
	n := startNode(t, 1, Config{Wait: 300 * time.Millisecond}, r.url)
	n.publishUntilWire("room")
	r.signal(syscall.SIGSTOP)
	j := n.home("room")
	j.propose(mail.OpPublish, "room", "", "under way")
	j.propose(mail.OpPublish, "room", "", "behind it")
	for _, content := range []string{"under way", "behind it"} {
		if m := j.answer(content); m.Code != mail.CodeNoLog {
			t.Errorf("%s: code %d", content, m.Code)
		}
	}
	r.signal(syscall.SIGCONT)
	waitFor(t, "it is back", func() bool { return n.Away() == nil })
	n.publishUntilWire("room")
}

// TestFastPathIdle ends a wire without a call, as a Redis does that closes silent connections: that is
// no failure, and the next message is published.
func TestFastPathIdle(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	last := n.publishUntilWire("room")
	p := n.of([]byte("room"))
	p.fast.mu.Lock()
	p.fast.wire.cut()
	p.fast.mu.Unlock()
	waitFor(t, "the wire is gone", func() bool { return !p.hasWire() })
	if m := n.home("room").publish("room", "without one"); m.Msg.Seq != last+1 {
		t.Errorf("number %d behind %d", m.Msg.Seq, last)
	}
	p.health.mu.Lock()
	defer p.health.mu.Unlock()
	if !p.health.since.IsZero() {
		t.Error("it is said to have failed")
	}
}

// TestFastPathLarge writes more at once than the kernel takes.
func TestFastPathLarge(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	n.publishUntilWire("room")
	for round := range 3 {
		content := fmt.Sprint(round, strings.Repeat("x", 8<<20))
		if m := n.home("room").publish("room", content); string(m.Msg.Content()) != content {
			t.Errorf("round %d: other content", round)
		}
	}
	if !n.of([]byte("room")).hasWire() {
		t.Error("the wire is gone")
	}
}

// TestFastPathEnds ends the log when the loop that reads the answers no longer turns, with a call under
// way: it is refused.
func TestFastPathEnds(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	n.publishUntilWire("room")
	j, p := n.home("room"), n.of([]byte("room"))
	stopped := make(chan struct{})
	j.on(func() {
		m := mail.Mail{Kind: mail.Committed, Op: mail.OpPublish, Flag: mail.FlagProposed, Buf: pool.NameBuffer([]byte("room")), Nlen: 4}
		m.Buf.B = append(m.Buf.B, "under way"...)
		j.end.Propose(m)
		j.end.Flush()
		j.loop.Stop()
		close(stopped)
	})
	<-stopped
	if !p.fast.busy.Load() {
		t.Fatal("no call is under way")
	}
	refused := n.Figures().Refused
	within(t, "Close", n.Close)
	if now := n.Figures(); now.Refused != refused+1 || now.Queued != 0 || p.hasWire() {
		t.Errorf("%d were refused, %d wait, it has a wire: %t", now.Refused-refused, now.Queued, p.hasWire())
	}
}

// TestNumbers parses lists of numbers.
func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"*3\r\n:1\r\n:-2\r\n:9223372036854775807\r\n": "[1 -2 9223372036854775807] true <nil>",
		"*0\r\n":                           "[] true <nil>",
		"*-1\r\n":                          "[] true <nil>",
		"*2\r\n:1\r\n:2\r":                 "[1] false <nil>",
		"*1\r\n:9223372036854775808\r\n":   "[] false redis: an answer is malformed",
		"*1\r\n:99999999999999999999\r\n":  "[] false redis: an answer is malformed",
		"*1\r\n:+1\r\n":                    "[] false redis: an answer is malformed",
		"*1\r\n:--1\r\n":                   "[] false redis: an answer is malformed",
		"*1\r\n:\r\n":                      "[] false redis: an answer is malformed",
		"*1\r\n$1\r\n":                     "[] false redis: an answer is malformed",
		"*-2\r\n":                          "[] false redis: an answer is malformed",
		"*1\r\n-ERR wrong\r\n":             "[] false wrong",
		"-NOSCRIPT No matching script\r\n": "[] false NOSCRIPT No matching script",
	} {
		c := cursor{text: []byte(text)}
		numbers, ok := c.numbers(nil)
		if got := fmt.Sprintf("%v %t %v", numbers, ok, c.failed); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// FuzzNumbers reads any bytes as answers: a list has no more numbers than its bytes can hold.
func FuzzNumbers(f *testing.F) {
	for _, text := range []string{"*3\r\n:1\r\n:-2\r\n:9007199254740993\r\n", "-NOSCRIPT No matching script\r\n", "-ERR STALE\r\n", "*0\r\n", "*-1\r\n", "*2\r\n:1\r\n$1\r\n", ":1\r\n", "*1\n:1\n", "\r\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := cursor{text: text}
		for left := len(text); ; {
			numbers, ok := c.numbers(nil)
			err := c.failed
			if refused, ok := errors.AsType[refusal](err); ok && (!bytes.Contains(text, []byte(refused)) || strings.HasPrefix(string(refused), "ERR ") && !bytes.Contains(text, []byte("ERR ERR "))) {
				t.Fatalf("%q is refused with %q", text, refused)
			}
			if left -= 4 * len(numbers); left < 0 || ok && !bytes.HasPrefix(text, []byte("*")) {
				t.Fatalf("%q has %d numbers", text, len(numbers))
			}
			if !ok {
				return
			}
		}
	})
}
