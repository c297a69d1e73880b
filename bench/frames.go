package bench

import (
	"crypto/rand"

	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// frames is what a client process needs to read WebSockets: one for all its
// connections, but for those whose input ended within a message.
type frames struct {
	reader websocket.Reader
	begun  map[uint32]*websocket.Partial // of a subscriber
	idle   websocket.Partial             // of all others
}

var frameRules = websocket.Rules{Client: true, Message: maxContent + 4096}

// readFrames takes what has come of frames, and returns how much that is.
func (c *client) readFrames(conn reactor.Conn, i uint32, sub *subscriber, p []byte) (used int) {
	f := &c.frames
	m := f.begun[i]
	if m == nil {
		m = &f.idle
	}
	for {
		msg, n, err := f.reader.Next(m, p[used:], &frameRules)
		used += n
		switch {
		case err != nil:
			c.broken(conn, "frames: %v", err)
			return len(p)
		case msg.Op == 0:
			f.keep(i, m)
			return used
		case msg.Op == websocket.Text, msg.Op == websocket.Binary:
			c.line(i, sub, msg.Payload)
		case msg.Op == websocket.Ping:
			var key [4]byte
			_, _ = rand.Read(key[:]) // it does not fail
			c.out = websocket.AppendMaskedFrame(c.out[:0], websocket.Pong, msg.Payload, key)
			_ = c.loop.Write(conn, c.out) // a connection that is gone is told of as Closed
		case msg.Op == websocket.Close:
			code, reason, _ := websocket.ParseClose(msg.Payload)
			c.broken(conn, "the server closed the WebSocket: %d %s", code, reason)
			return len(p)
		}
	}
}

// keep keeps what is begun of a subscriber's message.
func (f *frames) keep(i uint32, m *websocket.Partial) {
	switch {
	case m.Idle():
		delete(f.begun, i)
	case m == &f.idle:
		if f.begun == nil {
			f.begun = map[uint32]*websocket.Partial{}
		}
		begun := f.idle
		f.begun[i], f.idle = &begun, websocket.Partial{}
	}
}
