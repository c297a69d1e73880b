// Command minimal is the smallest comet server that can be built from reactor and httplite: one loop, one map, no
// lock.
//
//	go run ./demo/minimal 127.0.0.1:8100
//	curl -N 'http://127.0.0.1:8100/sub?id=7'             # waits (another terminal)
//	curl 'http://127.0.0.1:8100/pub?id=7&content=hello'  # publishes
//
// An id is a number and has one subscriber. A new one replaces the one before, whose connection is closed.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// server is the handler of a loop. Everything here runs on the loop's goroutine.
type server struct {
	loop *reactor.Loop
	req  httplite.Request        // shared: an incomplete request is parsed again from the start
	subs map[uint32]reactor.Conn // by id, which is also the user word of the connection
}

// newServer opens a server. Its loop's Run serves. A client that leaves more than MaxHeld bytes unread is
// disconnected.
func newServer(address string) (s *server, ln *reactor.Listener, err error) {
	s = &server{subs: map[uint32]reactor.Conn{}}
	if s.loop, err = reactor.NewLoop(s, reactor.Config{MaxHeld: 64 << 10}); err == nil {
		ln, err = reactor.Listen(address, reactor.SocketOptions{Exclusive: true, KeepAlive: time.Minute})
	}
	if err == nil {
		err = s.loop.AddListener(ln, 0)
	}
	return s, ln, err
}

func (s *server) Opened(c reactor.Conn)             { s.loop.SetTimer(c, 10*time.Second) } // time limit for its request
func (s *server) Ended(c reactor.Conn)              { s.loop.Finish(c) }
func (s *server) Drained(reactor.Conn)              {}
func (s *server) Expired(c reactor.Conn)            { s.loop.Close(c) }
func (s *server) TurnEnded(time.Time) time.Duration { return -1 }

func (s *server) Closed(c reactor.Conn, _ error) {
	if id := s.loop.User(c); s.subs[id] == c { // else it never subscribed, or was replaced
		delete(s.subs, id)
	}
}

// Received serves a request. The loop passes bytes that it does not consume again, together with later ones.
func (s *server) Received(c reactor.Conn, p []byte) int {
	s.req.Reset()
	n, err := s.req.Parse(p, nil)
	if err != nil {
		_ = s.loop.Write(c, httplite.AppendError(nil, err.(*httplite.Error)))
		s.loop.Finish(c)
	} else if n > 0 {
		s.serve(c, string(s.req.Path()), s.req.Query())
	}
	return n
}

func (s *server) serve(c reactor.Conn, path string, query []byte) {
	digits, _ := httplite.GetArg(query, "id")
	id, bad := strconv.ParseUint(string(digits), 10, 32)
	content, _ := httplite.GetArg(query, "content")
	content = httplite.Unescape(content)
	switch to, connected := s.subs[uint32(id)]; {
	case s.req.Method() != httplite.GET:
		s.answer(c, 405, "")
	case path != "/sub" && path != "/pub":
		s.answer(c, 404, "no such path\n")
	case bad != nil:
		s.answer(c, 400, "want id=NUMBER, of 32 bits\n")
	case path == "/sub":
		s.subscribe(c, uint32(id))
	case !connected || s.loop.Write(to, message("data", id, string(content))) != nil:
		s.answer(c, 404, fmt.Sprintf("id: %d not connected\n", id))
	default:
		s.answer(c, 200, "ok\n")
	}
}

// begin writes the start of a response. length is its Content-Length line, or "" if the body ends with the
// connection.
func (s *server) begin(c reactor.Conn, status int, length string, body []byte) {
	out := httplite.AppendDate(httplite.AppendStatus(nil, status), s.loop.Now())
	out = append(out, "Content-Type: text/plain; charset=utf-8\r\nAllow: GET\r\nConnection: close\r\n"+length...)
	_ = s.loop.Write(c, append(httplite.EndHeaders(out), body...)) // after a failure, Closed is called
}

func (s *server) answer(c reactor.Conn, status int, body string) {
	s.begin(c, status, fmt.Sprintf("Content-Length: %d\r\n", len(body)), []byte(body))
	s.loop.Finish(c) // after the write is complete
}

func (s *server) subscribe(c reactor.Conn, id uint32) {
	s.loop.Close(s.subs[id]) // the connection that had the id, if there was one
	s.subs[id] = c
	s.loop.SetUser(c, id)
	s.loop.SetTimer(c, -1) // it may wait forever,
	s.loop.Pause(c)        // and sends nothing more
	s.begin(c, 200, "", message("welcome", uint64(id), "hello world!"))
}

func message(kind string, id uint64, content string) []byte {
	quoted, _ := json.Marshal(content) // a string never fails
	return fmt.Appendf(nil, "{type: %q, id: \"%d\", content: %s}\n", kind, id, quoted)
}

func main() {
	s, _, err := newServer(append(os.Args, "127.0.0.1:8100")[1]) // the argument, or this address
	if err == nil {
		err = s.loop.Run()
	}
	log.Fatal(err)
}
