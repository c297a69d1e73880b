package web

import (
	"fmt"
	"slices"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// How data that arrives on a WebSocket (RFC 6455) is handled:
//
//  1. socketReceived parses it into messages. The bytes of an incomplete message are kept
//     (sockets.go); it must be complete BodyTimeout after its first byte.
//  2. A text message is an operation (socketops.go). A ping is answered. A Close frame is
//     answered, and nothing is read after it. Anything else closes the connection with a Close
//     frame that gives the reason.
//  3. All answers to what arrived together are sent in one write.
//
// Reading stops while a channel's home has not answered a sub, while the client does not read
// its messages, and while too many operations wait for answers.

// socketReceived parses and handles received data. It returns how many bytes it has consumed.
func socketReceived(w *Web, i uint32, c reactor.Conn, p []byte) (used int) {
	k := &w.sockets
	if w.drain.Phase >= drain.Ending { // operations would not be answered any more
		k.out = k.out[:0]
		w.CloseSocket(c, websocket.ServiceRestart, hub.Stopping)
		return len(p)
	}
	s := k.of[c]
	w.hub.Sockets.Heard(i)
	m := &k.whole
	if s != nil && !s.partial.Idle() {
		m = &s.partial
	}
	rules := &w.site.socketRules
	if w.hub.Sockets.Deflates(i) {
		rules = &w.site.deflateRules
	}
	k.out, k.room = k.out[:0], k.room[:0]
	texts, more := 0, false
	for k.takesMessages(c) {
		msg, n, err := k.reader.Next(m, p[used:], rules)
		used += n
		if err != nil {
			e := err.(*websocket.Error)
			if e.Kind == websocket.TooBig {
				w.totals.HitLimit(limit.WSMaxMessage, w.cfg.WSMaxMessage, w.loop.Now())
			}
			w.CloseSocket(c, e.Code, e.Error())
			k.forget(m)
			return len(p)
		}
		if msg.Op == 0 {
			more = !m.Idle() || used < len(p)
			break // the rest of the message has not arrived
		}
		if msg.Op == websocket.Text {
			texts++
		}
		if !k.takeMessage(c, msg) {
			k.forget(m)
			return len(p)
		}
	}
	more = more || !m.Idle() // the rest is there but is not read now
	k.writeOut(c)
	k.keepArriving(c, m, more, texts > 0)
	if !k.takesMessages(c) {
		w.loop.Pause(c)
	}
	return used
}

// takeMessage handles a complete message or a control frame. It returns false if it has closed
// the connection.
func (k *sockets) takeMessage(c reactor.Conn, msg websocket.Message) bool {
	_, i := k.State(c)
	paced := k.cfg.WSRate == 0 || k.hub.Sockets.Take(i, k.cfg.WSRate)
	if !paced {
		k.totals.HitLimit(limit.WSRate, k.cfg.WSRate, k.loop.Now())
	}
	switch msg.Op {
	case websocket.Text:
		k.takeText(c, msg.Payload, paced)
		return true
	case websocket.Close:
		k.takeClose(c, msg.Payload)
		return false
	case websocket.Binary:
		k.CloseSocket(c, websocket.UnsupportedData, "only text messages are accepted")
		return false
	}
	if !paced {
		k.CloseSocket(c, websocket.PolicyViolation, k.cfg.tooManyMessages())
		return false
	}
	if msg.Op == websocket.Ping {
		k.out = websocket.AppendFrame(k.out, websocket.Pong, msg.Payload)
	}
	return true
}

// takeClose answers a client's Close frame, after the answers to earlier operations.
func (k *sockets) takeClose(c reactor.Conn, payload []byte) {
	code, _, _ := websocket.ParseClose(payload) // the reader has checked the payload
	if s := k.of[c]; s != nil && s.busy() {
		s.ops = append(s.ops, pendingOp{done: true, closes: true, seq: int32(code)})
		k.writeOut(c)
		k.loop.Pause(c)
		return
	}
	k.closeSocket(c, byClient, code, "")
}

// CloseSocket closes a WebSocket with a Close frame.
func (w *Web) CloseSocket(c reactor.Conn, code websocket.Code, reason string) {
	w.sockets.closeSocket(c, byServer, code, reason)
}

// closeSocket closes a WebSocket with a Close frame, after the answers that are already
// rendered.
func (k *sockets) closeSocket(c reactor.Conn, by int, code websocket.Code, reason string) {
	k.counts.Closed[by][closeCode(code)]++
	if rest := k.TakeAnswers(c); len(rest) > 0 {
		k.out = slices.Insert(k.out, 0, rest...)
	}
	k.out = websocket.AppendClose(k.out, code, reason)
	k.writeOut(c)
	_, i := k.State(c)
	k.hub.Sockets.LetGo(i)
	k.drop(c)
	stuck := k.loop.Blocked(c)
	k.Finish(c)
	if stuck { // closed because it did not read, so it is counted as such
		k.SetState(c, conn.Ending, conn.EndingCounted)
	}
}

// writeOut writes the rendered answers.
func (k *sockets) writeOut(c reactor.Conn) {
	if len(k.out) == 0 {
		return
	}
	stuck := k.loop.Blocked(c)
	_ = k.loop.Write(c, k.out) // if the connection is lost, Closed is called
	k.out = k.out[:0]
	if !stuck && k.loop.Blocked(c) {
		k.loop.SetTimer(c, k.loop.WriteTime(c))
	}
}

// keepArriving keeps the state of an incomplete message if there is one (more); else it
// releases what was kept of the last one. A message must be complete BodyTimeout after its
// first byte. another: it is not the message that was incomplete before.
func (k *sockets) keepArriving(c reactor.Conn, m *websocket.Partial, more, another bool) {
	s := k.of[c]
	if s == nil && !more {
		return
	}
	if s == nil {
		s = k.open(c)
	}
	if m == &k.whole && more {
		s.partial, k.whole = k.whole, websocket.Partial{}
	}
	if more && (another || !s.arriving) {
		s.began = k.loop.Tick()
		if left, armed := k.loop.TimeLeft(c); !armed || left > k.cfg.BodyTimeout {
			k.loop.SetTimer(c, k.cfg.BodyTimeout)
		}
	}
	s.arriving = more
	k.count(s)
	if ceiling := k.cfg.MaxHeldBytes; k.bytes > ceiling/k.cfg.Loops {
		k.totals.HitLimit(limit.Held, ceiling, k.loop.Now())
		k.CloseSocket(c, websocket.TryAgainLater, k.cfg.tooMuchArriving())
		return
	}
	k.settle(s)
}

// socketTakes reports whether the next message of a WebSocket may be read.
func socketTakes(w *Web, i uint32, c reactor.Conn) bool {
	return w.sockets.takesMessages(c) && !w.hub.Sockets.Joining(i)
}

// takesMessages is socketTakes without the test for a join that the upgrade request started.
func (k *sockets) takesMessages(c reactor.Conn) bool {
	if !k.loop.Alive(c) || k.loop.Blocked(c) {
		return false
	}
	s := k.of[c]
	return s == nil || s.takes()
}

// socketEnded is called when the client will send nothing more but has sent no Close frame. If
// operations are pending they are completed, and then the loop reports the end again.
func socketEnded(w *Web, _ uint32, c reactor.Conn) {
	if s := w.sockets.of[c]; s != nil && s.busy() {
		s.ended = true
		return
	}
	w.loop.Close(c)
}

func socketDrained(w *Web, i uint32, c reactor.Conn) {
	w.hub.Drained(i, c)
	if s := w.sockets.of[c]; s != nil {
		w.sockets.markReady(s)
	}
}

func socketExpired(w *Web, i uint32, c reactor.Conn) {
	if s := w.sockets.of[c]; s != nil && s.arriving && !w.loop.Blocked(c) && !w.drain.On() {
		if time.Duration(w.loop.Tick()-s.began)*reactor.TickLength >= w.cfg.BodyTimeout {
			w.CloseSocket(c, websocket.PolicyViolation, fmt.Sprintf("a message did not arrive within %v", w.cfg.BodyTimeout))
			return
		}
	}
	w.hub.Beat(i, c)
}

func socketClosed(w *Web, i uint32, c reactor.Conn) {
	w.TakeAnswers(c)
	w.sockets.counts.Closed[byClient][closeCode(websocket.Abnormal)]++
	w.sockets.drop(c)
	w.hub.Closed(i, c)
}

func socketLeaves(w *Web, i uint32, c reactor.Conn) { w.hub.Leaves(i, c) }
