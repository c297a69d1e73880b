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

// What arrives on a WebSocket (RFC 6455):
//
//  1. socketReceived takes the messages out of it. What is here of one that has not wholly
//     arrived is kept (sockets.go), and has BodyTimeout to be whole.
//  2. A text is an operation (socketops.go), a ping is answered, a Close frame too, and is
//     the last that is read. Anything else ends the connection with a Close frame that says
//     why.
//  3. All answers to what arrived together leave in one write.
//
// Nothing is read while a channel's home is to answer a sub, while the client does not read
// what it is sent, or while too many operations wait for answers.

// socketReceived takes what has arrived.
func socketReceived(w *Web, i uint32, c reactor.Conn, p []byte) (used int) {
	k := &w.sockets
	if w.drain.Phase >= drain.Ending { // what is asked now would not be answered
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
			break // more is needed
		}
		if msg.Op == websocket.Text {
			texts++
		}
		if !k.takeMessage(c, msg) {
			k.forget(m)
			return len(p)
		}
	}
	more = more || !m.Idle() // where the rest is not read now
	k.writeOut(c)
	k.keepArriving(c, m, more, texts > 0)
	if !k.takesMessages(c) {
		w.loop.Pause(c)
	}
	return used
}

// takeMessage takes a whole message, or a control frame, and says whether the connection goes
// on.
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
		k.CloseSocket(c, websocket.UnsupportedData, "only text is understood here")
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

// takeClose answers a client's Close frame, behind the operations that it has asked for.
func (k *sockets) takeClose(c reactor.Conn, payload []byte) {
	code, _, _ := websocket.ParseClose(payload) // which the reader has checked
	if s := k.of[c]; s != nil && s.busy() {
		s.ops = append(s.ops, pendingOp{done: true, closes: true, seq: int32(code)})
		k.writeOut(c)
		k.loop.Pause(c)
		return
	}
	k.closeSocket(c, byClient, code, "")
}

// CloseSocket ends a WebSocket with a Close frame.
func (w *Web) CloseSocket(c reactor.Conn, code websocket.Code, reason string) {
	w.sockets.closeSocket(c, byServer, code, reason)
}

// closeSocket ends a WebSocket with a Close frame, behind the answers that are there.
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
	if stuck { // it is counted as one that does not read: for that it is closed
		k.SetState(c, conn.Ending, conn.EndingCounted)
	}
}

// writeOut writes the answers that are there.
func (k *sockets) writeOut(c reactor.Conn) {
	if len(k.out) == 0 {
		return
	}
	stuck := k.loop.Blocked(c)
	_ = k.loop.Write(c, k.out) // a lost connection is told to Closed
	k.out = k.out[:0]
	if !stuck && k.loop.Blocked(c) {
		k.loop.SetTimer(c, k.loop.WriteTime(c))
	}
}

// keepArriving keeps what is here of a message that has not wholly arrived, if there is one
// (more), and takes back what was kept of one that has. It has BodyTimeout from its first
// byte on; another: it is not the one that was arriving before.
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

// socketTakes says whether the next message of a WebSocket may be taken.
func socketTakes(w *Web, i uint32, c reactor.Conn) bool {
	return w.sockets.takesMessages(c) && !w.hub.Sockets.Joining(i)
}

// takesMessages is socketTakes where no channel is being joined that a request has named.
func (k *sockets) takesMessages(c reactor.Conn) bool {
	if !k.loop.Alive(c) || k.loop.Blocked(c) {
		return false
	}
	s := k.of[c]
	return s == nil || s.takes()
}

// socketEnded: the client will send nothing more, and has not said that it ends. What it has
// asked for before is done, and then the loop tells of the end again.
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
