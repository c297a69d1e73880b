// Command echo is the smallest WebSocket server that can be built from reactor and httplite. It sends each message
// back.
//
//	go run ./demo/echo 127.0.0.1:8101
//	new WebSocket('ws://127.0.0.1:8101/')     // in a browser's console, on a page without TLS
//
// Text and binary messages are echoed, fragments are joined, and permessage-deflate is used if the client offers it.
// While a client does not read its messages, nothing is read from it.
package main

import (
	"log"
	"os"
	"time"

	"ccomet/httplite"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// Values of a connection's user word.
const (
	asking  = iota // its request has not arrived
	plain          // a WebSocket
	deflate        // a WebSocket with compression; the word minus deflate is the window in bits
)

// server is the handler of a loop. Everything here runs on the loop's goroutine.
type server struct {
	loop     *reactor.Loop
	req      httplite.Request // shared: an incomplete request is parsed again from the start
	reader   websocket.Reader
	deflater websocket.Deflater
	partial  map[reactor.Conn]*websocket.Partial // of connections with an incomplete message
	whole    websocket.Partial                   // of all others
	out      []byte                              // output buffer
}

// maxMessage is the largest size that conformance suites require, in bytes.
const maxMessage = 16 << 20

// The rules differ in compression only.
var (
	plainRules   = websocket.Rules{Message: maxMessage, Fragments: 1 << 18}
	deflateRules = websocket.Rules{Message: maxMessage, Fragments: 1 << 18, Deflate: true}
	options      = websocket.Options{Deflate: true, Window: websocket.MinWindow}
)

// newServer opens a server. Its loop's Run serves.
func newServer(address string) (s *server, ln *reactor.Listener, err error) {
	s = &server{partial: map[reactor.Conn]*websocket.Partial{}}
	if s.loop, err = reactor.NewLoop(s, reactor.Config{MaxHeld: maxMessage + 64}); err == nil { // room for one frame
		ln, err = reactor.Listen(address, reactor.SocketOptions{Exclusive: true, KeepAlive: time.Minute})
	}
	if err == nil {
		err = s.loop.AddListener(ln, 0)
	}
	return s, ln, err
}

func (s *server) Opened(c reactor.Conn)             { s.loop.SetTimer(c, 10*time.Second) } // time limit for its request
func (s *server) Drained(c reactor.Conn)            { s.loop.Resume(c) }
func (s *server) Expired(c reactor.Conn)            { s.loop.Close(c) }
func (s *server) Closed(c reactor.Conn, _ error)    { delete(s.partial, c) }
func (s *server) TurnEnded(time.Time) time.Duration { return -1 }

// Ended is called again when everything that the client has sent is read.
func (s *server) Ended(c reactor.Conn) {
	if !s.loop.Blocked(c) {
		s.loop.Finish(c)
	}
}

// Received serves a request, and the messages after it. The loop passes bytes that it does not consume again,
// together with later ones.
func (s *server) Received(c reactor.Conn, p []byte) (used int) {
	if s.loop.User(c) == asking {
		used = s.upgrade(c, p)
	}
	if s.loop.User(c) != asking {
		used += s.messages(c, p[used:])
	}
	return used
}

// upgrade answers a request, and returns how many bytes of p it has consumed.
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
	s.loop.SetTimer(c, -1) // it may be silent forever
	_ = s.loop.Write(c, httplite.EndHeaders(h.AppendResponse(nil)))
	return n
}

// messages answers the received messages, and returns how many bytes of p it has consumed.
func (s *server) messages(c reactor.Conn, p []byte) (used int) {
	rules := &plainRules
	if s.loop.User(c) >= deflate {
		rules = &deflateRules
	}
	m := s.partial[c]
	if m == nil {
		m = &s.whole
	}
	for !s.loop.Blocked(c) { // else the rest waits until the client has read its messages
		msg, n, err := s.reader.Next(m, p[used:], rules)
		used += n
		if err != nil {
			e := err.(*websocket.Error)
			s.last(c, websocket.AppendClose(nil, e.Code, e.Error()))
			break
		}
		if msg.Op == 0 {
			break // the message is incomplete
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

// keep stores the state of an incomplete message.
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

// answer answers a message, and reports whether more may follow.
func (s *server) answer(c reactor.Conn, msg websocket.Message) bool {
	word := s.loop.User(c)
	if cap(s.out) > 1<<20 {
		s.out = nil // it was used for a large message
	}
	switch {
	case msg.Op == websocket.Close:
		code, reason, _ := websocket.ParseClose(msg.Payload) // the reader has checked the payload
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
	return s.loop.Write(c, s.out) == nil // after a failure, Closed is called
}

// last writes the end of a connection, and closes it.
func (s *server) last(c reactor.Conn, p []byte) {
	_ = s.loop.Write(c, p)
	s.loop.Finish(c) // after the write is complete
}

func main() {
	s, _, err := newServer(append(os.Args, "127.0.0.1:8101")[1]) // the argument, or this address
	if err == nil {
		err = s.loop.Run()
	}
	log.Fatal(err)
}
