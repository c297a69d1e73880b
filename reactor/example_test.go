package reactor_test

import (
	"fmt"
	"io"
	"net"
	"time"

	"ccomet/reactor"
)

// echo is a complete server: it sends back whatever arrives.
type echo struct{ loop *reactor.Loop }

func (e *echo) Opened(c reactor.Conn) { e.loop.SetTimer(c, time.Minute) }

func (e *echo) Received(c reactor.Conn, p []byte) int {
	e.loop.SetTimer(c, time.Minute)
	_ = e.loop.Write(c, p) // Closed reports a lost connection
	return len(p)
}

func (e *echo) Ended(c reactor.Conn)              { e.loop.Finish(c) }
func (e *echo) Drained(reactor.Conn)              {}
func (e *echo) Expired(c reactor.Conn)            { e.loop.Close(c) }
func (e *echo) Closed(reactor.Conn, error)        {}
func (e *echo) TurnEnded(time.Time) time.Duration { return -1 }

func Example() {
	group, err := reactor.NewGroup(2, func(int) (*reactor.Loop, error) {
		e := &echo{}
		var err error
		e.loop, err = reactor.NewLoop(e, reactor.Config{})
		return e.loop, err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	addr, err := group.Listen("127.0.0.1:0", 0, reactor.SocketOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	group.Start()

	peer, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.WriteString(peer, "hello, loop")
	_ = peer.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(peer)
	fmt.Println(string(answer), err)

	group.Stop()
	fmt.Println(group.Wait())
	// Output:
	// hello, loop <nil>
	// <nil>
}
