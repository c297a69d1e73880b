package comet

import (
	"fmt"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/httplite"
)

// longHistory makes a server with a channel of so many messages of a kilobyte.
func longHistory(t testing.TB, cfg Config, messages int) (*harness, *end) {
	h := newHarness(t, cfg)
	publisher := h.connect(h.srv.shards[0], conn.Admin, 0)
	for n := range messages {
		publisher.get(fmt.Sprintf("/push?cname=a&content=%04d%s", n+1, strings.Repeat("m", 1020)))
		h.settle()
		publisher.read()
		publisher.in = publisher.in[:0]
	}
	return h, publisher
}

// response parses a complete response; ok: it has arrived, and ended properly.
func (e *end) response() (head *httplite.Response, body string, ok bool) {
	e.t.Helper()
	e.read()
	in := e.in
	e.head.Reset()
	n, err := e.head.ParseHead(in, nil)
	if err != nil {
		e.t.Fatalf("response %.300q: %v", in, err)
	}
	if n == 0 {
		return nil, "", false
	}
	in = in[n:]
	var whole []byte
	framing := e.head.Framing(httplite.GET)
	for {
		payload, n, done, err := framing.Next(in)
		if err != nil {
			e.t.Fatalf("body: %v", err)
		}
		whole, in = append(whole, payload...), in[n:]
		if done || framing.UntilClose() && e.ended {
			e.in = in
			return &e.head, string(whole), true
		}
		if n == 0 {
			return nil, "", false
		}
	}
}

// A long answer is sent in pieces, as fast as its reader takes it, and the next request is
// served after it. For all clients together, a turn renders no more than its budget.
func TestLongHistory(t *testing.T) {
	for _, loops := range []int{1, 3} {
		for minor, name := range []string{"HTTP/1.0", "HTTP/1.1"} {
			t.Run(fmt.Sprintf("loops=%d/%s", loops, name), func(t *testing.T) {
				h, _ := longHistory(t, Config{Loops: loops, ChannelBufferSize: 500}, 300)
				var readers []*end
				for n := range 40 {
					e := h.connect(h.srv.shards[n%loops], conn.Front, 16<<10)
					e.write(reqGet(minor, "/history?cname=a&limit=1000") + reqGet(minor, "/history?cname=a&seq=300", closing))
					readers = append(readers, e)
				}
				budgeted := false
				for range 400 {
					for _, s := range h.srv.shards {
						h.turn(s)
						if over := -s.web.Histories.Left; over > mail.ReplayBytes+4096 {
							t.Fatalf("a turn rendered %d bytes more than its limit", over)
						}
						budgeted = budgeted || s.web.Histories.Left <= 0
					}
					for _, e := range readers {
						e.read()
					}
				}
				check(t, h.srv, true, "")
				if !budgeted && loops == 1 {
					t.Error("no turn had more to render than its limit")
				}
				for _, e := range readers {
					head, body, ok := e.response()
					if !ok {
						t.Fatalf("the answer is incomplete: %d bytes", len(e.in))
					}
					if chunked := string(head.Header("Transfer-Encoding")) == "chunked"; chunked != (minor == 1) || head.Header("ETag") == nil {
						t.Errorf("chunked: %v", chunked)
					}
					p := parsePast(t, body)
					if len(p.Messages) != 300 || p.Next != 301 || p.Messages[299].Content[:5] != "0300m" {
						t.Fatalf("%d messages, next %d", len(p.Messages), p.Next)
					}
					if minor == 0 {
						continue // the connection has ended with the body
					}
					if _, body, ok = e.response(); !ok || len(parsePast(t, body).Messages) != 1 {
						t.Fatalf("the next answer: %q", body)
					}
				}
			})
		}
	}
}

// Over HTTP/1.0 a long answer ends with the connection, also if the client wants to keep that. A short
// answer has a length, and the connection stays.
func TestHistoryKeepAlive(t *testing.T) {
	h, _ := longHistory(t, Config{Loops: 2}, 100)
	for _, loop := range h.srv.shards {
		e := h.connect(loop, conn.Front, 0)
		for range 2 {
			e.write(reqGet(0, "/history?cname=a&limit=1", keeping))
			h.settle()
			if head, body, ok := e.response(); !ok || len(parsePast(t, body).Messages) != 1 || string(head.Header("Connection")) != "keep-alive" || e.ended {
				t.Fatalf("a short answer: %q, ended %t", body, e.ended)
			}
		}
		e.write(reqGet(0, "/history?cname=a", keeping))
		h.settle()
		if head, body, ok := e.response(); !ok || len(parsePast(t, body).Messages) != 100 || string(head.Header("Connection")) == "keep-alive" || !e.ended {
			t.Fatalf("a long answer: %t, %d bytes, ended %t", ok, len(body), e.ended)
		}
	}
}

// If messages are dropped while a slow reader gets them, the answer ends early, but is valid
// JSON.
func TestHistoryDroppedUnderWay(t *testing.T) {
	for n, path := range []string{"/history?cname=a", "/history?cname=a&seq=1", "/history?cname=a", "/history?cname=a&seq=1"} {
		h, publisher := longHistory(t, Config{Loops: 2}, 100)
		e := h.connect(h.srv.shards[1], conn.Front, 4096)
		e.get(path)
		h.settle()
		if n < 2 {
			publisher.get("/clear?cname=a")
		}
		for range 99 * (n / 2) { // the last message is kept
			publisher.get("/push?cname=a&content=x")
		}
		h.settle()
		var p past
		for {
			_, body, ok := e.response()
			if h.settle(); ok {
				p = parsePast(t, body)
				break
			}
		}
		if n := len(p.Messages); n == 0 || n == 100 || p.Next != 101 {
			t.Errorf("%d messages, next %d", n, p.Next)
		}
		e.get(fmt.Sprintf("/history?cname=a&seq=%d", p.First+int32(len(p.Messages))))
		h.settle()
		if _, body, ok := e.response(); !ok || !parsePast(t, body).Lost {
			t.Errorf("the rest: %q", body)
		}
	}
}

// The bytes of an answer are bounded: from a number on it contains the first messages that
// fit, without a number the last.
func TestHistoryBytes(t *testing.T) {
	h, _ := longHistory(t, Config{Loops: 1, MaxHeldBytes: 8 * 50 << 10, ChannelBufferSize: 500}, 200)
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	for query, first := range map[string]bool{"&seq=2": true, "": false} {
		e.get("/history?limit=1000&cname=a" + query)
		h.settle()
		_, body, ok := e.response()
		if !ok {
			t.Fatal("no answer")
		}
		p := parsePast(t, body)
		if len(body) > 52<<10 || len(body) < 40<<10 || first && p.First != 2 || !first && p.Messages[len(p.Messages)-1].Seq != 200 {
			t.Errorf("%q: %d bytes, from %d, %d messages", query, len(body), p.First, len(p.Messages))
		}
	}
}

// Nothing remains of a reader that leaves in the middle of its answer.
func TestHistoryReaderGoes(t *testing.T) {
	h, _ := longHistory(t, Config{Loops: 2}, 100)
	for n := range 20 {
		e := h.connect(h.srv.shards[n%2], conn.Front, 4096)
		e.get("/history?cname=a")
		for range n % 7 {
			h.turn(h.srv.shards[n%2])
		}
		e.close()
	}
	h.settle()
	check(t, h.srv, true, "")
}
