// Command echo is the smallest WebSocket server that reactor and httplite make: it sends each message back as it came.
//
//	go run ./demo/echo 127.0.0.1:8101
//	new WebSocket('ws://127.0.0.1:8101/')     // in a browser's console, on a page without TLS
//
// Text and binary messages are echoed, fragments joined, with permessage-deflate where the client offers it. A client
// that does not read what it is sent is not read from, either, until it does.
package main

import (
	"log"
	"os"
	"time"

	"ccomet/httplite"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// The user word of a connection.
const (
	asking  = iota // its request has not come
	plain          // it is a WebSocket
	deflate        // it is one, and messages may be compressed; above: to what window, in bits
)

// server is the handler of a loop, on whose goroutine everything here happens.
type server struct {
	loop     *reactor.Loop
	req      httplite.Request // one for all: a request that was incomplete is parsed anew
	reader   websocket.Reader
	deflater websocket.Deflater
	partial  map[reactor.Conn]*websocket.Partial // of connections that are amid a message
	whole    websocket.Partial                   // of all others
	out      []byte                              // what is written next
}

// maxMessage is as much as conformance suites ask for, in bytes.
const maxMessage = 16 << 20

// Both rules are alike but for compression.
var (
	plainRules   = websocket.Rules{Message: maxMessage, Fragments: 1 << 18}
	deflateRules = websocket.Rules{Message: maxMessage, Fragments: 1 << 18, Deflate: true}
	options      = websocket.Options{Deflate: true, Window: websocket.MinWindow}
)

// newServer opens a server; its loop's Run serves.
func newServer(address string) (s *server, ln *reactor.Listener, err error) {
	s = &server{partial: map[reactor.Conn]*websocket.Partial{}}
	if s.loop, err = reactor.NewLoop(s, reactor.Config{MaxHeld: maxMessage + 64}); err == nil { // a frame
		ln, err = reactor.Listen(address, reactor.SocketOptions{Exclusive: true, KeepAlive: time.Minute})
	}
	if err == nil {
		err = s.loop.AddListener(ln, 0)
	}
	return s, ln, err
}

func (s *server) Opened(c reactor.Conn)             { s.loop.SetTimer(c, 10*time.Second) } // for its request
func (s *server) Drained(c reactor.Conn)            { s.loop.Resume(c) }
func (s *server) Expired(c reactor.Conn)            { s.loop.Close(c) }
func (s *server) Closed(c reactor.Conn, _ error)    { delete(s.partial, c) }
func (s *server) TurnEnded(time.Time) time.Duration { return -1 }

// Ended is told again when all that it sent has been read.
func (s *server) Ended(c reactor.Conn) {
	if !s.loop.Blocked(c) {
		s.loop.Finish(c)
	}
}

// Received serves a request, and the messages behind it. What it does not consume is shown to it again, with what
// follows.
func (s *server) Received(c reactor.Conn, p []byte) (used int) {
	if s.loop.User(c) == asking {
		used = s.upgrade(c, p)
	}
	if s.loop.User(c) != asking {
		used += s.messages(c, p[used:])
	}
	return used
}

// upgrade answers a request, and returns how much of p it was.
func (s *server) upgrade(c reactor.Conn, p []byte) int {
	s.req.Reset()
	n, err := s.req.Parse(p, nil)
	if err != nil {
		s.last(c, httplite.AppendError(nil, err.(*httplite.Error)))
		return 0
	}
	if n == 0 {
		return 0
	}
	h, err := websocket.ReadHandshake(&s.req, &options)
	if err != nil {
		s.last(c, websocket.AppendRefusal(nil, err.(*websocket.HandshakeError)))
		return n
	}
	word := uint32(plain)
	if h.Deflate {
		word = deflate + uint32(h.Window)
	}
	s.loop.SetUser(c, word)
	s.loop.SetTimer(c, -1) // it may be silent for ever
	_ = s.loop.Write(c, httplite.EndHeaders(h.AppendResponse(nil)))
	return n
}

// messages answers what has come of a WebSocket, and returns how much of p it was.
func (s *server) messages(c reactor.Conn, p []byte) (used int) {
	rules := &plainRules
	if s.loop.User(c) >= deflate {
		rules = &deflateRules
	}
	m := s.partial[c]
	if m == nil {
		m = &s.whole
	}
	for !s.loop.Blocked(c) { // else the rest waits until it has read what it was sent
		msg, n, err := s.reader.Next(m, p[used:], rules)
		used += n
		if err != nil {
			e := err.(*websocket.Error)
			s.last(c, websocket.AppendClose(nil, e.Code, e.Error()))
			break
		}
		if msg.Op == 0 {
			break // more is needed
		}
		if !s.answer(c, msg) {
			break
		}
	}
	if s.loop.Blocked(c) {
		s.loop.Pause(c)
	}
	s.keep(c, m)
	return used
}

// keep keeps what has come of a message that is not whole, and of no other.
func (s *server) keep(c reactor.Conn, m *websocket.Partial) {
	switch {
	case m.Idle() || !s.loop.Alive(c):
		delete(s.partial, c)
	case m == &s.whole:
		amid := s.whole
		s.partial[c] = &amid
	}
	s.whole = websocket.Partial{}
}

// answer answers a message, and says whether others may follow.
func (s *server) answer(c reactor.Conn, msg websocket.Message) bool {
	word := s.loop.User(c)
	if cap(s.out) > 1<<20 {
		s.out = nil // it has grown for a large message
	}
	switch {
	case msg.Op == websocket.Close:
		code, reason, _ := websocket.ParseClose(msg.Payload) // which the reader has checked
		s.last(c, websocket.AppendClose(nil, code, string(reason)))
		return false
	case msg.Op == websocket.Pong:
		return true
	case msg.Op == websocket.Ping:
		s.out = websocket.AppendFrame(s.out[:0], websocket.Pong, msg.Payload)
	case word >= deflate:
		s.out = s.deflater.AppendFrame(s.out[:0], msg.Op, msg.Payload, int(word-deflate))
	default:
		s.out = websocket.AppendFrame(s.out[:0], msg.Op, msg.Payload)
	}
	return s.loop.Write(c, s.out) == nil // a failure is told to Closed
}

// last writes what ends a connection.
func (s *server) last(c reactor.Conn, p []byte) {
	_ = s.loop.Write(c, p)
	s.loop.Finish(c) // once that is written
}

func main() {
	s, _, err := newServer(append(os.Args, "127.0.0.1:8101")[1]) // what the argument says, or that
	if err == nil {
		err = s.loop.Run()
	}
	log.Fatal(err)
}
