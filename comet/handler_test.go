package comet

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
	"ccomet/httplite"
)

// gate is a handler that reports each request, and answers when it is told to.
type gate struct {
	asked chan *http.Request
	open  chan string
}

func newGate() *gate { return &gate{make(chan *http.Request, 16), make(chan string)} }

func (g *gate) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	g.asked <- req
	select {
	case text := <-g.open:
		w.Header().Set("Content-Type", asText)
		_, _ = io.WriteString(w, text)
	case <-req.Context().Done():
		http.Error(w, "cut short", http.StatusServiceUnavailable)
	}
}

// next returns the next request to the gate.
func (g *gate) next(t testing.TB) *http.Request {
	t.Helper()
	select {
	case req := <-g.asked:
		return req
	case <-time.After(hangTimeout):
		t.Fatal("the handler was never asked")
		return nil
	}
}

func closes(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(hangTimeout):
		t.Fatalf("this did not happen in time: %s", what)
	}
}

// describing answers with a description of the request.
func describing(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", asText)
		fmt.Fprintf(w, "%s: %s %s %s %s %q %q", name, req.Method, req.URL.Path, req.URL.RawQuery, req.Host, req.Header.Get("Accept"), req.FormValue("a"))
	})
}

func TestHandlers(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		srv := startWire(t, Config{Loops: loops, Handlers: map[string]http.Handler{
			"/m": describing("m"), "/t/": describing("t"), "/t/u/": describing("u"), "/t/v": describing("v"),
			"/made": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				w.Header()["X-A"] = []string{"1", "2\r\nX-B: 3"}
				w.Header().Set("Content-Length", "1")
				w.Header().Set("Connection", "upgrade")
				w.WriteHeader(http.StatusTeapot)
				w.WriteHeader(http.StatusOK)
				_, _ = io.WriteString(w, "<html>")
			}),
			"/none": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
			"/fails": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.WriteString(w, "half")
				panic("why")
			}),
			"/long": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				for range web.MaxHandled/4096 + 1 {
					_, _ = w.Write(make([]byte, 4096))
				}
			}),
		}})
		more := []string{closing}
		if minor == 0 {
			more = nil
		}
		for _, r := range []struct{ target, status, contentType, body, header string }{
			{"/m?a=%31&b", ok200, asText, `m: GET /m a=%31&b h "x/y" "1"`, ""},
			{"/m/", gone, asText, "no such path: /m/\n", ""},
			{"/t/", ok200, asText, `t: GET /t/  h "x/y" ""`, ""},
			{"/t/a%20b/c", ok200, asText, `t: GET /t/a b/c  h "x/y" ""`, ""},
			{"/t/u", ok200, asText, `t: GET /t/u  h "x/y" ""`, ""},
			{"/t/u/w", ok200, asText, `u: GET /t/u/w  h "x/y" ""`, ""},
			{"/t/v", ok200, asText, `v: GET /t/v  h "x/y" ""`, ""},
			{"/t", gone, asText, "no such path: /t\n", ""},
			{"/made", "418 I'm a teapot", asHTML, "<html>", "X-A: 1\r\nX-A: 2  X-B: 3\r\n"},
			{"/none", ok200, asText, "", ""},
			{"/fails", "500 Internal Server Error", asText, "the handler of this path failed: see the log\n", ""},
			{"/long", "500 Internal Server Error", asText, "the answer is longer than 16777216 bytes: ask for less, or for a shorter time\n", ""},
		} {
			if r.status == "418 I'm a teapot" {
				r.status = "418 " + httplite.StatusText(418)
			}
			got := srv.talk(conn.Admin, reqGet(minor, r.target, "Accept: x/y\r\n", closing))
			same(t, got, answer(r.status, r.contentType, r.body, append(more[:len(more):len(more)], r.header)...))
		}
		head := srv.talk(conn.Admin, "HEAD /m HTTP/1.0\r\n\r\n")
		full := answer(ok200, asText, `m: HEAD /m   "" ""`)
		same(t, head, full[:strings.Index(full, "m: HEAD")])
		same(t, srv.talk(conn.Admin, reqForm(minor, "/m", "a=1", closing)),
			answer("405 Method Not Allowed", asText, "method not allowed here: want GET, HEAD, OPTIONS\n", append(more, "Allow: GET, HEAD, OPTIONS\r\n")...))
		same(t, srv.talk(conn.Front, reqGet(minor, "/m", closing)), answer(gone, asText, "no such path: /m: the admin side has it\n", more...))
	})
}

// Answers come in the order of the requests, whenever the handler returns.
func TestHandlersInOrder(t *testing.T) {
	g, h := newGate(), newGate()
	srv := startWire(t, Config{Loops: 3, Handlers: map[string]http.Handler{"/g": g, "/h": h}})
	c := srv.dial(conn.Admin)
	c.send(reqGet(1, "/healthz") + reqGet(1, "/g") + reqGet(1, "/push?cname=a&content=x&ack=1") + reqGet(1, "/h") + reqGet(1, "/check?cname=a"))
	c.expect(answer(ok200, asText, "ok"))
	g.next(t)
	h.next(t)
	h.open <- "second"
	srv.until("the other is written down", func() bool { return srv.ask("/check?cname=a") == `{"a": 1}`+"\n" })
	g.open <- "first"
	c.expect(answer(ok200, asText, "first") + answer(ok200, asJSON, `{"type":"ok","seq":1}`+"\n") +
		answer(ok200, asText, "second") + answer(ok200, asJSON, `{"a": 1}`+"\n"))
	c.send(reqGet(1, "/g", closing))
	g.next(t)
	g.open <- "last"
	same(t, c.rest(), answer(ok200, asText, "last", closing))
}

func TestTooManyHandlers(t *testing.T) {
	g := newGate()
	srv := startWire(t, Config{Loops: 3, Handlers: map[string]http.Handler{"/g": g}})
	var waiting []*wireConn
	for range web.MaxHandling {
		c := srv.dial(conn.Admin)
		c.send(reqGet(1, "/g"))
		g.next(t)
		waiting = append(waiting, c)
	}
	full := answer("503 Service Unavailable", asText, "too many requests of this kind are under way: at most 4\n", closing, "Retry-After: 5\r\n")
	same(t, srv.talk(conn.Admin, reqGet(1, "/g", closing)), full)
	g.open <- "x"
	g.open <- "x"
	srv.until("two are through", func() bool { return srv.totals.Handling.Load() == web.MaxHandling-2 })
	g.open <- "x"
	g.open <- "x"
	for _, c := range waiting {
		c.expect(answer(ok200, asText, "x"))
	}
	srv.until("all are through", func() bool { return srv.totals.Handling.Load() == 0 })
	c := srv.dial(conn.Admin)
	c.send(reqGet(1, "/g"))
	g.next(t)
	g.open <- "y"
	c.expect(answer(ok200, asText, "y"))
	for _, c := range append(waiting, c) {
		c.Close()
	}
}

// A client gets a long answer at its own pace, and the request counts until it
// has been sent.
func TestLongHandled(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), web.MaxHandled/16)
	srv := startWire(t, Config{Loops: 1, MaxHeldBytes: 1, Handlers: map[string]http.Handler{
		"/long": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", asText)
			_, _ = w.Write(body)
		}),
	}})
	c := srv.dial(conn.Admin)
	c.send(reqGet(1, "/long") + reqGet(1, "/healthz") + reqGet(1, "/long") + reqGet(1, "/long", closing))
	srv.until("they are made", func() bool { return srv.totals.Handling.Load() == 3 })
	long := answer(ok200, asText, string(body))
	c.expect(long + answer(ok200, asText, "ok") + long)
	same(t, c.rest(), answer(ok200, asText, string(body), closing))
	c.Close()
	srv.until("it is gone", func() bool { return srv.totals.Handling.Load() == 0 })
}

// If a client ends its side, the handler is told, and its answer is sent.
func TestHandlerOfWhoEnds(t *testing.T) {
	g := newGate()
	st := newStage(t, Config{Loops: 1, Handlers: map[string]http.Handler{"/g": g}})
	p := st.enter(0, conn.Admin)
	p.send(reqGet(1, "/g"))
	req := g.next(t)
	p.half()
	st.settle()
	closes(t, "the handler is told", req.Context().Done())
	st.until("it is answered", func() bool { return st.srv.totals.Handling.Load() == 0 })
	same(t, p.take(), answer("503 Service Unavailable", asText, "cut short\n"))
}

// A client whose connection replaces one that has gone gets nothing of that
// one's answer.
func TestHandlerOutlivesItsClient(t *testing.T) {
	release, asked := make(chan struct{}), make(chan *http.Request, 2)
	srv := startWire(t, Config{Loops: 1, Handlers: map[string]http.Handler{
		"/deaf": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked <- req
			<-release
			_, _ = io.WriteString(w, "for "+req.FormValue("who"))
		}),
	}})
	c := srv.dial(conn.Admin)
	c.send(reqGet(1, "/deaf?who=a"))
	req := <-asked
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	srv.until("it has gone", func() bool { return srv.open() == 0 })
	closes(t, "the handler is told", req.Context().Done())
	d := srv.dial(conn.Admin)
	d.send(reqGet(1, "/check?cname=a") + reqGet(1, "/deaf?who=b", closing))
	d.expect(answer(ok200, asJSON, "{}\n"))
	<-asked
	if n := srv.totals.Handling.Load(); n != 2 {
		t.Errorf("%d requests are with handlers: want 2, since none has returned", n)
	}
	close(release)
	same(t, d.rest(), answer(ok200, asText, "for b", closing))
	srv.until("both are forgotten", func() bool { return srv.totals.Handling.Load() == 0 })
	d.Close()
}

// A handler may take longer than a request may.
func TestSlowHandler(t *testing.T) {
	g := newGate()
	st := newStage(t, Config{Loops: 1, Handlers: map[string]http.Handler{"/g": g}})
	p := st.enter(0, conn.Admin)
	p.send(reqGet(1, "/g"))
	g.next(t)
	for range 5 {
		st.later(11 * time.Second)
	}
	g.open <- "at last"
	st.until("it is answered", func() bool { return st.srv.totals.Handling.Load() == 0 })
	if got := p.body(); got != "at last" {
		t.Errorf("%q", got)
	}
}

func TestHandlersAreBarred(t *testing.T) {
	g := newGate()
	srv := startWire(t, Config{Loops: 1, AdminDeny: []string{"127.0.0.1"}, Handlers: map[string]http.Handler{"/g/": g}})
	same(t, srv.talk(conn.Admin, reqGet(1, "/g/x", closing)), answer("403 Forbidden", asText, "127.0.0.1 is not allowed here\n", closing))
	if len(g.asked) > 0 {
		t.Error("the handler was asked")
	}
}

// The server ends without waiting for a handler that ignores its context.
func TestStopWithHandlers(t *testing.T) {
	for _, d := range []time.Duration{0, time.Nanosecond} {
		asked, release := make(chan *http.Request), make(chan struct{})
		srv, err := New(Config{Loops: 2, AdminHosts: []string{"h"}, Front: []string{"127.0.0.1:0"}, Admin: []string{"127.0.0.1:0"}, Handlers: map[string]http.Handler{
			"/deaf": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { asked <- req; <-release }),
		}})
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		w := &wireServer{Server: srv, root: t, t: t}
		w.dial(conn.Admin).send(reqGet(1, "/deaf"))
		req := <-asked
		srv.Drain(d)
		if err := srv.Wait(); err != nil {
			t.Error(err)
		}
		closes(t, "the handler is told", req.Context().Done())
		close(release)
	}
}

// A server that drains lets handlers finish, and their answers be read.
func TestDrainWithHandlers(t *testing.T) {
	g := newGate()
	st := newStage(t, Config{Loops: 1, Handlers: map[string]http.Handler{"/g": g}})
	p := st.enter(0, conn.Admin)
	p.send(reqGet(1, "/g"))
	g.next(t)
	st.srv.Drain(time.Minute)
	st.until("it is answered", func() bool { return st.srv.totals.Handling.Load() == 0 })
	if got := p.body(); got != "cut short\n" {
		t.Errorf("%q", got)
	}
}

func TestPanicIsLogged(t *testing.T) {
	var log bytes.Buffer
	st := newStage(t, Config{Loops: 1, Log: zerolog.New(&log), Handlers: map[string]http.Handler{
		"/p": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("what it says") }),
	}})
	p := st.enter(0, conn.Admin)
	p.send(reqGet(1, "/p"))
	st.until("it is answered", func() bool { return st.srv.totals.Handling.Load() == 0 })
	if text := log.String(); !strings.Contains(text, `"panic":"what it says"`) || !strings.Contains(text, `"path":"/p"`) || !strings.Contains(text, "handler_test.go") {
		t.Errorf("%s", text)
	}
	p.take()
	p.send(reqGet(1, "/healthz"))
	same(t, p.take(), answer(ok200, asText, "ok")) // the connection can be used as before
}

func TestBadHandlers(t *testing.T) {
	ok := describing("x")
	for _, r := range []struct {
		cfg  Config
		want string
	}{
		{Config{Handlers: map[string]http.Handler{"/push": ok}}, "/push: the admin side has that path already"},
		{Config{Handlers: map[string]http.Handler{"m": ok}}, `"m": a path begins with /`},
		{Config{Handlers: map[string]http.Handler{"/m": nil}}, "handler of path /m is nil"},
		{Config{Handlers: map[string]http.Handler{"/m": ok}, Public: map[string]string{"/x": "/m"}}, "public path /x: /m is for the admin side alone"},
	} {
		if _, err := newServer(r.cfg); err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("wanted %q: %v", r.want, err)
		}
	}
}
