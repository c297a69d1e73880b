package bench

import (
	"crypto/rand"

	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// frames is the WebSocket reader of a client process. All connections share one parser
// state, except those whose input has ended within a message.
type frames struct {
	reader websocket.Reader
	begun  map[uint32]*websocket.Partial // by subscriber
	idle   websocket.Partial             // of all others
}

var frameRules = websocket.Rules{Client: true, Message: maxContent + 4096}

// readFrames handles received frames, and returns how many bytes it has consumed.
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
			_, _ = rand.Read(key[:]) // never fails
			c.out = websocket.AppendMaskedFrame(c.out[:0], websocket.Pong, msg.Payload, key)
			_ = c.loop.Write(conn, c.out) // if the connection is lost, Closed is called
		case msg.Op == websocket.Close:
			code, reason, _ := websocket.ParseClose(msg.Payload)
			c.broken(conn, "the server closed the WebSocket: %d %s", code, reason)
			return len(p)
		}
	}
}

// keep stores the state of an incomplete message of a subscriber.
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
