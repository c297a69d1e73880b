package main

import (
	"bufio"
	"strings"
	"testing"
)

// TestClusterUpgrade: a node is upgraded with its clients, and continues from its position on
// the bus: messages published at other nodes meanwhile arrive, and none twice.
func TestClusterUpgrade(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 1)
	i := install(t, "--redis", s.url(), "--node", "upgraded")
	s.nodes = append(s.nodes, i.process)
	stream := bufio.NewReader(open(t, i.front, "/stream?cname=a&lost=1"))
	if m := next(t, stream); m.Type != "next_seq" || m.Seq != 1 {
		t.Fatalf("%+v", m)
	}
	stop, stopped := make(chan struct{}), make(chan int)
	go func() { // continuously, at the other node
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				stopped <- n
				return
			default:
				s.nodes[0].push("a", itoa(n+1))
			}
		}
	}()
	for round := range 3 {
		i.put(t, i.versions[(round+1)%2])
		if said, err := i.upgrade(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	close(stop)
	last := <-stopped
	for n := 1; n <= last; n++ {
		if m := next(t, stream); m.Seq != n || m.Content != itoa(n) {
			t.Fatalf("%+v, want message %d of %d", m, n, last)
		}
	}
	if seq := s.numbered(1, "a", "of the upgraded node"); seq != last+1 {
		t.Errorf("number %d, want %d", seq, last+1)
	}
	if m := next(t, stream); m.Content != "of the upgraded node" {
		t.Errorf("%+v", m)
	}
	if strings.Contains(i.logged(), `"level":"error"`) {
		t.Errorf("%s", i.logged())
	}
}
