package bench

import (
	"net/http"
	"strconv"
	"strings"

	"ccomet/bench/target"
	"ccomet/httplite"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// How a client process parses responses: the heads here, the lines in check.go.

func (c *client) Received(conn reactor.Conn, p []byte) int {
	i := c.loop.User(conn)
	sub := &c.subs[i-1]
	c.now = c.clock.now()
	used := 0
	for {
		if !sub.headed {
			n := c.readHead(conn, sub, p[used:])
			if n == 0 {
				return used
			}
			used += n
		}
		if c.Transport.WebSocket {
			return used + c.readFrames(conn, i, sub, p[used:])
		}
		payload, n, done, err := sub.body.Next(p[used:])
		if err != nil {
			c.broken(conn, "response: %v", err)
			return len(p)
		}
		used += n
		c.lines(i, sub, payload, done)
		if done {
			c.ended(conn, i, sub)
			return used
		}
		if n == 0 {
			return used
		}
	}
}

// readHead parses the head of a response, and returns its length, or 0 while it is
// incomplete.
func (c *client) readHead(conn reactor.Conn, sub *subscriber, p []byte) int {
	c.head.Reset()
	n, err := c.head.ParseHead(p, nil)
	switch {
	case err != nil:
		c.broken(conn, "response: %v", err)
		return 0
	case n == 0:
		return 0
	case c.Transport.WebSocket:
		if _, err = websocket.ReadAnswer(&c.head, target.WebSocketKey, nil, false); err != nil {
			c.broken(conn, "handshake: %v", err)
			return 0
		}
		sub.headed = true
		c.subscribed(sub)
		return n
	case c.head.Status() == http.StatusNoContent, c.head.Status() == http.StatusNotModified:
		if !c.Transport.Once {
			c.broken(conn, "the server answered %d", c.head.Status())
			return 0
		}
	case c.head.Status() != http.StatusOK:
		c.broken(conn, "the server answered %d", c.head.Status())
		return 0
	}
	sub.headed = true
	sub.body = c.head.Framing(httplite.GET)
	sub.closes = !c.head.KeepAlive() || sub.body.UntilClose()
	if c.Transport.Cursor == target.HeadersCursor {
		if at, err := http.ParseTime(string(c.head.Header("Last-Modified"))); err == nil {
			sub.modified = at.Unix()
			sub.etag = tagNumber(string(c.head.Header("ETag")))
		}
	}
	if !c.Transport.Once {
		c.subscribed(sub)
	}
	return n
}

// tagNumber returns the number in an ETag, which may be weak or lack its quotes.
func tagNumber(tag string) uint32 {
	n, _ := strconv.ParseUint(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`), 10, 32)
	return uint32(n)
}

// ended continues after a complete response: a poll is sent again, on the same connection
// if possible.
func (c *client) ended(conn reactor.Conn, i uint32, sub *subscriber) {
	switch {
	case !c.Transport.Once:
		c.broken(conn, "the server ended the response")
	case sub.closes:
		sub.leaving = true
		c.unready(sub)
		c.loop.Close(conn)
	default:
		c.ask(conn, i)
	}
}

func (c *client) Ended(conn reactor.Conn) {
	i := c.loop.User(conn)
	sub := &c.subs[i-1]
	if c.Transport.Once && sub.headed && sub.body.UntilClose() {
		c.lines(i, sub, nil, true)
		c.ended(conn, i, sub)
		return
	}
	c.broken(conn, "the server closed the connection")
}
