package web

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/op"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// socket is the record of a WebSocket with unfinished work: an incomplete message, or
// unanswered operations. Other WebSockets have none.
type socket struct {
	conn     reactor.Conn
	partial  websocket.Partial
	arriving bool         // a message is incomplete; partial has the state of its parser
	began    reactor.Tick // when its first byte arrived
	kept     int          // bytes that are counted in sockets.bytes

	ops       []pendingOp // in the order of arrival, which is that of the answers
	first     uint32      // number of the first
	held      []byte      // an operation that starts when the earlier ones are answered
	waiting   bool        // held is set
	joining   bool        // the only operation is a sub, which the channel's home has not answered
	ended     bool        // the client will send nothing more
	listed    bool        // is in sockets.ready
	out       []byte      // rendered answers that are not written
	answering bool        // out is not empty
}

// pendingOp is an operation that waits for its answer, or for the answers of earlier ones.
type pendingOp struct {
	kind   op.Kind
	done   bool
	closes bool // the client's Close frame: answering it closes the connection
	code   mail.Code
	idLen  uint8
	id     [op.MaxID]byte
	seq    int32  // number of the published message, or code of the Close frame
	text   string // the whole answer, if it was known immediately
}

// busy reports whether operations are pending.
func (s *socket) busy() bool { return len(s.ops) > 0 || s.waiting || s.answering }

// takes reports whether the next message may be read.
func (s *socket) takes() bool {
	n := len(s.ops)
	return !s.waiting && !s.joining && n < maxOps && (n == 0 || !s.ops[n-1].closes)
}

// maxOps is the maximum number of unanswered operations of one connection. Reading stops there.
const maxOps = 128

// sockets handles the input and the answers of a loop's WebSockets. Only those with unfinished
// work have a record.
type sockets struct {
	*Web
	of      map[reactor.Conn]*socket
	most    int // largest size of the map of
	idle    []*socket
	ready   []*socket             // those that may have something to write
	bytes   int                   // buffered bytes of incomplete messages and held operations
	clients record.Column[uint64] // by connection: the client, if publishes are limited by address

	reader websocket.Reader
	whole  websocket.Partial // parser state of a connection without an incomplete message
	out    []byte            // bytes to write
	room   []byte            // buffer for decoded strings
	counts SocketFigures
}

const (
	keepSockets = 64   // maximum number of idle records
	crowd       = 4096 // a map that held more records is not kept
)

// open returns the record of a connection, which it creates if necessary.
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

// forget discards the parser state of a connection that is closed.
func (k *sockets) forget(m *websocket.Partial) {
	if m == &k.whole {
		k.whole = websocket.Partial{Payload: k.whole.Payload[:0]}
	}
}

// settle releases a connection's record if no work is left.
func (k *sockets) settle(s *socket) {
	if !s.arriving && !s.busy() {
		k.drop(s.conn)
	}
}

// drop releases a connection's record, if it has one. The record may still be in ready.
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
		s.conn = 0 // FlushSockets skips it
		return
	}
	if *s = fresh; len(k.idle) < keepSockets {
		k.idle = append(k.idle, s)
	}
}

// markReady adds a record to ready.
func (k *sockets) markReady(s *socket) {
	if !s.listed {
		s.listed = true
		k.ready = append(k.ready, s)
	}
}

// count updates the number of bytes buffered for an incomplete message or a held operation.
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

// trim drops buffers that have grown large.
func (k *sockets) trim() {
	pool.Trimmed(&k.out, &k.room, &k.whole.Payload)
	if len(k.of) == 0 && k.most > crowd {
		k.of, k.most = nil, 0 // a Go map never shrinks
	}
}
