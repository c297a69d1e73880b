package cluster

import (
	"fmt"
	"testing"

	"ccomet/comet/internal/mail"
)

// TestTwoNodes publishes at two nodes: both tell of all messages, in the same order.
func TestTwoNodes(t *testing.T) {
	r := startRedis(t)
	a, b := startNode(t, 2, Config{}, r.url), startNode(t, 1, Config{}, r.url)
	a.home("room").follow("room", 0)
	b.home("room").follow("room", 0)
	a.home("room").attachedTo("room")
	b.home("room").attachedTo("room")
	const each = 300
	for n := range each {
		a.home("room").propose(mail.OpPublish, "room", "", fmt.Sprint("a", n))
		b.home("room").propose(mail.OpPublish, "room", "", fmt.Sprint("b", n))
	}
	for _, n := range []*testNode{a, b} {
		waitFor(t, "all messages", func() bool { return len(n.home("room").messages("room")) == 2*each })
	}
	one, other := a.home("room").messages("room"), b.home("room").messages("room")
	if numbersOf(one) != numbersOf(other) {
		t.Fatalf("two nodes tell different things:\n%s\n%s", numbersOf(one), numbersOf(other))
	}
	for n, m := range one {
		if int(m.seq) != n+1 {
			t.Fatalf("message %d has number %d", n, m.seq)
		}
	}
	if m := a.home("room").answer("a299"); m.Code != mail.CodeOK || m.Msg == nil {
		t.Fatalf("the answer to the last message: %+v", m)
	}
}
