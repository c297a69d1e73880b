package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// Failures of Redis and of nodes, and their effect on clients.

// said is an object of a stream.
type said struct {
	Type, Content, Epoch string
	Seq                  int
}

// next returns the next object of a stream except noops.
func next(t *testing.T, stream *bufio.Reader) (s said) {
	t.Helper()
	for {
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ends: %q, %v", line, err)
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if s.Type != "noop" {
			return s
		}
	}
}

// refuses waits until a node refuses a publish, as it must while Redis cannot be reached.
func (s *sharing) refuses(node int, cname string) {
	s.t.Helper()
	var a answer
	untilOr(s.t, func() bool {
		a = post(s.t, s.nodes[node].admin, "/push", url.Values{"cname": {cname}, "content": {"refused"}})
		return a.status == http.StatusServiceUnavailable
	}, func() string { return fmt.Sprintf("it goes on publishing: %v", a) })
	if a.header.Get("Retry-After") == "" {
		s.t.Errorf("without Retry-After: %v", a)
	}
	var ready answer
	untilOr(s.t, func() bool {
		ready = get(s.t, s.nodes[node].admin, "/readyz")
		return ready.status == http.StatusServiceUnavailable && strings.Contains(strings.ToLower(ready.body), "redis")
	}, func() string { return fmt.Sprintf("/readyz: %v", ready) })
	if a := get(s.t, s.nodes[node].admin, "/healthz"); a.status != http.StatusOK {
		s.t.Errorf("/healthz: %v", a)
	}
}

// figure returns the value of a metric of a node.
func (s *sharing) figure(node int, name string) (value float64) {
	s.t.Helper()
	text := get(s.t, s.nodes[node].admin, "/metrics").body
	_, rest, found := strings.Cut(text, "\n"+name+" ")
	if _, err := fmt.Sscan(rest, &value); !found || err != nil {
		s.t.Fatalf("%s: %v: %.1000s", name, err, text)
	}
	return value
}

// publishes waits until a node accepts publishes again, and returns the number.
func (s *sharing) publishes(node int, cname, content string) (seq int) {
	s.t.Helper()
	var a answer
	untilOr(s.t, func() bool {
		a = post(s.t, s.nodes[node].admin, "/push?ack=1", url.Values{"cname": {cname}, "content": {content}})
		return a.status == http.StatusOK
	}, func() string { return fmt.Sprintf("it does not publish: %v", a) })
	var answered struct{ Seq int }
	decode(s.t, a, &answered)
	return answered.Seq
}

// TestClusterAway: while Redis does not answer, subscribers keep waiting and get heartbeats,
// stored messages are served, and publishes are refused. The first message afterwards has the
// next number.
func TestClusterAway(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2, "--polling-timeout", "1")
	stream := s.stream(1, "/stream?cname=a")
	if m := next(t, stream); m.Type != "next_seq" || m.Seq != 1 {
		t.Fatalf("%+v", m)
	}
	s.nodes[0].push("a", "before")
	if m := next(t, stream); m.Content != "before" {
		t.Fatalf("%+v", m)
	}
	s.pause()
	s.refuses(0, "a")
	s.refuses(1, "a")
	if s.figure(0, "ccomet_cluster_ready") != 0 || s.figure(0, "ccomet_cluster_refused_total") == 0 {
		t.Error("metrics meanwhile: ready, or no publish was refused")
	}
	for beats := 0; beats < 2; { // it stays open
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatalf("while Redis is away the stream ends: %v", err)
		}
		if strings.Contains(line, `"noop"`) {
			beats++
		}
	}
	if a := get(t, s.nodes[1].front, "/history?cname=a"); !strings.Contains(a.body, `"content":"before"`) {
		t.Errorf("a node does not serve its messages while Redis is away: %v", a)
	}
	s.goOn()
	seq := s.publishes(0, "a", "after")
	for m := next(t, stream); m.Content != "after"; m = next(t, stream) { // a refused message may have been numbered nevertheless
		if m.Type != "data" || m.Content != "refused" {
			t.Fatalf("%+v", m)
		}
	}
	if seq < 2 {
		t.Errorf("got number %d afterwards", seq)
	}
	for node := range 2 {
		untilOr(t, func() bool {
			return get(t, s.nodes[node].admin, "/readyz").status == http.StatusOK && s.figure(node, "ccomet_cluster_ready") == 1
		}, func() string { return "it is not ready again" })
	}
}

// TestClusterRedisRestarts: Redis is killed, and restarts with its data or without. All clients
// continue, no number is given twice, and clients that ask are told about lost messages.
func TestClusterRedisRestarts(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]bool{"with its file": false, "empty": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSharing(t, 2)
			if !empty {
				s.must("CONFIG", "SET", "appendonly", "yes")
				s.must("CONFIG", "SET", "appendfsync", "always")
				s.args = append(s.args, "--appendonly", "yes")
				until(t, func() bool { return strings.Contains(s.must("INFO", "persistence"), "aof_rewrite_in_progress:0") })
			}
			stream := s.stream(1, "/stream?cname=a&lost=1&epoch=")
			last := 0
			if m := next(t, stream); m.Type != "next_seq" {
				t.Fatalf("%+v", m)
			}
			for n := range 3 {
				if last = s.numbered(n%2, "a", itoa(n)); next(t, stream).Seq != last {
					t.Fatalf("got another message than number %d", last)
				}
			}
			generation := s.figure(0, "ccomet_cluster_generation")
			s.kill()
			s.refuses(0, "a")
			s.redis.start()
			seq := s.publishes(0, "a", "after")
			if seq <= last {
				t.Errorf("number %d is given again, after %d", seq, last)
			}
			untilOr(t, func() bool { return s.figure(0, "ccomet_cluster_generation") > generation }, func() string { return "the metrics know of no other generation" })
			m := next(t, stream)
			if m.Type == "lost" {
				m = next(t, stream)
			} else if seq != last+1 {
				t.Errorf("there is a gap from %d to %d that was not reported: %+v", last, seq, m)
			}
			if m.Content != "after" || m.Seq != seq {
				t.Errorf("%+v, want number %d", m, seq)
			}
			if n := s.publishes(1, "a", "more"); n <= seq { // it may have noticed later than the other
				t.Errorf("then number %d, after %d", n, seq)
			}
		})
	}
}

// TestClusterNodeKilled: a node is killed. Its clients continue at another node, with their
// numbers and epochs, and miss nothing. The node restarts, and has all messages published
// meanwhile.
func TestClusterNodeKilled(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2)
	s.numbered(0, "a", "one")
	stream := s.stream(1, "/stream?cname=a&seq=1&epoch=&lost=1")
	m := next(t, stream)
	if m.Content != "one" || m.Epoch == "" {
		t.Fatalf("%+v", m)
	}
	s.nodes[1].kill()
	s.numbered(0, "a", "two")
	again := s.stream(0, "/stream?cname=a&seq=2&lost=1&epoch="+m.Epoch)
	if m := next(t, again); m.Content != "two" || m.Seq != 2 {
		t.Errorf("at the other node: %+v", m)
	}
	s.nodes = s.nodes[:1]
	s.join() // of the same name
	back := s.stream(1, "/stream?cname=a&seq=2&lost=1&epoch="+m.Epoch)
	if m := next(t, back); m.Content != "two" || m.Seq != 2 {
		t.Errorf("at the restarted node: %+v", m)
	}
	if n := s.numbered(1, "a", "three"); n != 3 {
		t.Errorf("number %d, want 3", n)
	}
	for _, stream := range []*bufio.Reader{again, back} {
		if m := next(t, stream); m.Content != "three" {
			t.Errorf("%+v", m)
		}
	}
}

// waiting runs a node that does not serve yet.
func waiting(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(env, append([]string{"serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...), ended: make(chan error, 1)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	go p.read(stderr, make(chan struct{}))
	return p
}

// TestClusterWaitsForRedis: a node that starts without Redis reports that, and serves as soon
// as Redis is available. A signal stops it before.
func TestClusterWaitsForRedis(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	r.kill()
	ends, serves := waiting(t, nil, "--redis", r.url()), waiting(t, nil, "--redis", r.url())
	for _, p := range []*process{ends, serves} {
		untilOr(t, func() bool { return strings.Contains(p.logged(), "waiting for Redis") }, p.logged)
	}
	ends.stop(syscall.SIGTERM)
	r.start()
	untilOr(t, func() bool { return strings.Contains(serves.logged(), `"message":"serving"`) }, serves.logged)
	serves.stop(syscall.SIGTERM)
}

// TestClusterRefused: a problem that waiting cannot solve ends a node immediately, with a
// reason.
func TestClusterRefused(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 1)
	for args, want := range map[string]string{
		"--redis-partitions 4":              "partitions",
		"--state " + t.TempDir() + "/state": "state file",
	} {
		_, stderr, status := runFor(t, nil, append([]string{"serve", "--redis", s.url(), "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "none"}, strings.Fields(args)...)...)
		if status == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %q, want %q", args, status, stderr, want)
		}
	}
}

// TestClusterDialect: channels of CComet's own dialect are shared too.
func TestClusterDialect(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2, "--ccomet", "127.0.0.1:0")
	publish := func(node int, msg string) {
		t.Helper()
		if a := get(t, s.nodes[node].address("ccomet"), "/publish?channel=room&sname=ada&callback=cb&msg="+msg); a.body != `cb('[{"type" : "publish"}]')` {
			t.Errorf("%v", a)
		}
	}
	publish(0, "one")
	asked := make(chan answer)
	subscribe := func(seqid int) {
		resp, err := client.Get("http://" + s.nodes[1].address("ccomet") + "/subscribe?channel=room&sname=bob&callback=cb&seqid=" + itoa(seqid))
		asked <- read(t, resp, err)
	}
	for n, msg := range []string{"one", "two", "three"} { // the later ones are published while bob waits, or just before
		go subscribe(n)
		if n > 0 {
			untilOr(t, func() bool { return strings.Contains(get(t, s.nodes[1].admin, "/info").body, `"subscribers": 1`) }, func() string { return "bob does not wait" })
			publish(0, msg)
		}
		a := <-asked
		if want := fmt.Sprintf(`"msg":"%s","sname":"ada","seqid":"%d","channel":"room"`, msg, n); !strings.Contains(a.body, want) {
			t.Errorf("%v, want %s", a, want)
		}
	}
}
