package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The server behind a real nginx, with the configuration for users.

// behind runs a server with flags, and nginx in front with replacements in its configuration.
func behind(t *testing.T, flags string, replace ...string) (*process, *proxy) {
	t.Helper()
	x := newProxy(t)
	p := start(t, nil, append(strings.Fields(flags), "--front", "127.0.0.1:0", "--front", x.socket())...)
	x.start(p.front, replace...)
	return p, x
}

// waits waits until n subscribers are counted, of one channel if it is named.
func (p *process) waits(t *testing.T, n int, cname string) {
	t.Helper()
	path, want, got := "/info", fmt.Sprintf(`"subscribers": %d}`, n), ""
	if cname != "" {
		path += "?cname=" + cname
	}
	untilOr(t, func() bool {
		got = get(t, p.admin, path).body
		return strings.Contains(got, want)
	}, func() string { return fmt.Sprintf("%s never becomes %s", got, want) })
}

// expect reads exactly these bytes.
func expect(t *testing.T, from io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(from, got); string(got[:n]) != want {
		t.Fatalf("got %.1000q, %v\nwant %.1000q", got[:n], err, want)
	}
}

// object returns a message, or another object of a channel.
func object(kind, cname string, seq int, content string) string {
	return fmt.Sprintf(`{"type":"%s","cname":"%s","seq":%d,"content":"%s"}`, kind, cname, seq, content)
}

// TestNginxHeartbeats: with heartbeats a stream outlives nginx's read timeout. A heartbeat
// comes at most a third of the polling timeout early, so six of them take at least four
// seconds.
func TestNginxHeartbeats(t *testing.T) {
	t.Parallel()
	const long, short = "proxy_read_timeout 60s", "proxy_read_timeout 3s"
	_, x := behind(t, "--polling-timeout 1", long, short)
	_, without := behind(t, "--polling-timeout 60", long, short)
	cuts := without.ways()
	for i, w := range x.ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			cut := cuts[i].get(t, "/stream?cname=a")
			poll := w.begin("/sub?cname=a&noop=7&seq=1")
			stream := w.get(t, "/stream?cname=a")
			expect(t, stream.Body, object("next_seq", "a", 1, "")+"\n")
			for n := range 6 {
				expect(t, stream.Body, object("noop", "a", n, "")+"\n")
			}
			r := <-poll
			if a := read(t, r.resp, r.err); a.body != object("noop", "a", 7, "")+"\n" {
				t.Errorf("a poll: %v", a)
			}
			got, err := io.ReadAll(cut.Body)
			if err == nil || os.IsTimeout(err) || strings.Contains(string(got), "noop") {
				t.Errorf("without heartbeats: %q, %v: want it cut", got, err)
			}
		})
	}
}

// TestNginxAlone: while no server is running, nginx answers a browser's event stream such that
// the browser reconnects, and everything else with 502.
func TestNginxAlone(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "")
	for _, w := range x.ways() {
		expect(t, w.get(t, "/sse?cname=a&seq=0").Body, "retry: ")
	}
	p.stop(syscall.SIGTERM)
	for _, w := range x.ways() {
		w.later(t, "a")
		if a := read(t, w.get(t, "/sub?cname=a"), nil); a.status != 502 {
			t.Errorf("%s: a poll: %v", w.name, a)
		}
	}
}

// TestNginxFull: a full server answers 503 before it reads the request. A browser's event
// stream must reconnect nevertheless.
func TestNginxFull(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--max-connections 1")
	expect(t, open(t, p.front, "/stream?cname=a"), object("next_seq", "a", 1, "")+"\n")
	for _, w := range x.ways() {
		w.later(t, "a")
	}
}

// later expects that nginx answers an event stream with a retry time.
func (w *way) later(t *testing.T, cname string) {
	t.Helper()
	a := read(t, w.get(t, "/sse?seq=1&cname="+cname), nil)
	m := regexp.MustCompile(`^retry: [3579]000\ndata: (.*)\n\n$`).FindStringSubmatch(a.body)
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream; charset=utf-8" || a.header.Get("Cache-Control") != "no-cache" || m == nil {
		t.Errorf("%s: %v", w.name, a)
	} else if want := object("503", "", 0, "the server cannot be reached, or is full"); m[1] != want {
		t.Errorf("%s: %s, want %s", w.name, m[1], want)
	}
}

// TestNginxClientsVanish: when a client disconnects, nginx does too, and the server frees the
// connection.
func TestNginxClientsVanish(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--polling-timeout 3600")
	for _, w := range x.ways() {
		t.Run(w.name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			left := make(chan error)
			for _, path := range []string{"/stream", "/iframe", "/sse", "/sub"} {
				req, err := http.NewRequestWithContext(ctx, "GET", w.url+path+"?cname=a&seq=1", nil)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					resp, err := w.client.Do(req)
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					left <- err
				}()
			}
			p.waits(t, 4, "")
			leave()
			for range 4 {
				if err := <-left; !errors.Is(err, context.Canceled) {
					t.Errorf("a response ended before its client left: %v", err)
				}
			}
			p.waits(t, 0, "")
		})
	}
}

// TestNginxThousands: nginx holds 5,000 streams on each route, and each receives a message.
func TestNginxThousands(t *testing.T) {
	t.Parallel()
	const clients = 5000
	if n := descriptors(t); n < 2*clients+1000 {
		leaveOut(t, fmt.Sprintf("a process may have %d descriptors: nginx needs more for %d clients (ulimit -Hn)", n, clients))
	}
	// The first is silent until the last has connected, however long that takes.
	p, x := behind(t, "--polling-timeout 3600", "proxy_read_timeout 60s", "proxy_read_timeout 3600s")
	for _, w := range x.ways() {
		if w.name == "TLS, HTTP/1.1" {
			continue // a TLS handshake for each client would show nothing more
		}
		t.Run(w.name, func(t *testing.T) {
			client := *w.client
			client.Timeout = 0 // it limits a whole request, and the first lasts longest
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var streams []io.Reader
			for n := range clients {
				req, err := http.NewRequestWithContext(ctx, "GET", w.url+"/stream?cname=all", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatalf("client %d: %v", n, err)
				}
				defer resp.Body.Close()
				expect(t, resp.Body, object("next_seq", "all", 1, "")+"\n")
				streams = append(streams, resp.Body)
			}
			p.waits(t, clients, "all")
			p.push("all", spoken)
			for _, stream := range streams {
				expect(t, stream, object("data", "all", 1, escaped)+"\n")
			}
			cancel()
			p.waits(t, 0, "all")
			get(t, p.admin, "/close?cname=all")
		})
	}
}

// TestNginxRequests: the requests that nginx sends to the server, and its number of
// connections.
func TestNginxRequests(t *testing.T) {
	t.Parallel()
	x := newProxy(t)
	p := start(t, nil)
	old, current := newTap(t, "127.0.0.1:0", p.front), newTap(t, x.socket(), p.front)
	x.start(old.address)
	const requests = 5
	for _, w := range x.ways() {
		for range requests {
			req, err := http.NewRequest("GET", w.url+"/ping?cb=f%28&_=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Cookie": {"a=b"}, "X-Forwarded-For": {"192.0.2.1"}}
			resp, err := w.client.Do(req)
			if a := read(t, resp, err); a.status != 400 || !strings.Contains(a.body, "parameter cb") {
				t.Errorf("%s: %v", w.name, a)
			}
		}
		w.client.CloseIdleConnections()
	}
	for n, text := range old.seen() {
		if !strings.HasPrefix(text, "GET /ping?cb=f%28&_=1 HTTP/1.0\r\n") || strings.Count(text, "GET ") != 1 {
			t.Errorf("as with iComet, connection %d: %q", n, text)
		}
	}
	if n := len(old.seen()); n != requests {
		t.Errorf("as with iComet: %d connections for %d requests", n, requests)
	}
	// HTTP/1.1 and HTTP/2 share connections, but each worker of nginx has its own.
	if n := len(current.seen()); n < 1 || n > 2 {
		t.Errorf("with keep-alive: %d connections for %d requests", n, 2*requests)
	}
	all := strings.Join(current.seen(), "")
	for _, line := range []string{"GET /ping?cb=f%28&_=1 HTTP/1.1\r\n", "\r\nX-Forwarded-For: 127.0.0.1\r\n", "\r\nX-Forwarded-Proto: https\r\n", "\r\nHost: 127.0.0.1\r\n"} {
		if n := strings.Count(all, line); n != 2*requests {
			t.Errorf("%q is there %d times in %q", line, n, all)
		}
	}
	for _, not := range []string{"Cookie", "192.0.2.1", "Connection:"} {
		if strings.Contains(all, not) {
			t.Errorf("%q is there in %q", not, all)
		}
	}
}

// TestNginxPrivate: no path leads through nginx to the admin side.
func TestNginxPrivate(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "")
	for _, w := range x.ways() {
		for _, path := range []string{"/pub", "/push", "/broadcast", "/sign", "/close", "/clear", "/info", "/check", "/psub", "/healthz", "/readyz", "/explain", "/../push", "/%2e%2e/push", "//push"} {
			resp, err := w.client.Get(w.url + path + "?cname=a&content=x")
			if a := read(t, resp, err); a.status != 404 && a.status != 400 {
				t.Errorf("%s %s: %v", w.name, path, a)
			}
		}
	}
	if a := get(t, p.admin, "/check?cname=a"); a.body != "{}\n" {
		t.Errorf("there was a message: %v", a)
	}
}

// TestNginxAccess: the server's access rules apply to the client of nginx, which cannot claim
// another address.
func TestNginxAccess(t *testing.T) {
	t.Parallel()
	_, x := behind(t, "--front-allow 127.0.0.2 --trusted-proxy unix,127.0.0.1")
	for _, w := range x.ways() {
		for _, c := range []struct {
			from string
			want int
		}{{"127.0.0.2", 200}, {"127.0.0.3", 403}} {
			transport := w.client.Transport.(*http.Transport).Clone()
			transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}).DialContext
			req, err := http.NewRequest("GET", w.url+"/ping", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Forwarded-For", "127.0.0.2")
			resp, err := (&http.Client{Transport: transport, Timeout: hangTimeout}).Do(req)
			if a := read(t, resp, err); a.status != c.want {
				t.Errorf("%s from %s: %v", w.name, c.from, a)
			}
			transport.CloseIdleConnections()
		}
	}
}

// TestNginxPorts: over TCP, nginx spreads its connections over several ports of the server,
// which allows more of them.
func TestNginxPorts(t *testing.T) {
	t.Parallel()
	x := newProxy(t)
	p := start(t, nil, strings.Fields(strings.Repeat("--front 127.0.0.1:0 ", 4))...)
	replace := []string{"proxy_pass http://ccomet/", "proxy_pass http://ccomet_tcp/"}
	var taps []*tap
	for i, front := range p.serving["front"].([]any) {
		taps = append(taps, newTap(t, "127.0.0.1:0", front.(string)))
		replace = append(replace, fmt.Sprintf("127.0.0.1:810%d ", i+1), taps[i].address+" ")
	}
	x.start(p.front, replace...)
	w := x.ways()[2]
	var streams []io.Reader
	for range 8 {
		stream := w.get(t, "/stream?cname=a").Body
		expect(t, stream, object("next_seq", "a", 1, "")+"\n")
		streams = append(streams, stream)
	}
	p.push("a", "x")
	for _, stream := range streams {
		expect(t, stream, object("data", "a", 1, "x")+"\n")
	}
	for i, tap := range taps {
		if n := len(tap.seen()); n != 2 {
			t.Errorf("port %d of 4 has %d connections of 8", i, n)
		}
	}
}

// TestNginxRestart: the server restarts behind nginx. Its clients are cut without a regular end
// of their responses, and served again as soon as the server is back.
func TestNginxRestart(t *testing.T) {
	t.Parallel()
	t.Run("unix socket", func(t *testing.T) { t.Parallel(); restart(t, false) })
	t.Run("TCP", func(t *testing.T) { t.Parallel(); restart(t, true) })
}

func restart(t *testing.T, tcp bool) {
	x := newProxy(t)
	flags, replace := []string{"--polling-timeout", "3600", "--drain-time", "1", "--front", x.socket()}, []string(nil)
	if tcp {
		replace = []string{"proxy_pass http://ccomet/", "proxy_pass http://ccomet_tcp/"}
	}
	front := ""
	for port := 8101; port <= 8104; port++ {
		front = reserve(t)
		flags = append(flags, "--front", front)
		replace = append(replace, fmt.Sprintf("127.0.0.1:%d ", port), front+" ")
	}
	p := start(t, nil, flags...)
	x.start(front, replace...)
	ways := x.ways()
	var streams []io.Reader
	for _, w := range ways {
		stream := w.get(t, "/stream?cname=a").Body
		expect(t, stream, object("next_seq", "a", 1, "")+"\n")
		streams = append(streams, stream)
	}
	p.stop(syscall.SIGTERM)
	for i, stream := range streams {
		if got, err := io.ReadAll(stream); err == nil || os.IsTimeout(err) {
			t.Errorf("%s: %q, %v: want it cut", ways[i].name, got, err)
		}
	}
	ping := func(want int) {
		t.Helper()
		for _, w := range ways {
			resp, err := w.client.Get(w.url + "/ping")
			if a := read(t, resp, err); a.status != want {
				t.Errorf("%s: %v, want %d", w.name, a, want)
			}
		}
	}
	ping(502)
	start(t, nil, flags...)
	x.giveAway() // the socket is a new one
	ping(200)
}
