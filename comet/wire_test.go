package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// The front side's responses, byte for byte. object is one message as every client gets
// it.
func object(kind string, seq int, content string) string {
	return fmt.Sprintf(`{"type":%q,"cname":"a","seq":%d,"content":"%s"}`, kind, seq, content)
}

// everyWire runs a test with one loop and with three, in both versions of HTTP.
func everyWire(t *testing.T, run func(t *testing.T, loops, minor int)) {
	for _, loops := range []int{1, 3} {
		for minor := range 2 {
			t.Run(fmt.Sprintf("loops=%d/http1.%d", loops, minor), func(t *testing.T) { run(t, loops, minor) })
		}
	}
}

var (
	three    = []string{"/push?cname=a&content=x1", "/push?cname=a&content=x2", "/push?cname=a&content=x3"}
	mixed    = []string{"/push?cname=a&content=x1", "/broadcast?content=b2", "/push?cname=a&content=x3"}
	cleared  = append(three[:3:3], "/clear?cname=a")
	keepsTwo = Config{ChannelBufferSize: 2}
	tokened  = Config{Auth: AuthToken}
	pushX4   = "/push?cname=a&content=x4"
)

// subRow is a subscription and its result, for polls and endless responses: to a poll,
// messages that are already there are one array.
type subRow struct {
	name   string
	cfg    Config
	before []string // requests to the admin side before
	query  string
	live   string   // requests to it while the subscriber waits; empty: nothing is waited for
	want   string   // the messages, separated by spaces; with array, in an array for a poll
	array  bool     // "[" and "]" around them
	ids    []string // of the events
	next   int      // the channel's next number at the end
	stream bool     // only for endless responses, which continue where a poll ends
}

func seq(kind string, n int, content string) string { return object(kind, n, content) + " " }

var subRows = []subRow{
	{name: "a new channel without seq", query: "cname=a", want: seq("next_seq", 1, ""), ids: []string{"0"}, next: 1},
	{name: "seq 0 is moved to the next, history is not sent", before: three, query: "cname=a&seq=0",
		want: seq("next_seq", 4, ""), ids: []string{"3"}, next: 4},
	{name: "an empty seq is 0", before: three, query: "cname=a&seq=", want: seq("next_seq", 4, ""), ids: []string{"3"}, next: 4},
	{name: "beyond the next is moved to it", before: three, query: "cname=a&seq=5",
		want: seq("next_seq", 4, ""), ids: []string{"3"}, next: 4},
	{name: "an older one gets the backlog", before: three, query: "cname=a&seq=2", array: true,
		want: seq("data", 2, "x2") + seq("data", 3, "x3"), ids: []string{"2", "3"}, next: 4},
	{name: "one old message is an array too", before: three, query: "cname=a&seq=3", array: true,
		want: seq("data", 3, "x3"), ids: []string{"3"}, next: 4},
	{name: "older than the oldest kept begins with the oldest", cfg: keepsTwo, before: three, query: "cname=a&seq=1", array: true,
		want: seq("data", 2, "x2") + seq("data", 3, "x3"), ids: []string{"2", "3"}, next: 4},
	{name: "a negative number is an old one", before: three, query: "cname=a&seq=-5", array: true,
		want: seq("data", 1, "x1") + seq("data", 2, "x2") + seq("data", 3, "x3"), ids: []string{"1", "2", "3"}, next: 4},
	{name: "a broadcast in a backlog is followed by its next number", before: mixed, query: "cname=a&seq=1", array: true,
		want: seq("data", 1, "x1") + seq("broadcast", 2, "b2") + seq("next_seq", 3, "") + seq("data", 3, "x3"),
		ids:  []string{"1", "2", "2", "3"}, next: 4},
	{name: "exactly the next waits", before: three, query: "cname=a&seq=4", live: pushX4,
		want: seq("data", 4, "x4"), ids: []string{"4"}, next: 5},
	{name: "the first of a new channel is waited for", query: "cname=a&seq=1", live: "/push?cname=a&content=x1",
		want: seq("data", 1, "x1"), ids: []string{"1"}, next: 2},
	{name: "a live broadcast is followed by its next number", query: "cname=a&seq=1", live: "/broadcast?content=b1", array: true,
		want: seq("broadcast", 1, "b1") + seq("next_seq", 2, ""), ids: []string{"1", "1"}, next: 2},
	{name: "older, but nothing is kept: waits", before: cleared, query: "cname=a&seq=2", live: pushX4,
		want: seq("data", 4, "x4"), ids: []string{"4"}, next: 5},
	{name: "a history of none keeps none", cfg: Config{ChannelBufferSize: -1}, before: three, query: "cname=a&seq=2", live: pushX4,
		want: seq("data", 4, "x4"), ids: []string{"4"}, next: 5},
	{name: "loss is said to who asked", cfg: keepsTwo, before: three, query: "cname=a&seq=1&lost=1", array: true,
		want: seq("lost", 2, "1-1") + seq("data", 2, "x2") + seq("data", 3, "x3"), ids: []string{"1", "2", "3"}, next: 4},
	{name: "loss of all is said", before: cleared, query: "cname=a&seq=2&lost=1", array: true,
		want: seq("lost", 4, "2-3"), ids: []string{"3"}, next: 4},
	{name: "without loss nothing is said", before: three, query: "cname=a&seq=3&lost=1", array: true,
		want: seq("data", 3, "x3"), ids: []string{"3"}, next: 4},
	{name: "lost=0 asks for nothing", cfg: keepsTwo, before: three, query: "cname=a&seq=1&lost=0", array: true,
		want: seq("data", 2, "x2") + seq("data", 3, "x3"), ids: []string{"2", "3"}, next: 4},
	{name: "unknown parameters, any order, escapes in names and values", before: three,
		query: "_=1700000000&seq=%33&x&=&%63name=%61&&token=", array: true, want: seq("data", 3, "x3"), ids: []string{"3"}, next: 4},
	{name: "the first of two counts", before: three, query: "cname=a&seq=3&seq=1", array: true,
		want: seq("data", 3, "x3"), ids: []string{"3"}, next: 4},
	{name: "moved, then live", query: "cname=a", live: "/push?cname=a&content=x1", stream: true,
		want: seq("next_seq", 1, "") + seq("data", 1, "x1"), ids: []string{"0", "1"}, next: 2},
	{name: "backlog, then live", before: three, query: "cname=a&seq=3", live: pushX4, stream: true,
		want: seq("data", 3, "x3") + seq("data", 4, "x4"), ids: []string{"3", "4"}, next: 5},
}

func (r *subRow) messages() []string { return strings.Fields(r.want) }

func (r *subRow) pollBody() string {
	body := strings.Join(r.messages(), ",")
	if r.array {
		body = "[" + body + "]"
	}
	return body
}

func TestPolls(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		for _, cb := range []string{"", "jQuery.cb_1"} {
			for _, r := range subRows {
				if !r.stream {
					t.Run("cb="+cb+"/"+r.name, func(t *testing.T) { pollOnce(t, r, loops, minor, cb) })
				}
			}
		}
	})
}

// ping follows a response, to show that nothing else came with it.
const ping = "/ping?cb=f"

var pong = answer("200 OK", asScript, `f({"type":"ping","sub_timeout":30});`+"\n", closing)

func pollOnce(t *testing.T, r subRow, loops, minor int, cb string) {
	r.cfg.Loops = loops
	srv := startWire(t, r.cfg)
	srv.askAll(r.before)
	path, want := "/sub?", answer("200 OK", asJSON, r.pollBody()+"\n")
	if cb != "" {
		path, want = "/poll?cb="+cb+"&", answer("200 OK", asScript, cb+"("+r.pollBody()+");\n")
	}
	request := reqGet(minor, path+r.query)
	if minor == 1 { // otherwise the connection ends by itself
		request += reqGet(1, ping, closing)
		want += pong
	}
	c := srv.dial(conn.Front)
	c.send(request)
	if r.live != "" {
		srv.subscribed(1)
		srv.ask(r.live)
	}
	same(t, c.rest(), want)
}

// endless are the transports with endless responses.
var endless = []struct {
	path, contentType, preface string
	frame                      func(message, id string) string
}{
	{"/stream", asJSON, "", func(m, _ string) string { return m + "\n" }},
	{"/iframe", asHTML, "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>comet</title></head><body>\n",
		func(m, _ string) string { return "<script>parent.icomet_cb(" + m + ");</script>\n" }},
	{"/sse", asEvents, "", func(m, id string) string {
		if id != "" {
			id = "id: " + idOf(id) + "\n"
		}
		return id + "data: " + m + "\n\n"
	}},
}

// idOf is the id of an event; a number alone means the first channel of its loop.
func idOf(id string) string {
	if strings.ContainsAny(id, ".,cd") {
		return id
	}
	return id + "." + life(1)
}

// streamHead is the start of an endless response.
func streamHead(minor int, contentType string, more ...string) string {
	head := "HTTP/1.1 200 OK\r\n" + dateLine + "Content-Type: " + contentType + "\r\n" + unending +
		strings.Join(more, "")
	if minor == 1 {
		head += "Transfer-Encoding: chunked\r\n"
	}
	return head + "\r\n"
}

// piece is a part of an endless body.
func piece(minor int, payload string) string {
	if minor == 0 || payload == "" {
		return payload
	}
	return fmt.Sprintf("%x\r\n%s\r\n", len(payload), payload)
}

// lastPiece ends a body in chunks.
func lastPiece(minor int) string { return []string{"", "0\r\n\r\n"}[minor] }

func TestEndlessResponses(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		for i := range endless {
			for _, r := range subRows {
				t.Run(endless[i].path+"/"+r.name, func(t *testing.T) { streamOnce(t, r, loops, minor, i) })
			}
		}
	})
}

func streamOnce(t *testing.T, r subRow, loops, minor, transport int) {
	r.cfg.Loops = loops
	srv := startWire(t, r.cfg)
	srv.askAll(r.before)
	kind := endless[transport]
	c := srv.dial(conn.Front)
	c.send(reqGet(minor, kind.path+"?"+r.query))
	srv.subscribed(1)
	if r.live != "" {
		srv.ask(r.live)
	}
	want := streamHead(minor, kind.contentType) + piece(minor, kind.preface)
	for n, message := range r.messages() {
		want += piece(minor, kind.frame(message, r.ids[n]))
	}
	c.expect(want)
	same(t, srv.ask("/close?cname=a"), fmt.Sprintf("ok %d\n", r.next))
	same(t, c.rest(), piece(minor, kind.frame(object("close", r.next, ""), "closed"))+lastPiece(minor))
}

// A subscriber gets something at least every polling timeout, and not much earlier.
func TestNoop(t *testing.T) {
	noop := func(n int) string { return object("noop", n, "") }
	st := newStage(t, Config{Loops: 2, PollingTimeout: 40 * time.Second, IdleTimeout: time.Hour})
	cname := func(s string) string { return strings.ReplaceAll(s, `"cname":"a"`, `"cname":"`+st.homed(1)+`"`) }
	query := "?seq=1&noop=2147483647&cname=" + st.homed(1)
	poll, old, script := st.enter(0, conn.Front), st.enter(1, conn.Front), st.enter(0, conn.Front)
	poll.send(reqGet(1, "/sub"+query))
	old.send(reqGet(0, "/poll"+query))
	script.send(reqGet(1, "/sub?cb=f&"+query[1:]))
	var streams []*player
	for i, k := range endless {
		for minor := range 2 {
			p := st.enter(i%2, conn.Front)
			p.send(reqGet(minor, k.path+query))
			same(t, p.body(), piece(minor, k.preface))
			streams = append(streams, p)
		}
	}
	st.later(29 * time.Second)
	for _, p := range append(streams, poll, old, script) {
		same(t, p.take(), "")
	}
	st.later(11 * time.Second)
	same(t, poll.body(), cname(noop(1<<31-1))+"\n")
	same(t, old.body(), cname(noop(1<<31-1))+"\n")
	same(t, script.body(), "f("+cname(noop(1<<31-1))+");\n")
	for _, counter := range []int{1<<31 - 1, -1 << 31, -1<<31 + 1} {
		for i, k := range endless {
			for minor := range 2 {
				same(t, streams[2*i+minor].take(), piece(minor, k.frame(cname(noop(counter)), "")))
			}
		}
		st.later(40 * time.Second)
	}
	poll.take()
	if old.take(); !old.ended || poll.ended {
		t.Errorf("after a noop: HTTP/1.0 ended %v, HTTP/1.1 ended %v", old.ended, poll.ended)
	}
}
