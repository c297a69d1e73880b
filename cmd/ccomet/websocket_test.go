package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	neturl "net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// wsConn is a WebSocket of another library's client.
type wsConn struct {
	t *testing.T
	net.Conn
	in io.Reader
}

// dialWebSocket opens a WebSocket; dial, if not nil, connects.
func dialWebSocket(t *testing.T, url string, config *tls.Config, dial func(ctx context.Context, network, address string) (net.Conn, error)) *wsConn {
	t.Helper()
	page, err := neturl.Parse(strings.Replace(url, "ws", "http", 1)) // of the same site
	if err != nil {
		t.Fatal(err)
	}
	d := ws.Dialer{TLSConfig: config, NetDial: dial, Timeout: hangTimeout, Protocols: []string{"ccomet.v1"},
		Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {page.Scheme + "://" + page.Host}})}
	c, buffered, hs, err := d.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(url, err)
	}
	if hs.Protocol != "ccomet.v1" {
		t.Errorf("%s: the protocol is %q", url, hs.Protocol)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	if buffered != nil {
		return &wsConn{t, c, buffered}
	}
	return &wsConn{t, c, c}
}

// expect reads exactly these messages, and answers pings.
func (c *wsConn) expect(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		if got := c.next(); got != want {
			c.t.Fatalf("got %.300q\nwant %.300q", got, want)
		}
	}
}

// next reads a message, and answers pings.
func (c *wsConn) next() string {
	c.t.Helper()
	got, err := wsutil.ReadServerText(struct {
		io.Reader
		io.Writer
	}{c.in, c})
	if err != nil {
		c.t.Fatalf("got %.300q, %v", got, err)
	}
	return string(got)
}

func (c *wsConn) ask(text string, lines ...string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
	c.expect(lines...)
}

// use tests everything on a WebSocket: single messages, a large one, operations, and the close.
func (c *wsConn) use(p *process, cname string) {
	c.t.Helper()
	c.expect(object("next_seq", cname, 1, ""))
	for n := 1; n <= 3; n++ {
		p.push(cname, spoken)
		c.expect(object("data", cname, n, escaped))
	}
	p.push(cname, large)
	c.expect(object("data", cname, 4, large))
	c.ask(`{"op":"ping","id":1}`, `{"type":"pong","id":1}`)
	c.ask(`{"op":"sub","cname":"`+cname+`2","id":2}`, `{"type":"ok","cname":"`+cname+`2","seq":1,"id":2}`)
	if err := wsutil.WriteClientText(c, []byte(`{"op":"pub","cname":"`+cname+`2","content":"back"}`)); err != nil {
		c.t.Fatal(err)
	}
	var got []string
	for range 2 { // in either order
		text, err := wsutil.ReadServerText(struct {
			io.Reader
			io.Writer
		}{c.in, c})
		if err != nil {
			c.t.Fatal(err)
		}
		got = append(got, string(text))
	}
	if all := strings.Join(got, "\n"); !strings.Contains(all, object("data", cname+"2", 1, "back")) || !strings.Contains(all, `{"type":"ok","seq":1}`) {
		c.t.Errorf("a publish is answered %q", got)
	}
	if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))); err != nil {
		c.t.Fatal(err)
	}
	frame, err := ws.ReadFrame(c.in)
	if code, _ := ws.ParseCloseFrameData(frame.Payload); err != nil || frame.Header.OpCode != ws.OpClose || code != ws.StatusNormalClosure {
		c.t.Errorf("the end is %+v, %v", frame, err)
	}
}

// TestWebSocket: a client of another library, without a proxy.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--ws-publish")
	dialWebSocket(t, "ws://"+p.front+"/ws?cname=a", nil, nil).use(p, "a")
	p.waits(t, 0, "")
}

// TestWebSocketPublishedOnce: a client that is cut off before the answer sends its message
// again on another connection with the same key, and the message is published once.
func TestWebSocketPublishedOnce(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--ws-publish")
	reader := dialWebSocket(t, "ws://"+p.front+"/ws?cname=a", nil, nil)
	reader.expect(object("next_seq", "a", 1, ""))
	const text = `{"op":"pub","cname":"a","content":"once","key":"7d1f","id":1}`
	cut := dialWebSocket(t, "ws://"+p.front+"/ws", nil, nil)
	if err := wsutil.WriteClientText(cut, []byte(text)); err != nil {
		t.Fatal(err)
	}
	reader.expect(object("data", "a", 1, "once")) // so it is published, but its publisher gets no answer
	cut.Close()
	again := dialWebSocket(t, "ws://"+p.front+"/ws", nil, nil)
	again.ask(text, `{"type":"ok","seq":1,"id":1}`)
	again.ask(`{"op":"pub","cname":"a","content":"next","key":"7d20","id":2}`, `{"type":"ok","seq":2,"id":2}`)
	reader.expect(object("data", "a", 2, "next"))
}

// TestWebSocketTokenPublishes: the backend decides which clients may publish, by the token that
// it requests.
func TestWebSocketTokenPublishes(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--auth", "token")
	sign := func(query string) string {
		_, rest, _ := strings.Cut(get(t, p.admin, "/sign?cname=a"+query).body, `"token":"`)
		token, _, _ := strings.Cut(rest, `"`)
		return token
	}
	writer := dialWebSocket(t, "ws://"+p.front+"/ws?cname=a&seq=1&token="+sign("&publish=1"), nil, nil)
	reader := dialWebSocket(t, "ws://"+p.front+"/ws?cname=a&seq=1&token="+sign(""), nil, nil)
	const text = `{"op":"pub","cname":"a","content":"said","id":1}`
	reader.ask(text, `{"type":"403","content":"clients may not publish: ws-publish is off, and the client is not subscribed with a token that permits it","id":1}`)
	writer.ask(text, `{"type":"ok","seq":1,"id":1}`, object("data", "a", 1, "said"))
	reader.expect(object("data", "a", 1, "said"))
}

// TestNginxWebSocket: through nginx as configured for users, on both routes, with heartbeats
// for longer than nginx's read timeout.
func TestNginxWebSocket(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--ws-publish --polling-timeout 1", "proxy_read_timeout 60s", "proxy_read_timeout 3s")
	for i, w := range x.ways()[:2] {
		cname := "c" + itoa(i)
		c := dialWebSocket(t, strings.Replace(w.url, "http", "ws", 1)+"/ws?cname="+cname, &tls.Config{RootCAs: x.roots}, nil)
		c.use(p, cname)
		quiet := dialWebSocket(t, strings.Replace(w.url, "http", "ws", 1)+"/ws?cname=q"+cname, &tls.Config{RootCAs: x.roots}, nil)
		quiet.expect(object("next_seq", "q"+cname, 1, ""))
		for range 6 { // a ping comes at most a third of the polling timeout early
			frame, err := ws.ReadFrame(quiet.in)
			if err != nil || frame.Header.OpCode != ws.OpPing {
				t.Fatalf("%s: %+v, %v", w.name, frame, err)
			}
			if err := ws.WriteFrame(quiet, ws.MaskFrame(ws.NewPongFrame(frame.Payload))); err != nil {
				t.Fatal(err)
			}
		}
		p.push("q"+cname, "still there")
		quiet.expect(object("data", "q"+cname, 1, "still there"))
	}
	if resp := x.ways()[0].get(t, "/ws"); resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("without an upgrade: %s", resp.Status)
	}
}

// TestHAProxyWebSocket: through HAProxy with its usual configuration.
func TestHAProxyWebSocket(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--ws-publish", "--trusted-proxy", "127.0.0.1")
	dir := startHAProxy(t, map[string]string{"front": p.front})
	c := dialWebSocket(t, "ws://127.0.0.1/ws?cname=a", nil, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "front"))
	})
	c.use(p, "a")
}

// TestWebSocketDrain: clients of a stopping server reconnect.
func TestWebSocketDrain(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--drain-time", "1")
	c := dialWebSocket(t, "ws://"+p.front+"/ws?cname=a", nil, nil)
	c.expect(object("next_seq", "a", 1, ""))
	p.stop(syscall.SIGTERM)
	text, err := wsutil.ReadServerText(struct {
		io.Reader
		io.Writer
	}{c.in, c})
	if err != nil || !strings.HasPrefix(string(text), `{"type":"retry","content":"`) {
		t.Fatalf("%s, %v", text, err)
	}
	frame, err := ws.ReadFrame(c.in)
	if code, _ := ws.ParseCloseFrameData(frame.Payload); err != nil || code != 1012 {
		t.Errorf("%+v, %v", frame, err)
	}
}
