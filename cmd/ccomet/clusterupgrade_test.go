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

// TestClusterUpgradeAway: a node is upgraded twice while Redis is away. Its clients keep
// waiting, and receive messages published after Redis is back.
func TestClusterUpgradeAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string][2]func(*redis){
		"dead":    {(*redis).kill, (*redis).start},
		"hanging": {(*redis).pause, (*redis).goOn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSharing(t, 1)
			i := install(t, "--redis", s.url(), "--node", "upgraded")
			s.nodes = append(s.nodes, i.process)
			stream := bufio.NewReader(open(t, i.front, "/stream?cname=a&lost=1"))
			if m := next(t, stream); m.Type != "next_seq" {
				t.Fatalf("%+v", m)
			}
			before := s.numbered(0, "a", "before")
			if m := next(t, stream); m.Content != "before" {
				t.Fatalf("%+v", m)
			}
			away[0](s.redis)
			for round := range 2 {
				i.put(t, i.versions[(round+1)%2])
				if said, err := i.upgrade(); err != nil {
					t.Fatalf("%v: %s\n%s", err, said, i.logged())
				}
				s.refuses(1, "a")
			}
			away[1](s.redis)
			after := s.publishes(1, "a", "after")
			m := next(t, stream)
			if m.Type == "lost" { // Redis has lost its data
				m = next(t, stream)
			}
			for m.Content == "refused" { // a refused message may have been numbered nevertheless
				m = next(t, stream)
			}
			if m.Content != "after" || m.Seq != after || after <= before {
				t.Errorf("%+v, want number %d, behind %d", m, after, before)
			}
			s.publishes(0, "a", "of the other node")
			if m := next(t, stream); m.Content != "of the other node" {
				t.Errorf("%+v", m)
			}
		})
	}
}

// TestClusterUpgradeRefused: an upgrade is refused if Redis refuses the new program, or if the
// new program has another prefix and Redis does not answer. The error names the cause.
func TestClusterUpgradeRefused(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 0)
	i := install(t, "--redis", s.url(), "--node", "upgraded")
	refused := func(args, want string) {
		t.Helper()
		i.instead(1, args)
		said, err := i.upgrade()
		if err == nil || !strings.Contains(said, "not upgraded") || !strings.Contains(said, want) {
			t.Errorf("%s: %v, said %q, want %q", args, err, said, want)
		}
		i.logs(want) // somewhat later than the command
	}
	s.must("CONFIG", "SET", "requirepass", "secret") // existing connections stay
	refused("", "NOAUTH")
	s.mustAs("secret", "CONFIG", "SET", "requirepass", "")
	s.pause()
	refused("--redis-prefix other:", "redis has not answered within 2s")
	s.goOn()
	if said, err := i.upgrade(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	s.nodes = append(s.nodes, i.process)
	s.publishes(0, "a", "on")
}

// TestClusterUpgradeSettings: an upgrade changes the settings of a node, and its clients stay connected.
// With another prefix the node brings its secret along.
func TestClusterUpgradeSettings(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	base := freePorts + "loops = 2\nauth = \"token\"\nredis = \"" + r.url() + "\"\n"
	s, rewrite := installWith(t, base+"node = \"first\"\n")
	var sign struct{ Token string }
	decode(t, get(t, s.admin, "/sign?cname=a&expires=600"), &sign)
	stream := bufio.NewReader(open(t, s.front, "/stream?cname=a&token="+sign.Token))
	if m := next(t, stream); m.Type != "next_seq" {
		t.Fatalf("%+v", m)
	}
	last := 0
	upgraded := func(lines string) {
		t.Helper()
		rewrite(base + lines)
		if said, err := s.upgrade(); err != nil {
			t.Fatalf("%s: %v: %s", lines, err, said)
		}
		until(t, func() bool { return get(t, s.admin, "/readyz").status == 200 })
		s.push("a", lines)
		if m := next(t, stream); m.Type != "data" || m.Seq <= last {
			t.Fatalf("after %s: %+v, and the last number was %d", lines, m, last)
		} else {
			last = m.Seq
		}
	}
	upgraded("node = \"second\"\nredis-ttl = 100\nredis-bus = 10\nredis-queue = 1\n")
	s.logs(`"node":"second","mode"`)
	if ttl := r.must("TTL", "ccomet:{0}h:a"); ttl != ":100" && ttl != ":99" && !strings.HasPrefix(ttl, ":9") {
		t.Errorf("messages are kept for %s s, want at most 100", ttl)
	}
	for n := range 300 {
		s.push("bus", itoa(n))
	}
	if n := r.must("XLEN", "ccomet:{0}bus"); len(n) > len(":99") {
		t.Errorf("%s publishes are kept for other nodes, with redis-bus = 10", n)
	}
	// The channels of another prefix are others, so their clients may be told that these are closed.
	rewrite(base + "redis-prefix = \"other:\"\n")
	if said, err := s.upgrade(); err != nil {
		t.Fatalf("another prefix: %v: %s", err, said)
	}
	until(t, func() bool { return get(t, s.admin, "/readyz").status == 200 })
	if secret := r.must("GET", "other:secret"); secret == "" || secret != r.must("GET", "ccomet:secret") {
		t.Errorf("another secret is stored with the new prefix: %q", secret)
	}
	rewrite(base + "redis-partitions = 3\nredis-prefix = \"other:\"\n")
	if said, err := s.upgrade(); err == nil || !strings.Contains(said, "1 partitions, not 3") {
		t.Errorf("other partitions: %v: %s", err, said)
	}
	if strings.Contains(s.logged(), "secret of the cluster has been lost") {
		t.Error(s.logged())
	}
}
