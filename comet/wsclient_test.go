package comet

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/httplite"
	"ccomet/httplite/websocket"
)

// wsPlayer is a client of a stage on a WebSocket.
type wsPlayer struct {
	*player
	in       []byte
	partial  websocket.Partial
	reader   websocket.Reader
	rules    websocket.Rules
	response httplite.Response
	closed   bool // a Close frame has come
}

// handshake is the upgrade request of a WebSocket; more are header lines.
func handshake(target string, more ...string) string {
	return reqGet(1, target, append([]string{
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"}, more...)...)
}

// switched is the answer to a valid one.
const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

// websocket opens a WebSocket.
func (st *stage) websocket(loop int, target string, more ...string) *wsPlayer {
	st.t.Helper()
	p := &wsPlayer{player: st.enter(loop, conn.Front), rules: websocket.Rules{Client: true}}
	p.send(handshake(target, more...))
	got := p.take()
	n, err := p.response.ParseHead([]byte(got), nil)
	if err != nil || n == 0 || p.response.Status() != 101 {
		st.t.Fatalf("%s: %q", target, got)
	}
	p.rules.Deflate = len(p.response.Header("Sec-WebSocket-Extensions")) > 0
	p.in = []byte(got[n:])
	return p
}

// frame is a client's frame.
func clientFrame(op websocket.Opcode, payload string) string {
	return string(websocket.AppendMaskedFrame(nil, op, []byte(payload), [4]byte{1, 2, 3, 4}))
}

// text sends text messages, together.
func (p *wsPlayer) text(texts ...string) {
	p.st.t.Helper()
	all := ""
	for _, text := range texts {
		all += clientFrame(websocket.Text, text)
	}
	p.send(all)
}

// tryWrite sends as much as the kernel takes, and returns how much that was.
func (p *wsPlayer) tryWrite(s string) int {
	n, _ := unix.Write(p.fd, []byte(s))
	return n
}

// hear returns what has come: a line for each message or control frame, "ping",
// "close 1000 why".
func (p *wsPlayer) hear() string {
	p.st.t.Helper()
	p.in = append(p.in, p.take()...)
	var lines []string
	for len(p.in) > 0 && !p.closed {
		msg, n, err := p.reader.Next(&p.partial, p.in, &p.rules)
		if err != nil {
			p.st.t.Fatalf("%q: %v", p.in, err)
		}
		line := string(msg.Payload)
		p.in = p.in[n:]
		switch msg.Op {
		case 0:
			return strings.Join(lines, "\n")
		case websocket.Close:
			p.closed = true
			line = "close"
			if len(msg.Payload) > 0 {
				line = strings.TrimSpace(fmt.Sprintf("close %d %s", binary.BigEndian.Uint16(msg.Payload), msg.Payload[2:]))
			}
		case websocket.Ping, websocket.Pong:
			line = strings.TrimSpace(strings.ToLower(msg.Op.String()) + " " + line)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// expect compares what has come, line by line.
func (p *wsPlayer) expect(lines ...string) {
	p.st.t.Helper()
	same(p.st.t, p.hear(), strings.Join(lines, "\n"))
}

// ask sends operations, and compares what comes.
func (p *wsPlayer) ask(text string, lines ...string) {
	p.st.t.Helper()
	p.text(text)
	p.expect(lines...)
}

// gone reports whether the server has ended the connection.
func (p *wsPlayer) gone() bool {
	p.take()
	return p.ended
}
