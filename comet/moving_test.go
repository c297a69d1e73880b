package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// TestMoving: what has no part in the random tests goes on in a server with another number of
// loops: sessions, a callback, a message of a WebSocket of which half has come, keys of messages,
// a listener that is being told which channels live, pages of other origins.
func TestMoving(t *testing.T) {
	for _, loops := range [][2]int{{1, 3}, {3, 1}, {2, 3}, {3, 2}} {
		t.Run(fmt.Sprintf("%d to %d", loops[0], loops[1]), func(t *testing.T) { testMoving(t, loops[0], loops[1]) })
	}
}

func testMoving(t *testing.T, before, after int) {
	h := newHarness(t, Config{
		Loops: before, Inheritable: true, CComet: []string{"unix:" + t.TempDir() + "/ccomet"}, WSPublish: true, CORSOrigins: []string{"https://a.example"},
		MaxConnectionsPerAddress: 50, PublishRatePerAddress: 1000,
	})
	h.srv.cfg.CComet = nil // it has no listeners
	loop := func(n int) *shard { return h.srv.shards[n%before] }
	ask := func(path string) *end {
		e := h.connect(h.srv.shards[len(h.srv.shards)-1], conn.Admin, 0)
		e.get(path)
		h.settle()
		e.read()
		return e
	}
	enter := func(n int, side uint8, path string) *end {
		e := h.connect(loop(n), side, 0)
		e.write("GET " + path + " HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n")
		h.settle()
		return e
	}
	names := make([]string, 12)
	for n := range names {
		names[n] = fmt.Sprintf("c%d", n)
		ask("/push?cname=" + names[n] + "&key=k" + names[n] + "&content=first")
	}
	publish := func() string {
		e := h.connect(h.srv.shards[0], conn.Admin, 0)
		var body strings.Builder
		for _, name := range names {
			fmt.Fprintf(&body, "{\"cname\":%q,\"content\":\"once\",\"key\":\"k\"}\n", name)
		}
		e.write(fmt.Sprintf("POST /publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s", body.Len(), body.String()))
		h.settle()
		e.read()
		return string(e.in)
	}
	published := publish()
	polls, jsonp, session := enter(0, conn.Front, "/poll?cname=c1&seq=3&epoch="), enter(1, conn.Front, "/poll?cname=c2&seq=3&cb=f"), map[string]*end{}
	for n, name := range names {
		session[name] = enter(n, conn.CComet, "/subscribe?channel=s-"+name+"&sname=me&seqid=0&callback=f")
	}
	socket := h.connect(loop(2), conn.Front, 0)
	socket.write("GET /ws?cname=c3&seq=3 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	h.settle()
	message := []byte("\x81\x80\x00\x00\x00\x00" + `{"op":"pub","cname":"c3","content":"by socket","id":1}`)
	message[1] |= byte(len(message) - 6)
	socket.write(string(message[:20]))
	h.settle()
	counted := h.srv.Stats()
	h.byName = true
	h.handOver(func(cfg *Config) { cfg.Loops = after })
	check(t, h.srv, true, "moved")
	if now := h.srv.Stats(); now.Connections != counted.Connections || now.Subscribers != counted.Subscribers || now.Channels != counted.Channels || now.Published != counted.Published {
		t.Errorf("figures were %+v, and are %+v", counted, now)
	}
	if again := publish(); again != published {
		t.Errorf("messages with keys were answered %s, and are %s", published, again)
	}
	ask("/push?cname=c1&content=second")
	ask("/push?cname=c2&content=second")
	socket.write(string(message[20:]))
	h.settle()
	for _, want := range []struct {
		of   *end
		text string
	}{
		{polls, `"content":"second"`}, {polls, "Access-Control-Allow-Origin: https://a.example"}, {jsonp, `f({"type":"data"`},
		{socket, `"content":"by socket"`}, {socket, `{"type":"ok","seq":3,"id":1}`},
	} {
		if want.of.read(); !strings.Contains(string(want.of.in), want.text) {
			t.Errorf("want %s, got %q", want.text, want.of.in)
		}
	}
	for n, name := range names { // the next one of that name takes its place
		next := h.connect(h.srv.shards[n%after], conn.CComet, 0)
		next.get("/subscribe?channel=s-" + name + "&sname=me&seqid=0&callback=f")
		h.settle()
	}
	h.now = h.now.Add(2 * time.Second)
	h.settle()
	for name, e := range session {
		if e.read(); !e.ended || len(e.in) > 0 {
			t.Errorf("%s: a session that was taken over: ended %v, sent %q", name, e.ended, e.in)
		}
	}
	check(t, h.srv, true, "at the end")
}
