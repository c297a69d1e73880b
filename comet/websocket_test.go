package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
	"ccomet/httplite/websocket"
)

func TestWebSocketHandshake(t *testing.T) {
	st := newStage(t, Config{Loops: 1, CORSOrigins: []string{"https://let.in"}})
	for _, c := range []struct{ request, want string }{
		{handshake("/ws"), switched + "\r\n"},
		{handshake("/ws?cname=a&seq=x"), "400 parameter seq: want a whole number of 32 bits"},
		{handshake("/ws?cname=a&cname=%01"), "400 parameter cname: control characters are not allowed"},
		{handshake("/ws", "Sec-WebSocket-Protocol: chat, ccomet.v1\r\n"), switched + "Sec-WebSocket-Protocol: ccomet.v1\r\n\r\n"},
		{handshake("/ws", "Sec-WebSocket-Protocol: chat\r\n"), "400 none of the offered subprotocols is supported: offer ccomet.v1, or none"},
		{handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n"), switched + "\r\n"},
		{handshake("/ws", "Origin: http://h\r\n"), switched + "\r\n"},
		{handshake("/ws", "Origin: https://let.in\r\n"), switched + "\r\n"},
		{handshake("/ws", "Origin: https://elsewhere\r\n"), "403 a page of another site may not connect (its origin is https://elsewhere): cors-origin lists the permitted origins"},
		{handshake("/ws", "Origin: null\r\n"), "403 a page of another site may not connect (its origin is null): cors-origin lists the permitted origins"},
		{handshake("/ws", "Origin: http://h\r\nSec-Fetch-Site: cross-site\r\n"), "403 a page of another site may not connect (its origin is http://h): cors-origin lists the permitted origins"},
		{reqGet(1, "/ws"), "426 this is for WebSocket: ask for an upgrade, by HTTP/1.1"},
		{strings.Replace(handshake("/ws"), "Version: 13", "Version: 8", 1), "426 the only WebSocket version spoken here is 13"},
		{strings.Replace(handshake("/ws"), "HTTP/1.1", "HTTP/1.0", 1), "426 this is for WebSocket: ask for an upgrade, by HTTP/1.1"},
		{strings.Replace(handshake("/ws"), "GET", "HEAD", 1), "405 "},
		{strings.Replace(handshake("/ws"), "GET", "POST", 1), "405 method not allowed here: want GET, OPTIONS"},
	} {
		p := st.enter(0, conn.Front)
		p.send(c.request)
		got := p.take()
		p.leave()
		status, reason, refused := strings.Cut(c.want, " ")
		if !refused || strings.HasPrefix(c.want, "HTTP") {
			same(t, got, c.want)
			continue
		}
		_, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+status+" ") || strings.TrimSpace(body) != reason {
			t.Errorf("%.200q:\n got %q\nwant %q", c.request, got, c.want)
		}
		if status == "426" && (!strings.Contains(got, "\r\nUpgrade: websocket\r\n") || !strings.Contains(got, "\r\nSec-WebSocket-Version: 13\r\n")) {
			t.Errorf("%q does not say which upgrade", got)
		}
	}
}

// A WebSocket gets the messages of a stream, and stays open when its channels are closed.
func TestWebSocketMessages(t *testing.T) {
	for _, loops := range []int{1, 3} {
		st := newStage(t, Config{Loops: loops, ChannelBufferSize: 3})
		st.admin(0, "/push?cname=a&content=a1")
		st.admin(0, "/push?cname=a&content=a2")
		one := st.websocket(0, "/ws?cname=a&seq=2&epoch=")
		one.expect(`{"type":"data","cname":"a","seq":2,"content":"a2","epoch":"` + epochOf(st, "a") + `"}`)
		two := st.websocket(loops-1, "/ws?cname=a&cname=b&seq=1")
		two.expect(object("next_seq", 3, ""))
		st.admin(0, "/push?cname=b&content=b1")
		st.admin(0, "/push?cname=a&content=a3")
		st.admin(0, "/broadcast?content=all")
		one.expect(object("data", 3, "a3"), object("broadcast", 4, "all"), object("next_seq", 5, ""))
		got := strings.Split(two.hear(), "\n")
		for _, want := range []string{objectOf("b", "data", 1, "b1"), object("data", 3, "a3"), object("broadcast", 4, "all"), object("next_seq", 5, ""),
			objectOf("b", "broadcast", 2, "all"), objectOf("b", "next_seq", 3, "")} {
			if !strings.Contains(strings.Join(got, "\n"), want) {
				t.Errorf("%q lacks %s", got, want)
			}
		}
		lost := st.websocket(0, "/ws?lost=1&cname=a&seq=1")
		lost.expect(object("lost", 2, "1-1"), object("data", 2, "a2"), object("data", 3, "a3"), object("broadcast", 4, "all"), object("next_seq", 5, ""))
		st.admin(0, "/close?cname=a")
		one.expect(object("close", 5, ""))
		two.expect(object("close", 5, ""))
		st.admin(0, "/push?cname=b&content=b3")
		two.expect(objectOf("b", "data", 3, "b3"))
		check(t, st.srv, true, "")
		if n := st.srv.totals.Subscribers.Load(); n != 1 {
			t.Errorf("%d subscribers", n)
		}
		for _, p := range []*wsPlayer{one, two, lost} {
			p.leave()
		}
		st.settle()
		check(t, st.srv, true, "")
		if n := st.srv.totals.Subscribers.Load(); n != 0 {
			t.Errorf("%d subscribers are left", n)
		}
	}
}

// epochOf returns the epoch of a live channel.
func epochOf(st *stage, cname string) string {
	return string(record.AppendEpoch(nil, audited(st.t, st.srv.shards[st.srv.homes.Of([]byte(cname))], cname).Ref.Gen))
}

func TestWebSocketRefusals(t *testing.T) {
	st := newStage(t, Config{Loops: 1, Auth: AuthToken, Secret: []byte("secret"), MaxSubscribersPerChannel: 1})
	st.admin(0, "/sign?cname=a")
	p := st.websocket(0, "/ws?cname=a&token="+tokenOf("a", 1)+"&cname=b&token=x")
	p.expect(object("next_seq", 1, ""), objectOf("b", "401", 0, "Token error"))
	q := st.websocket(0, "/ws?cname=a&token="+tokenOf("a", 1))
	q.expect(object("429", 0, "Too many subscribers"))
	q.ask(`{"op":"ping"}`, `{"type":"pong"}`) // it stays open
	check(t, st.srv, true, "")
}

// The noops of a WebSocket are pings. A client that sends nothing for twice the polling timeout
// is cut, not earlier.
func TestWebSocketHeartbeats(t *testing.T) {
	st := newStage(t, Config{Loops: 1, PollingTimeout: 20 * time.Second})
	lively, silent, none := st.websocket(0, "/ws?cname=a&seq=1"), st.websocket(0, "/ws?cname=a&seq=1"), st.websocket(0, "/ws")
	pings := 0
	for second := 1; second <= 120; second++ {
		st.later(time.Second)
		for _, p := range []*wsPlayer{lively, none} {
			if got := p.hear(); got == "ping" {
				pings++
				p.send(clientFrame(websocket.Pong, ""))
			} else if got != "" {
				t.Fatalf("after %d s: %q", second, got)
			}
		}
		if gone := silent.gone(); gone && second < 40 || !gone && second > 44 {
			t.Fatalf("after %d s the silent client is closed: %v", second, gone)
		}
	}
	if lively.gone() || none.gone() || pings < 12 || pings > 18 {
		t.Errorf("%d pings in two minutes; a client that answers was cut", pings)
	}
	check(t, st.srv, true, "")
}

// A drain makes clients of WebSockets come back, some time after it.
func TestWebSocketDrain(t *testing.T) {
	st := newStage(t, Config{Loops: 1})
	p := st.websocket(0, "/ws?cname=a&seq=1")
	idle := st.websocket(0, "/ws")
	st.srv.Drain(4 * time.Second)
	for range 6 {
		st.later(time.Second)
	}
	for _, p := range []*wsPlayer{p, idle} {
		var ms int
		retry, closing, _ := strings.Cut(p.hear(), "\n")
		if _, err := fmt.Sscanf(retry, `{"type":"retry","content":"%d"}`, &ms); err != nil || ms < 4000 || ms > 5000 {
			t.Errorf("got %q", retry)
		}
		same(t, closing, "close 1012 the server is stopping")
	}
}

// When the state is about to be written nothing is published any more, on a WebSocket as
// elsewhere: an answer would be a promise that nobody keeps.
func TestWebSocketPublishesNothingAtTheEnd(t *testing.T) {
	cfg := stateConfig(t)
	cfg.Loops, cfg.WSPublish = 1, true
	st := newStage(t, cfg)
	p := st.websocket(0, "/ws")
	p.ask(`{"op":"pub","cname":"a","content":"before"}`, `{"type":"ok","seq":1}`)
	st.srv.Drain(0)
	st.now = st.now.Add(time.Second)
	st.turn(0)
	p.ask(`{"op":"pub","cname":"a","content":"after"}`, "close 1012 the server is stopping")
	if ch := audited(t, st.srv.shards[0], "a"); ch.Next != 2 {
		t.Errorf("its next number is %d", ch.Next)
	}
}

// A client that does not read is closed, and its cursor stays valid: what it has read so far is
// whole messages, and a Close frame follows.
func TestWebSocketSlowReader(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WriteTimeout: 10 * time.Second})
	p := st.websocket(0, "/ws?cname=a&seq=1")
	content := strings.Repeat("x", 60000)
	for range 40 {
		st.admin(0, "/push?cname=a&content="+content)
	}
	for range 20 {
		st.later(time.Second)
	}
	var all []string
	for len(all) == 0 || all[len(all)-1] != "" {
		all = append(all, p.hear())
		st.settle()
	}
	lines := strings.Split(strings.TrimSpace(strings.Join(all, "\n")), "\n")
	for n, line := range lines[:len(lines)-1] {
		same(t, line, object("data", n+1, content))
	}
	same(t, lines[len(lines)-1], "close 1008 the client does not read what it is sent")
	if n := st.srv.totals.SlowClosed.Load(); n != 1 {
		t.Errorf("%d are counted", n)
	}
	st.later(20 * time.Second)
	if n := st.srv.totals.SlowClosed.Load(); n != 1 || !p.gone() {
		t.Errorf("%d are counted", n)
	}
}

// A WebSocket of several channels leaves the first one, and continues: it is the same
// connection, which has begun and may publish.
func TestWebSocketLeavesFirst(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSPublish: true})
	st.admin(0, "/push?cname=a&content=a1")
	p := st.websocket(0, "/ws?cname=a&seq=2&cname=b&seq=1")
	p.ask(`{"op":"unsub","cname":"a"}`, `{"type":"ok","cname":"a"}`)
	p.ask(`{"op":"pub","cname":"c","content":"c1"}`, `{"type":"ok","seq":1}`)
	p.ask(`{"op":"sub","cname":"a","seq":1}`, `{"type":"ok","cname":"a","seq":1}`, object("data", 1, "a1"))
	st.admin(0, "/push?cname=b&content=b1")
	p.expect(objectOf("b", "data", 1, "b1"))
}
