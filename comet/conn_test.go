package comet

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
)

// A client that ends its side directly after its request gets the messages that
// are there, and does not wait for others.
func TestPollOfAHalfClosedClient(t *testing.T) {
	for _, loops := range []int{1, 3} {
		h := newHarness(t, Config{Loops: loops})
		publisher := h.connect(h.srv.shards[0], conn.Admin, 0)
		publisher.get("/push?cname=a&content=kept")
		h.settle()
		for name, test := range map[string]struct {
			path string
			want string
		}{
			"a backlog":         {"/poll?cname=a&seq=1", `[{"type":"data","cname":"a","seq":1,"content":"kept"}]` + "\n"},
			"nothing as yet":    {"/poll?cname=a&seq=2", objectOf("a", "noop", 0, "") + "\n"},
			"an endless one":    {"/stream?cname=a&seq=1", piece(1, objectOf("a", "data", 1, "kept")+"\n") + "0\r\n\r\n"},
			"no channel at all": {"/ping", "icomet_cb("},
		} {
			e := h.connect(h.srv.shards[loops-1], conn.Front, 0)
			e.get(test.path)
			if err := unix.Shutdown(e.fd, unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			h.settle()
			e.read()
			_, body, _ := strings.Cut(string(e.in), "\r\n\r\n")
			if !strings.HasPrefix(body, test.want) || !e.ended {
				t.Errorf("%d loops, %s: body %q, ended %v", loops, name, body, e.ended)
			}
		}
		check(t, h.srv, true, "")
		if n := h.srv.totals.Subscribers.Load(); n != 0 {
			t.Errorf("%d subscribers have no connection", n)
		}
	}
}

// If there are few channels, a broadcast keeps its position between publishes.
func TestBroadcastKeepsItsPlace(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	e := streams(h, "a", 1)[0]
	publisher := h.connect(h.srv.shards[0], conn.Admin, 0)
	request := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	publisher.write(request("/push?cname=a&content=1") + request("/broadcast?content=2") + request("/push?cname=a&content=3"))
	h.settle()
	list, _ := e.events()
	var got []string
	for _, ev := range list {
		if ev.Type != "next_seq" {
			got = append(got, ev.Content)
		}
	}
	if strings.Join(got, "") != "123" {
		t.Errorf("got %v", got)
	}
}

// A listener to /psub with HTTP/1.0 gets its lines without chunks.
func TestPresenceInHTTP10(t *testing.T) {
	h := newHarness(t, Config{Loops: 2})
	e := h.connect(h.srv.shards[0], conn.Admin, 0)
	e.write("GET /psub HTTP/1.0\r\n\r\n")
	h.settle()
	streams(h, "a", 1)
	e.read()
	head, body, _ := strings.Cut(string(e.in), "\r\n\r\n")
	if body != "1 a\n" || strings.Contains(head, "chunked") {
		t.Errorf("got %q", e.in)
	}
}

// A backend may send as fast as it can, however many answers are outstanding: it
// is read as fast as it is served.
func TestFasterThanAnswers(t *testing.T) {
	const requests = 30_000
	srv := startWire(t, Config{Loops: 1})
	c := srv.dial(conn.Admin)
	go func() {
		_, _ = io.WriteString(c, strings.Repeat(reqGet(1, "/push?cname=a&content=x"), requests))
	}()
	answers := bufio.NewReader(c)
	for n := range requests {
		_ = c.SetReadDeadline(time.Now().Add(hangTimeout))
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("after %d answers: %v", n, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
}
