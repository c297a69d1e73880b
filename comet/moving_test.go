package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// TestMoving: things that the random tests do not have continue in a server with another number
// of loops: sessions, a callback, half a message of a WebSocket, keys of messages, a listener
// that is being sent the live channels, pages of other origins.
func TestMoving(t *testing.T) {
	for _, loops := range [][2]int{{1, 3}, {3, 1}, {2, 3}, {3, 2}} {
		t.Run(fmt.Sprintf("%d to %d", loops[0], loops[1]), func(t *testing.T) { testMoving(t, loops[0], loops[1]) })
	}
}

// moved are clients of a server that is handed over.
type moved struct {
	*harness
	names                []string
	polls, jsonp, socket *end
	sessions             map[string]*end
	message              []byte // of the socket; half of it is sent
}

func newMoved(t *testing.T, loops int) *moved {
	h := newHarness(t, Config{
		Loops: loops, Inheritable: true, CComet: []string{"unix:" + t.TempDir() + "/ccomet"}, WSPublish: true, CORSOrigins: []string{"https://a.example"},
		MaxConnectionsPerAddress: 50, PublishRatePerAddress: 1000,
	})
	h.srv.cfg.CComet = nil // it has no listeners
	m := &moved{harness: h, sessions: map[string]*end{}}
	for n := range 12 {
		m.names = append(m.names, fmt.Sprintf("c%d", n))
		m.ask("/push?cname=" + m.names[n] + "&content=first")
	}
	return m
}

func (m *moved) ask(path string) {
	m.connect(m.srv.shards[len(m.srv.shards)-1], conn.Admin, 0).get(path)
	m.settle()
}

// enter lets clients wait.
func (m *moved) enter() {
	enter := func(n int, side uint8, path string) *end {
		e := m.connect(m.srv.shards[n%len(m.srv.shards)], side, 0)
		e.write("GET " + path + " HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n" +
			"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		m.settle()
		return e
	}
	m.polls, m.jsonp, m.socket = enter(0, conn.Front, "/poll?cname=c1&seq=3&epoch="), enter(1, conn.Front, "/poll?cname=c2&seq=3&cb=f"), enter(2, conn.Front, "/ws?cname=c3&seq=3")
	for n, name := range m.names {
		m.sessions[name] = enter(n, conn.CComet, "/subscribe?channel=s-"+name+"&sname=me&seqid=0&callback=f")
	}
	m.message = []byte("\x81\x80\x00\x00\x00\x00" + `{"op":"pub","cname":"c3","content":"by socket","id":1}`)
	m.message[1] |= byte(len(m.message) - 6)
	m.socket.write(string(m.message[:20]))
	m.settle()
}

// publish publishes a message with a key to each channel, and returns the answer.
func (m *moved) publish() string {
	e := m.connect(m.srv.shards[0], conn.Admin, 0)
	var body strings.Builder
	for _, name := range m.names {
		fmt.Fprintf(&body, "{\"cname\":%q,\"content\":\"once\",\"key\":\"k\"}\n", name)
	}
	e.write(fmt.Sprintf("POST /publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s", body.Len(), body.String()))
	m.settle()
	e.read()
	return string(e.in)
}

func testMoving(t *testing.T, before, after int) {
	m := newMoved(t, before)
	published := m.publish()
	m.enter()
	counted := m.srv.Stats()
	m.byName = true
	m.handOver(func(cfg *Config) { cfg.Loops = after })
	check(t, m.srv, true, "moved")
	if now := m.srv.Stats(); now.Connections != counted.Connections || now.Subscribers != counted.Subscribers || now.Channels != counted.Channels || now.Published != counted.Published {
		t.Errorf("figures were %+v, and are %+v", counted, now)
	}
	if again := m.publish(); again != published {
		t.Errorf("messages with keys were answered %s, and then %s", published, again)
	}
	m.ask("/push?cname=c1&content=second")
	m.ask("/push?cname=c2&content=second")
	m.socket.write(string(m.message[20:]))
	m.settle()
	for _, want := range []struct {
		of   *end
		text string
	}{
		{m.polls, `"content":"second"`}, {m.polls, "Access-Control-Allow-Origin: https://a.example"}, {m.jsonp, `f({"type":"data"`},
		{m.socket, `"content":"by socket"`}, {m.socket, `{"type":"ok","seq":3,"id":1}`},
	} {
		if want.of.read(); !strings.Contains(string(want.of.in), want.text) {
			t.Errorf("want %s, got %q", want.text, want.of.in)
		}
	}
	for n, name := range m.names { // the next client with that name takes its place
		m.connect(m.srv.shards[n%after], conn.CComet, 0).get("/subscribe?channel=s-" + name + "&sname=me&seqid=0&callback=f")
		m.settle()
	}
	m.now = m.now.Add(2 * time.Second)
	m.settle()
	for name, e := range m.sessions {
		if e.read(); !e.ended || len(e.in) > 0 {
			t.Errorf("%s: a session that was taken over: ended %v, sent %q", name, e.ended, e.in)
		}
	}
	check(t, m.srv, true, "at the end")
}
