package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hangTimeout turns what hangs into a failure.
const hangTimeout = 3 * time.Minute

// start runs a server until the test ends, and returns its address.
func start(t *testing.T) string {
	t.Helper()
	s, ln, err := newServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- s.loop.Run() }()
	t.Cleanup(func() {
		s.loop.Stop()
		if err := <-ended; err != nil || len(s.subs) != 0 {
			t.Errorf("it ended with %v, and %d subscribers", err, len(s.subs))
		}
	})
	return ln.Addr()
}

// client is one connection.
type client struct {
	*net.TCPConn
	t *testing.T
}

func dial(t *testing.T, address string) client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	return client{c.(*net.TCPConn), t}
}

func (c client) send(request string) {
	c.t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		c.t.Fatal(err)
	}
}

// reads expects these bytes next.
func (c client) reads(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if got := noDate(string(got[:n])); got != want {
		c.t.Fatalf("got %q, %v\nwant %q", got, err, want)
	}
}

// date is the one line that differs from time to time.
var date = regexp.MustCompile(`Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`)

const noDateLine = "Date: Thu, 01 Jan 1970 00:00:00 GMT"

func noDate(s string) string { return date.ReplaceAllLiteralString(s, noDateLine) }

// rest is all that comes until the server ends the connection.
func (c client) rest() string {
	c.t.Helper()
	got, err := io.ReadAll(c)
	if err != nil {
		c.t.Fatalf("%v after %q", err, got)
	}
	return noDate(string(got))
}

func head(status string) string {
	return "HTTP/1.1 " + status + "\r\n" + noDateLine + "\r\nContent-Type: text/plain; charset=utf-8\r\nAllow: GET\r\nConnection: close\r\n"
}

func answer(status, body string) string {
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head(status), len(body), body)
}

// ask sends a request for a path and returns the whole answer.
func ask(t *testing.T, address, path string) string {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	c.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
	return c.rest()
}

func TestStreams(t *testing.T) {
	for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
		t.Run(version, func(t *testing.T) {
			address := start(t)
			sub := dial(t, address)
			sub.send("GET /sub?id=7 " + version + "\r\nHost: a\r\n\r\n")
			sub.reads(head("200 OK") + "\r\n" + `{type: "welcome", id: "7", content: "hello world!"}` + "\n")
			for _, c := range [][2]string{
				{"x", `x`},
				{"a+b%20%26", `a b \u0026`},
				{"%22%5C%0A%01", `\"\\\n\u0001`},
				{"%3C%2Fscript%3E", `\u003c/script\u003e`},
				{"%E2%80%A8%C3%A9%FF", `\u2028é\ufffd`},
				{"", ``},
			} {
				if got, want := ask(t, address, "/pub?id=7&content="+c[0]), answer("200 OK", "ok\n"); got != want {
					t.Fatalf("publish: %q, want %q", got, want)
				}
				sub.reads(`{type: "data", id: "7", content: "` + c[1] + `"}` + "\n")
			}
		})
	}
}

// Ids are each other's strangers, up to the largest.
func TestIDs(t *testing.T) {
	address := start(t)
	ids := []string{"0", "7", "4294967295"}
	var subs []client
	for _, id := range ids {
		c := dial(t, address)
		c.send("GET /sub?id=" + id + " HTTP/1.1\r\nHost: a\r\n\r\n")
		c.reads(head("200 OK") + "\r\n" + `{type: "welcome", id: "` + id + `", content: "hello world!"}` + "\n")
		subs = append(subs, c)
	}
	for i, id := range ids {
		ask(t, address, "/pub?content=x&id="+id)
		subs[i].reads(`{type: "data", id: "` + id + `", content: "x"}` + "\n")
	}
}

func TestRefuses(t *testing.T) {
	address := start(t)
	bad := answer("400 Bad Request", "want id=NUMBER, of 32 bits\n")
	for _, c := range []struct{ request, want string }{
		{"GET /pub?id=7&content=x", answer("404 Not Found", "id: 7 not connected\n")},
		{"GET /other?id=7", answer("404 Not Found", "no such path\n")},
		{"GET /sub", bad},
		{"GET /sub?id=", bad},
		{"GET /sub?id=x", bad},
		{"GET /sub?id=-1", bad},
		{"GET /sub?id=4294967296", bad},
		{"GET /pub?id=7&content=%zz", answer("404 Not Found", "id: 7 not connected\n")}, // it is the text %zz
		{"GET /pub?id=%zz&content=x", bad},
		{"DELETE /sub?id=7", answer("405 Method Not Allowed", "")},
		{"HEAD /sub?id=7", answer("405 Method Not Allowed", "")},
	} {
		client := dial(t, address)
		client.send(c.request + " HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := client.rest(); got != c.want {
			t.Errorf("%s: %q, want %q", c.request, got, c.want)
		}
	}
	for _, request := range []string{
		"nonsense\r\n\r\n",
		"GET /sub?id=7 HTTP/1.1\r\n\r\n",
		"GET /sub?id=7 HTTP/1.1\nHost: a\n\n",
		"GET /sub?id=7 HTTP/2.0\r\nHost: a\r\n\r\n",
		"GET /sub?id=7 HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 20000),
	} {
		client := dial(t, address)
		client.send(request)
		if got := client.rest(); !regexp.MustCompile(`^HTTP/1\.1 (400|431|505) `).MatchString(got) {
			t.Errorf("%.40q: %q", request, got)
		}
	}
}

// A request may come in any pieces.
func TestPieces(t *testing.T) {
	address := start(t)
	request := "GET /sub?id=7 HTTP/1.1\r\nHost: a\r\n\r\n"
	for at := 1; at < len(request); at += 7 {
		c := dial(t, address)
		_ = c.SetNoDelay(true)
		c.send(request[:at])
		ask(t, address, "/") // by when the server has seen the first piece
		c.send(request[at:])
		c.reads(head("200 OK") + "\r\n" + `{type: "welcome", id: "7", content: "hello world!"}` + "\n")
	}
}

// A client that subscribes to a taken id gets it, and the one that had it is cut; when the one
// that is left goes, none is connected.
func TestReplacedAndGone(t *testing.T) {
	address := start(t)
	subscribe := func() client {
		c := dial(t, address)
		c.send("GET /sub?id=7 HTTP/1.0\r\n\r\n")
		c.reads(head("200 OK") + "\r\n" + `{type: "welcome", id: "7", content: "hello world!"}` + "\n")
		return c
	}
	first := subscribe()
	second := subscribe()
	if got := first.rest(); got != "" {
		t.Errorf("the first one gets %q", got)
	}
	if got, want := ask(t, address, "/pub?id=7&content=x"), answer("200 OK", "ok\n"); got != want {
		t.Errorf("publish: %q, want %q", got, want)
	}
	second.reads(`{type: "data", id: "7", content: "x"}` + "\n")
	second.Close()
	gone(t, address)
}

// gone waits until the server knows that 7 is not connected.
func gone(t *testing.T, address string) {
	t.Helper()
	for limit := time.Now().Add(hangTimeout); ; runtime.Gosched() {
		got := ask(t, address, "/pub?id=7&content=x")
		if got == answer("404 Not Found", "id: 7 not connected\n") {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("still connected: %q", got)
		}
	}
}

// A client that does not read is cut when it has left too much, and none waits for it.
func TestSlowReader(t *testing.T) {
	address := start(t)
	slow := dial(t, address)
	slow.send("GET /sub?id=7 HTTP/1.1\r\nHost: a\r\n\r\n")
	published, content := 0, strings.Repeat("x", 8000)
	for ask(t, address, "/pub?id=7&content="+content) == answer("200 OK", "ok\n") {
		published++
		if published > 20000 { // 160 MB: more than any kernel buffers
			t.Fatal("it is never cut")
		}
	}
	gone(t, address)
	got, err := io.ReadAll(slow)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is still open")
	}
	if whole := strings.Count(string(got), content+"\"}\n"); whole == 0 || whole > published {
		t.Errorf("%d messages came of %d published", whole, published)
	}
}
