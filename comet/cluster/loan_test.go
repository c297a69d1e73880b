package cluster

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ccomet/comet/internal/mail"
)

// lent reports whether a loop reads.
func (r *reader) lent() bool {
	r.resting.Lock()
	defer r.resting.Unlock()
	return r.loan != nil
}

// busReader returns the reader of the first partition.
func (n *testNode) busReader() *reader { return n.partitions[0].reader }

// follower returns a node that follows a room, and the room's loop.
func follower(t *testing.T, loops int, url string) (n *testNode, j *judge) {
	t.Helper()
	n = startNode(t, loops, Config{}, url)
	j = n.home("room")
	j.follow("room", 0)
	j.attachedTo("room")
	return n, j
}

// publishUntilLent publishes messages until a loop reads. They may be refused.
func (j *judge) publishUntilLent() {
	j.t.Helper()
	waitFor(j.t, "a loop reads", func() bool {
		content := fmt.Sprint("a loop is to read at ", time.Now())
		j.propose(mail.OpPublish, "room", "", content)
		j.answer(content)
		return j.node.busReader().lent()
	})
}

// TestLoan: a loop reads for all loops. It reads again after its connection was lost: all messages are told,
// once and in order.
func TestLoan(t *testing.T) {
	r := startRedis(t)
	n, j := follower(t, 2, r.url)
	published := map[int32]string{}
	publish := func() {
		t.Helper()
		j.publishUntilLent()
		last := int32(0)
		for range 20 {
			content := fmt.Sprint("message ", len(published)+1)
			last = j.publish("room", content).Msg.Seq
			published[last] = content
		}
		waitFor(t, "all messages", func() bool { return len(j.messages("room")) >= int(last) })
	}
	publish()
	for name, lose := range map[string]func(){
		"Redis ends it":            sync.OnceFunc(func() { r.must("CLIENT", "KILL", "TYPE", "normal") }),
		"another master was found": sync.OnceFunc(n.busReader().cut),
		"no answer comes": func() {
			j.publishUntilLent()
			n.busReader().expire(time.Now().Add(time.Hour))
		},
	} {
		before := n.Figures().Cuts
		waitFor(t, name+": it is noticed", func() bool {
			lose()
			return n.Figures().Cuts > before
		})
		publish()
	}
	for i, m := range j.messages("room") {
		if want, known := published[m.seq]; int(m.seq) != i+1 || known && m.content != want {
			t.Fatalf("message %d is %+v", i+1, m)
		}
	}
}

// TestLoanUnconcerned: messages of which no loop is told are read by the goroutine, also if a loop has
// read before.
func TestLoanUnconcerned(t *testing.T) {
	r := startRedis(t)
	n, j := follower(t, 1, r.url)
	reader := n.busReader()
	for n := range 5 {
		j.publish("other", fmt.Sprint("other ", n))
	}
	if reader.lent() {
		t.Error("a loop reads, and was told of nothing")
	}
	j.publishUntilLent()
	waitFor(t, "the loop reads no more", func() bool {
		reader.resting.Lock()
		reader.pace.told = time.Now().Add(-loanTime)
		reader.resting.Unlock()
		j.publish("other", fmt.Sprint("other at ", time.Now()))
		return !reader.lent()
	})
	before := n.Figures().Read
	j.publish("other", "the last")
	waitFor(t, "the goroutine reads", func() bool { return n.Figures().Read > before })
	if n.Figures().Cuts != 0 {
		t.Error("a connection was lost")
	}
}

// TestLoanCallsLast: when a loop has read a message, Redis is called again after the loop has handled the
// message.
func TestLoanCallsLast(t *testing.T) {
	r := startRedis(t)
	n, j := follower(t, 1, r.url)
	reader := n.busReader()
	called := func() (l *loan, until time.Time) { // until is as of the last call
		reader.resting.Lock()
		defer reader.resting.Unlock()
		if l = reader.loan; l != nil {
			until = l.until
		}
		return l, until
	}
	waitFor(t, "a loop reads two messages", func() bool {
		j.publishUntilLent()
		first := j.publish("room", fmt.Sprint("one at ", time.Now())).Msg.Seq
		waitFor(t, "the first message", func() bool { return len(j.messages("room")) == int(first) })
		var before, at *loan
		var last, handled time.Time
		ready := make(chan struct{})
		j.on(func() { // in a later turn than that of the first message
			before, last = called()
			j.mu.Lock()
			j.onMessage = func() { at, handled = called() }
			j.mu.Unlock()
			close(ready)
		})
		<-ready
		j.publish("room", fmt.Sprint("one more at ", time.Now()))
		waitFor(t, "the second message", func() bool { return len(j.messages("room")) > int(first) })
		j.mu.Lock()
		defer j.mu.Unlock()
		j.onMessage = nil
		if at == nil || at != before {
			return false // the goroutine has read meanwhile
		}
		if !handled.Equal(last) {
			t.Error("Redis was called before the message was handled")
		}
		return true
	})
}

// TestLoanPaused: more reads are due than the burst allows: the goroutine reads after a pause, and a loop
// reads again after that.
func TestLoanPaused(t *testing.T) {
	r := startRedis(t)
	_, j := follower(t, 1, r.url)
	j.publishUntilLent()
	reader := j.node.busReader()
	current := func(spend bool) *loan {
		reader.resting.Lock()
		defer reader.resting.Unlock()
		if spend {
			reader.pace.left, reader.pace.at = 1, time.Now().Add(time.Hour)
		}
		return reader.loan
	}
	before := current(true)
	j.publish("room", "one")
	waitFor(t, "the loan is over", func() bool { return current(false) != before })
	reader.resting.Lock()
	reader.pace.at = time.Time{}
	reader.resting.Unlock()
	waitFor(t, "a loop reads again", func() bool {
		j.publish("room", "more")
		return reader.lent()
	})
}

// TestLoanEnds ends the log when the loop no longer turns: the reader still ends.
func TestLoanEnds(t *testing.T) {
	r := startRedis(t)
	n, j := follower(t, 1, r.url)
	j.publishUntilLent()
	j.loop.Stop()
	n.Close()
	reader := n.busReader()
	waitFor(t, "the connection is closed", func() bool {
		reader.resting.Lock()
		defer reader.resting.Unlock()
		return reader.loan == nil && reader.wire == nil
	})
}

// TestWireDetached removes a connection from Go's poller and returns it, several times: it remains the same
// connection, with the same keepalive.
func TestWireDetached(t *testing.T) {
	port := freePorts(t, 1)[0]
	startRedisOn(t, port)
	n := startNode(t, 1, Config{}, fmt.Sprintf("redis://127.0.0.1:%d", port))
	ctx, done := n.call(dialTimeout)
	defer done()
	w, err := n.openWire(ctx, "key", busRoom)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { w.close() }()
	local := w.conn.LocalAddr().String()
	for range 3 {
		if err := w.detach(); err != nil {
			t.Fatal(err)
		}
		if err := w.call([]string{"PING"}); err != nil {
			t.Fatal(err)
		}
		answer := ""
		waitFor(t, "an answer", func() bool {
			err := w.readSome()
			answer = string(w.in.rest())
			return err != nil || strings.HasSuffix(answer, "\n")
		})
		w.in.take(len(answer))
		if answer != "+PONG\r\n" {
			t.Fatalf("answer %q", answer)
		}
		if err := w.attach(); err != nil {
			t.Fatal(err)
		}
		if now := w.conn.LocalAddr().String(); now != local {
			t.Fatalf("it is %s, and was %s", now, local)
		}
		if idle := option(t, w.conn, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE); idle != int(pingTime/time.Second) {
			t.Errorf("the kernel looks for the peer after %d s", idle)
		}
	}
}

// option returns an option of a socket.
func option(t *testing.T, conn net.Conn, level, name int) (v int) {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { v, _ = syscall.GetsockoptInt(int(fd), level, name) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
