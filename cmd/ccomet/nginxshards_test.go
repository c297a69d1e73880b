package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Several servers, each with a share of the channels, behind a real nginx with the
// configuration for users (demo/nginx-shards.conf).

// shards are three servers and nginx in front of them.
type shards struct {
	*proxy
	nodes   []*process
	replace []string
	front   way // with TLS and HTTP/1.1
	admin   string
}

func newShards(t *testing.T, flags ...string) *shards {
	t.Helper()
	s := &shards{proxy: newProxy(t)}
	s.admin = s.old
	s.replace = []string{"listen 127.0.0.1:8200", "listen " + s.admin}
	for i := range 3 {
		p := start(t, nil, append([]string{"--front", reserve(t), "--admin", reserve(t)}, flags...)...)
		s.nodes = append(s.nodes, p)
		s.replace = append(s.replace, fmt.Sprintf("10.0.0.%d:8100", i+1), p.front, fmt.Sprintf("10.0.0.%d:8000", i+1), p.admin)
	}
	s.run("nginx-shards.conf", s.replace)
	s.front = s.ways()[1]
	return s
}

// holder returns the number of the only server that has a channel.
func (s *shards) holder(t *testing.T, cname string) int {
	t.Helper()
	at := -1
	for i, p := range s.nodes {
		if get(t, p.admin, "/check?cname="+cname).body != "{}\n" {
			if at >= 0 {
				t.Errorf("%s is at servers %d and %d", cname, at, i)
			}
			at = i
		}
	}
	if at < 0 {
		t.Fatalf("%s is at no server", cname)
	}
	return at
}

// elsewhere returns the name of a channel of another server, with this prefix.
func (s *shards) elsewhere(t *testing.T, than int, begins string) string {
	t.Helper()
	for n := range 1000 {
		cname := begins + itoa(n)
		get(t, s.admin, "/push?content=x&cname="+cname)
		if s.holder(t, cname) != than {
			return cname
		}
	}
	t.Fatal("all channels are on one server")
	return ""
}

// decode parses an answer that is JSON.
func decode(t *testing.T, a answer, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
}

// lines returns the lines of an endless response.
func (s *shards) lines(t *testing.T, path string) *bufio.Reader {
	t.Helper()
	return bufio.NewReader(s.front.get(t, path).Body)
}

// TestNginxShards: publishers and subscribers of a channel meet, whichever channel it is; each
// server has its share. A name that needs escapes has one valid spelling.
func TestNginxShards(t *testing.T) {
	t.Parallel()
	s := newShards(t)
	const channels = 60
	streams := map[string]io.Reader{}
	for n := range channels {
		name := "room/" + itoa(n) + ":é {x y} ~" // its braces do not select the server, because they contain a space
		streams[name] = s.front.get(t, "/stream?cname="+strings.ReplaceAll(url.QueryEscape(name), "+", "%20")).Body
	}
	for name, stream := range streams {
		expect(t, stream, object("next_seq", name, 1, "")+"\n")
		query := "cname=" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
		for n, publish := range []func() answer{
			func() answer { return get(t, s.admin, "/push?content=1&"+query) },
			func() answer { return post(t, s.admin, "/push?"+query, url.Values{"content": {"2"}}) },
			func() answer {
				resp, err := client.Post("http://"+s.admin+"/push?"+query, "text/plain", strings.NewReader("3"))
				return read(t, resp, err)
			},
		} {
			if a := publish(); a.status != 200 {
				t.Fatalf("%s: %v", name, a)
			}
			expect(t, stream, object("data", name, n+1, itoa(n+1))+"\n")
		}
	}
	for i, p := range s.nodes {
		var share struct{ Channels int }
		decode(t, get(t, p.admin, "/info"), &share)
		if share.Channels == 0 || share.Channels == channels {
			t.Errorf("server %d has %d of %d channels", i, share.Channels, channels)
		}
	}
	// Messages, histories, event streams and WebSockets of a channel are at its server.
	get(t, s.admin, "/push?cname=a&content=hello")
	for path, want := range map[string]string{"/sub?cname=a&seq=1": `"hello"`, "/history?cname=a": `"hello"`, "/ping": "sub_timeout"} {
		if a := read(t, s.front.get(t, path), nil); !strings.Contains(a.body, want) {
			t.Errorf("%s: %v", path, a)
		}
	}
	for _, c := range [][2]string{{"/info", `"subscribers": 0`}, {"/check", `"a": 1`}, {"/explain", `"next": 2`}, {"/sign", `"token"`}, {"/clear", "ok"}, {"/close", "ok"}} {
		if a := get(t, s.admin, c[0]+"?cname=a"); !strings.Contains(a.body, c[1]) {
			t.Errorf("%s: %v", c[0], a)
		}
	}
}

// TestNginxShardsRefused: a request that cannot go to one server is refused with a reason.
func TestNginxShardsRefused(t *testing.T) {
	t.Parallel()
	s := newShards(t)
	const nameless, several, escape = "must have cname", "several channels", "in the name of a parameter"
	for query, want := range map[string]string{
		"": nameless, "?x=1": nameless, "?cname=": nameless, "?cname=a+b": nameless, "?cname=a:b": nameless, "?cname=a%3ab": nameless,
		"?cname=%61": nameless, "?cname=a!": nameless, "?cname=a%21": nameless, "?cname=%7E": nameless, "?cname=%00": nameless, "?cname=é": nameless,
		"?cname=a&cname=b": several, "?CNAME=a&cname=b": several, "?cname=a&seq=1&cname=a": several,
		"?cname=%7Ba%7Dx&cname=%7Bb%7Dx": several, "?cname=%7Ba%7Dx&cname=x": several, "?cname=x&cname=%7Ba%7Dx": several,
		"?cname=%7Ba%7Dx&CNAME=%7Ba%7Dx": several, "?cname=%7Ba%7Dx&cname=%7Bb%7D%7Ba%7Dx": several, "?cname=%7Ba%7D&cname=%7Ba%7D&cname=b": several,
		"?%63name=a&cname=b": escape, "?cname=a&cn%61me=b": escape, "?cname=a&%63name": escape,
	} {
		for _, path := range []string{"/sub", "/stream", "/sse", "/ws", "/history"} {
			if a := read(t, s.front.get(t, path+query), nil); a.status != 400 || !strings.Contains(a.body, want) {
				t.Errorf("%s%s: %v", path, query, a)
			}
		}
		for _, path := range []string{"/push", "/pub", "/sign", "/close", "/clear", "/check", "/info", "/explain"} {
			if a := get(t, s.admin, path+query); a.status != 400 || !strings.Contains(a.body, want) {
				t.Errorf("%s%s: %v", path, query, a)
			}
		}
	}
	for _, path := range []string{"/broadcast?content=x", "/psub", "/publish", "/metrics", "/pushed?cname=a", "/push/../broadcast?cname=a&content=b"} {
		if a := get(t, s.admin, path); a.status != 400 || !strings.Contains(a.body, "ask each server") {
			t.Errorf("%s: %v", path, a)
		}
	}
	for i, p := range s.nodes {
		if a := get(t, p.admin, "/info"); !strings.Contains(a.body, `"channels": 0`) {
			t.Errorf("server %d got some: %v", i, a)
		}
	}
}

// TestNginxShardsTogether: channels with the same text in braces share a connection, also on a
// WebSocket that joins them later. With tokens, a channel of another server is refused there.
func TestNginxShardsTogether(t *testing.T) {
	t.Parallel()
	s := newShards(t, "--auth", "token", "--secret", "of all")
	token := func(cname string) string {
		var signed struct{ Token string }
		decode(t, get(t, s.admin, "/sign?cname="+cname), &signed)
		return signed.Token
	}
	news, chat := token("%7Bu-7%7Dnews"), token("%7Bu-7%7Dchat")
	stream := s.lines(t, "/stream?cname=%7Bu-7%7Dnews&seq=0&token="+news+"&cname=%7Bu-7%7Dchat&token="+chat)
	for range 2 { // in any order
		if line, err := stream.ReadString('\n'); err != nil || !strings.Contains(line, `"next_seq"`) {
			t.Fatalf("%q, %v", line, err)
		}
	}
	get(t, s.admin, "/push?cname=%7Bu-7%7Dchat&content=x")
	expect(t, stream, object("data", "{u-7}chat", 1, "x")+"\n")
	at := s.holder(t, "%7Bu-7%7Dnews")
	foreign := s.elsewhere(t, at, "foreign")
	signed := token(foreign)
	socket := dialWebSocket(t, "wss://"+s.current+"/comet/ws?cname=%7Bu-7%7Dnews&token="+news, &tls.Config{RootCAs: s.roots}, nil)
	socket.expect(object("next_seq", "{u-7}news", 1, ""))
	socket.ask(`{"op":"sub","cname":"{u-7}chat","seq":1,"token":"`+chat+`"}`, `{"type":"ok","cname":"{u-7}chat","seq":1}`, object("data", "{u-7}chat", 1, "x"))
	socket.ask(`{"op":"sub","cname":"`+foreign+`","token":"`+signed+`","id":7}`, `{"type":"401","cname":"`+foreign+`","seq":0,"content":"Token error","id":7}`)
}

// TestNginxShardsAway: if a server is down, only its channels are unavailable. It continues
// with its state when it is back.
func TestNginxShardsAway(t *testing.T) {
	t.Parallel()
	s := newShards(t)
	state := filepath.Join(t.TempDir(), "state")
	old := s.nodes[0]
	old.stop(syscall.SIGTERM)
	flags := []string{"--front", old.front, "--admin", old.admin, "--state", state, "--drain-time", "0.2"}
	p := start(t, nil, flags...)
	s.nodes[0] = p
	here := ""
	for n := 0; here == ""; n++ {
		cname := "c" + itoa(n)
		get(t, s.admin, "/push?content=one&cname="+cname)
		if s.holder(t, cname) == 0 {
			here = cname
		}
	}
	there := s.elsewhere(t, 0, "t")
	stream := s.lines(t, "/stream?cname="+there)
	if _, err := stream.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p.stop(syscall.SIGTERM)
	for range 3 { // nginx does not try another server
		if a := get(t, s.admin, "/push?content=lost&cname="+here); a.status != http.StatusBadGateway {
			t.Errorf("a publish: %v", a)
		}
		if a := read(t, s.front.get(t, "/sub?cname="+here), nil); a.status != http.StatusBadGateway {
			t.Errorf("a poll: %v", a)
		}
		s.front.later(t, here)
	}
	get(t, s.admin, "/push?content=two&cname="+there)
	expect(t, stream, object("data", there, 2, "two")+"\n")
	start(t, nil, flags...)
	if a := get(t, s.admin, "/push?ack=1&content=two&cname="+here); a.body != `{"type":"ok","seq":2}`+"\n" {
		t.Errorf("when it is back: %v", a)
	}
	if a := read(t, s.front.get(t, "/sub?seq=1&cname="+here), nil); !strings.Contains(a.body, `"one"`) || !strings.Contains(a.body, `"two"`) {
		t.Errorf("when it is back: %v", a)
	}
}

// TestNginxShardsMoved: after a change of the table, nginx closes old connections, so that each
// client reconnects to the new server of its channel.
func TestNginxShardsMoved(t *testing.T) {
	t.Parallel()
	s := newShards(t)
	get(t, s.admin, "/push?cname=a&content=one")
	at := s.holder(t, "a")
	stream := s.lines(t, "/stream?cname=a")
	if _, err := stream.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	names := []string{"one", "two", "three"}
	to := names[(at+1)%3]
	replace := slices.Clone(s.replace)
	for _, name := range names { // all are at one server
		replace = append(replace, "5% "+name+";", "5% "+to+";")
	}
	s.configure("nginx-shards.conf", append(replace, "* two;", "* "+to+";", "worker_shutdown_timeout 5s", "worker_shutdown_timeout 100ms"))
	s.giveAway()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(stream); err == nil || os.IsTimeout(err) {
		t.Errorf("an old stream: %q, %v: want it cut", got, err)
	}
	s.front.client.CloseIdleConnections()
	until(t, func() bool {
		get(t, s.admin, "/push?cname=a&content=two")
		return get(t, s.nodes[(at+1)%3].admin, "/check?cname=a").body != "{}\n"
	})
	if a := read(t, s.front.get(t, "/sub?seq=1&cname=a"), nil); !strings.Contains(a.body, `"two"`) || strings.Contains(a.body, `"one"`) {
		t.Errorf("after the move: %v", a)
	}
}
