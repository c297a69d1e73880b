package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ccomet/comet"
)

// These tests run whole servers that share a Redis. They use sockets, as clients do.

type server struct {
	t            testing.TB
	front, admin *http.Client
	srv          *comet.Server
}

// startServer starts a server on sockets of its own.
func startServer(t testing.TB, redis *redisServer, node string, change func(*comet.Config)) *server {
	t.Helper()
	log, err := Open(t.Context(), Config{Redis: redisAt(t, redis.url), Node: node, History: 100, Leases: change != nil, Wait: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	cfg := comet.Config{
		Front: []string{"unix:" + filepath.Join(dir, "front")}, Admin: []string{"unix:" + filepath.Join(dir, "admin")},
		Loops: 2, Cluster: log, AdminHosts: []string{"*"},
	}
	if change != nil {
		change(&cfg)
	}
	srv, err := comet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	s := &server{t, over(filepath.Join(dir, "front")), over(filepath.Join(dir, "admin")), srv}
	t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	s.srv.Stop()
	if err := s.srv.Wait(); err != nil {
		s.t.Error(err)
	}
}

// over returns a client that connects to a socket.
func over(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
}

// ask sends one request, and returns the status and the body.
func ask(t testing.TB, c *http.Client, path string) (int, string) {
	t.Helper()
	answer, err := c.Get("http://server" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// push publishes, and repeats that while Redis does not serve. It returns the number.
func (s *server) push(cname, content string) (seq int32) {
	s.t.Helper()
	waitFor(s.t, "a publish of "+content, func() bool {
		status, body := ask(s.t, s.admin, "/push?ack=1&cname="+url.QueryEscape(cname)+"&content="+url.QueryEscape(content))
		var answer struct{ Seq int32 }
		if status == 200 && json.Unmarshal([]byte(body), &answer) == nil {
			seq = answer.Seq
		} else if status != 503 {
			s.t.Fatalf("a publish is answered %d %q", status, body)
		}
		return status == 200
	})
	return seq
}

// listener is a client that streams one channel.
type listener struct {
	mu    sync.Mutex
	lines []string // "type seq content"
	ended error
}

func (s *server) listen(path string) *listener {
	s.t.Helper()
	answer, err := s.front.Get("http://server" + path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = answer.Body.Close() })
	l := &listener{}
	go func() {
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			var m struct {
				Type, Content string
				Seq           int32
			}
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil || m.Type == "noop" || m.Type == "next_seq" {
				continue
			}
			l.mu.Lock()
			l.lines = append(l.lines, fmt.Sprintf("%s %d %s", m.Type, m.Seq, m.Content))
			l.mu.Unlock()
		}
		l.mu.Lock()
		l.ended = fmt.Errorf("the stream has ended: %v", lines.Err())
		l.mu.Unlock()
	}()
	return l
}

// wants waits until a listener has been sent exactly these messages.
func (l *listener) wants(t testing.TB, want ...string) {
	t.Helper()
	got := ""
	waitFor(t, strings.Join(want, ", "), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		got = strings.Join(l.lines, "\n")
		if !strings.HasPrefix(strings.Join(want, "\n")+"\n", got) && got != "" {
			t.Fatalf("a client was sent\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
		return len(l.lines) == len(want)
	})
}

// TestServers: a message published at any server reaches the clients of all servers, once and in
// order, while Redis serves, is away, and has been emptied.
func TestServers(t *testing.T) {
	redis := startRedis(t)
	var servers []*server
	for _, node := range []string{"a", "b", "c"} {
		servers = append(servers, startServer(t, redis, node, nil))
	}
	var all audience
	for _, s := range servers {
		all.plain = append(all.plain, s.listen("/stream?cname=news&seq=1"))
		all.told = append(all.told, s.listen("/stream?cname=news&seq=1&lost=1"))
	}
	seq := int32(0)
	for n := range 30 {
		if seq = servers[n%3].push("news", fmt.Sprint("m", n)); seq != int32(n+1) {
			t.Fatalf("message %d has number %d", n, seq)
		}
		all.wants(t, fmt.Sprintf("data %d m%d", seq, n))
	}
	if status, body := ask(t, servers[1].admin, "/broadcast?content=all"); status != 200 {
		t.Fatalf("a broadcast is answered %d %q", status, body)
	}
	all.wants(t, "broadcast 31 all")
	if _, body := ask(t, servers[2].front, "/history?cname=news&seq=29"); !strings.Contains(body, `"seq":30,"content":"m29"`) || !strings.Contains(body, `"next":32`) {
		t.Errorf("a history is %q", body)
	}
	waitFor(t, "the counts of all servers", func() bool {
		_, one := ask(t, servers[0].admin, "/info?cname=news")
		_, total := ask(t, servers[0].admin, "/info")
		return strings.Contains(one, `"subscribers": 6`) && strings.Contains(total, `"subscribers": 6`) && strings.Contains(total, `"name": "b"`)
	})
	for n := range 2 {
		seq = emptied(t, redis, servers, n, seq, &all)
	}
	for i, c := range slices.Concat(all.plain, all.told) {
		if c.mu.Lock(); c.ended != nil {
			t.Errorf("client %d: %v", i, c.ended)
		}
		c.mu.Unlock()
	}
	if status, body := ask(t, servers[2].admin, "/close?cname=news"); status != 200 {
		t.Fatalf("a close is answered %d %q", status, body)
	}
	all.wants(t, fmt.Sprintf("close %d ", seq+1))
}

// audience is a group of clients that must get the same messages. Only those in told have asked to be
// told what is lost.
type audience struct {
	plain, told   []*listener
	lines, losses []string // of plain and told
}

// wants waits until each client has got one more line.
func (a *audience) wants(t *testing.T, line string) {
	t.Helper()
	a.lines, a.losses = append(a.lines, line), append(a.losses, line)
	for i := range a.plain {
		a.plain[i].wants(t, a.lines...)
		a.told[i].wants(t, a.losses...)
	}
}

// emptied restarts Redis, which keeps nothing, and publishes the n-th message after such a restart. It
// returns the number of the message.
func emptied(t *testing.T, redis *redisServer, servers []*server, n int, before int32, all *audience) int32 {
	t.Helper()
	redis.kill()
	status, body := 0, ""
	waitFor(t, "a refusal", func() bool {
		status, body = ask(t, servers[0].admin, "/push?cname=news&content=refused")
		return status == 503
	})
	waitFor(t, "/readyz to say so", func() bool {
		status, body = ask(t, servers[0].admin, "/readyz")
		return status == 503 && strings.Contains(body, "publishes are refused: ")
	})
	redis.start()
	content := fmt.Sprint("back", n)
	seq := servers[n].push("news", content)
	if seq-before < 1<<16 {
		t.Fatalf("the number behind %d is %d", before, seq)
	}
	next := before + 1
	if n == 0 {
		next++ // the broadcast
	}
	all.losses = append(all.losses, fmt.Sprintf("lost %d %d-%d", seq, next, seq-1))
	all.wants(t, fmt.Sprintf("data %d %s", seq, content))
	return seq
}

// TestServersTokens: clients of a channel that one server has signed connect to another server.
func TestServersTokens(t *testing.T) {
	redis := startRedis(t)
	auth := func(cfg *comet.Config) { cfg.Auth = comet.AuthToken }
	a, b := startServer(t, redis, "a", auth), startServer(t, redis, "b", auth)
	_, body := ask(t, a.admin, "/sign?cname=news&expires=60")
	var signed struct{ Token string }
	if err := json.Unmarshal([]byte(body), &signed); err != nil || signed.Token == "" {
		t.Fatalf("a sign is answered %q", body)
	}
	client := b.listen("/stream?cname=news&seq=1&token=" + signed.Token)
	if seq := a.push("news", "m1"); seq != 1 {
		t.Fatalf("the first number is %d", seq)
	}
	client.wants(t, "data 1 m1")
	for _, path := range []string{"/poll?cname=other&seq=1&token=" + signed.Token, "/poll?cname=news&seq=1&token=x"} {
		if _, body := ask(t, b.front, path); !strings.Contains(body, `"type":"401"`) {
			t.Errorf("%s is answered %q", path, body)
		}
	}
}
