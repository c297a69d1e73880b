package web

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/op"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// socket is what is kept of a WebSocket while something is under way on it: a message that has
// not wholly arrived, or operations that are not answered. Any other has none.
type socket struct {
	conn     reactor.Conn
	partial  websocket.Partial
	arriving bool         // a message has not wholly arrived; partial has what was taken of it
	began    reactor.Tick // when its first byte came
	kept     int          // bytes of it, as sockets.bytes has them

	ops       []pendingOp // in the order in which they came, which is that of their answers
	first     uint32      // the number of the first of them
	held      []byte      // an operation that is taken when those before it have been answered
	waiting   bool        // there is one
	joining   bool        // the only operation is a sub, which its channel's home is to answer
	ended     bool        // the client will send nothing more
	listed    bool        // among those that have something to write
	out       []byte      // answers that are rendered and not written
	answering bool        // there are some
}

// pendingOp is an operation that waits for its answer, or for those before it.
type pendingOp struct {
	kind   op.Kind
	done   bool
	closes bool // the client's Close frame: the connection ends when it is answered
	code   mail.Code
	idLen  uint8
	id     [op.MaxID]byte
	seq    int32  // of the message that was published, or the code of the Close frame
	text   string // the whole answer, if it was known at once
}

// busy says whether operations are under way.
func (s *socket) busy() bool { return len(s.ops) > 0 || s.waiting || s.answering }

// takes says whether the next message may be taken.
func (s *socket) takes() bool {
	n := len(s.ops)
	return !s.waiting && !s.joining && n < maxOps && (n == 0 || !s.ops[n-1].closes)
}

// maxOps is how many operations of one connection may wait for answers. Then nothing is read
// of it until there are some.
const maxOps = 128

// sockets are the WebSockets of a loop: what arrives on them and is answered. Those that have
// something under way have a record.
type sockets struct {
	*Web
	of      map[reactor.Conn]*socket
	most    int // as many as there were at once
	idle    []*socket
	ready   []*socket             // those that have something to write
	bytes   int                   // kept of messages that have not wholly arrived
	clients record.Column[uint64] // by connection: the address that it publishes from, where that is limited

	reader websocket.Reader
	whole  websocket.Partial // of those that are between two messages
	out    []byte            // what is to be written
	room   []byte            // where strings are decoded
	counts SocketFigures
}

const (
	keepSockets = 64   // idle records that are kept
	crowd       = 4096 // records at once that a map is not kept of
)

// open gives a connection a record, if it has none.
func (k *sockets) open(c reactor.Conn) *socket {
	if s := k.of[c]; s != nil {
		return s
	}
	if k.of == nil {
		k.of = map[reactor.Conn]*socket{}
	}
	var s *socket
	if n := len(k.idle); n > 0 {
		s, k.idle = k.idle[n-1], k.idle[:n-1]
	} else {
		s = new(socket)
	}
	s.conn = c
	k.of[c] = s
	k.most = max(k.most, len(k.of))
	return s
}

// forget drops what has come of a message whose socket is gone.
func (k *sockets) forget(m *websocket.Partial) {
	if m == &k.whole {
		k.whole = websocket.Partial{Payload: k.whole.Payload[:0]}
	}
}

// settle takes a connection's record back, if nothing is under way any more.
func (k *sockets) settle(s *socket) {
	if !s.arriving && !s.busy() {
		k.drop(s.conn)
	}
}

// drop takes a connection's record back, if it has one. It may still be listed as ready.
func (k *sockets) drop(c reactor.Conn) {
	s := k.of[c]
	if s == nil {
		return
	}
	delete(k.of, c)
	k.bytes -= s.kept
	clear(s.ops)
	fresh := socket{ops: s.ops[:0], held: s.held[:0], out: s.out[:0], partial: websocket.Partial{Payload: s.partial.Payload[:0]}}
	pool.Trimmed(&fresh.held, &fresh.out, &fresh.partial.Payload)
	if s.listed {
		s.conn = 0 // the turn's end passes it over
		return
	}
	if *s = fresh; len(k.idle) < keepSockets {
		k.idle = append(k.idle, s)
	}
}

// markReady lists a connection's record as one that has something to write.
func (k *sockets) markReady(s *socket) {
	if !s.listed {
		s.listed = true
		k.ready = append(k.ready, s)
	}
}

// count keeps account of what is kept of a message that has not wholly arrived, or that waits.
func (k *sockets) count(s *socket) {
	k.bytes -= s.kept
	if s.kept = 0; !s.partial.Idle() {
		s.kept = cap(s.partial.Payload)
	}
	if s.waiting {
		s.kept += cap(s.held)
	}
	k.bytes += s.kept
}

// trim lets go of what something large was rendered, or decoded, in.
func (k *sockets) trim() {
	pool.Trimmed(&k.out, &k.room, &k.whole.Payload)
	if len(k.of) == 0 && k.most > crowd {
		k.of, k.most = nil, 0 // a map keeps the room that it once had
	}
}
