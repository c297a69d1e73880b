package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// The client process: it holds endless subscriptions and checks every message.
//
//	told "open N"    it opens N more subscribers, and answers "open TOTAL" when
//	                 each has had the head of its response and its next_seq.
//	told "expect N"  it answers "got N" when so many data messages in all have
//	                 come, each to be the next number of its connection.
//
// A message out of order, one too many, or a lost connection ends it.

// client is the reactor's handler.
type client struct {
	loop    *reactor.Loop
	mail    *reactor.Mailbox[string]
	address string
	path    string // with %d or its like for the subscriber's number, or without
	opened  int    // connections asked for
	wanted  int
	waiting int // not yet subscribed
	ready   int
	got     int
	expect  int
	subs    []subscription // by connection index
	head    httplite.Response
	request []byte
}

// subscription is one connection's state: no pointers, no buffer.
type subscription struct {
	body   httplite.Body
	next   int32 // the number that must come; 0 before next_seq
	headed bool
}

// connecting bounds the connections under way, well within a listener's backlog.
const connecting = 256

// RunClient is the client process. path has a printf verb for the number of
// the subscriber where each has a channel of its own.
func RunClient(address, path string) error {
	c := &client{address: address, path: path}
	var err error
	if c.loop, err = reactor.NewLoop(c, reactor.Config{}); err != nil {
		return err
	}
	c.mail = reactor.NewMailbox[string](c.loop)
	go func() {
		for line := range commands() {
			c.mail.Post(line)
		}
		c.loop.Stop()
	}()
	return c.loop.Run()
}

// fail ends the run: a figure from a run with a wrong message is none.
func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func (c *client) TurnEnded(time.Time) time.Duration {
	for _, line := range c.mail.Drain() {
		word, rest, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(rest)
		if err != nil {
			fail("client: told %q", line)
		}
		switch word {
		case "open":
			c.wanted += n
		case "expect":
			c.expect = n
		}
	}
	c.open()
	if c.expect > 0 && c.got >= c.expect {
		if c.got > c.expect {
			fail("client: %d messages, %d expected", c.got, c.expect)
		}
		fmt.Println("got", c.got)
		c.expect = 0
	}
	return -1
}

// open keeps so many connections under way as the listener will take.
func (c *client) open() {
	if c.wanted == 0 || c.ready == c.wanted && c.opened == c.wanted {
		return
	}
	for c.opened < c.wanted && c.waiting < connecting {
		// Beyond one address's ports, connect from further ones.
		local := fmt.Sprintf("127.0.0.%d:0", 1+c.opened/25000)
		if _, err := c.loop.Dial(c.address, local, 0, uint32(c.opened), reactor.SocketOptions{}); err != nil {
			fail("client: connection %d: %v", c.opened, err)
		}
		c.opened++
		c.waiting++
	}
}

func (c *client) Opened(conn reactor.Conn) {
	for len(c.subs) <= int(conn.Index()) {
		c.subs = append(c.subs, subscription{})
	}
	c.subs[conn.Index()] = subscription{}
	path := c.path
	if strings.Contains(path, "%") {
		path = fmt.Sprintf(path, c.loop.User(conn))
	}
	c.request = httplite.AppendRequestLine(c.request[:0], "GET", path)
	c.request = append(c.request, "Host: bench\r\n\r\n"...)
	if err := c.loop.Write(conn, c.request); err != nil {
		fail("client: %v", err)
	}
}

func (c *client) Received(conn reactor.Conn, p []byte) int {
	sub := &c.subs[conn.Index()]
	used := 0
	if !sub.headed {
		c.head.Reset()
		n, err := c.head.ParseHead(p, nil)
		if err != nil || n > 0 && c.head.Status() != 200 {
			fail("client: response %q: %v", p, err)
		}
		if n == 0 {
			return 0
		}
		sub.headed = true
		sub.body = c.head.Framing(httplite.GET)
		used = n
	}
	for {
		payload, n, done, err := sub.body.Next(p[used:])
		used += n
		if err != nil || done {
			fail("client: the response ended: %v", err)
		}
		if len(payload) > 0 {
			c.message(sub, payload)
		}
		if n == 0 {
			return used
		}
	}
}

// message checks one chunk, which holds one line: the server writes no other.
func (c *client) message(sub *subscription, line []byte) {
	seq := number(line, `"seq":`)
	switch {
	case bytes.HasPrefix(line, []byte(`{"type":"data"`)):
		if seq != sub.next {
			fail("client: number %d, wanted %d: %q", seq, sub.next, line)
		}
		sub.next++
		c.got++
	case bytes.HasPrefix(line, []byte(`{"type":"next_seq"`)):
		sub.next = seq
		c.waiting--
		if c.ready++; c.ready == c.wanted {
			fmt.Println("open", c.ready)
		}
	case bytes.HasPrefix(line, []byte(`{"type":"noop"`)):
	default:
		fail("client: unexpected %q", line)
	}
}

// number is the number behind key.
func number(line []byte, key string) int32 {
	at := bytes.Index(line, []byte(key))
	if at < 0 {
		fail("client: no number in %q", line)
	}
	n := int32(0)
	for _, b := range line[at+len(key):] {
		if b < '0' || b > '9' {
			break
		}
		n = n*10 + int32(b-'0')
	}
	return n
}

func (c *client) Ended(reactor.Conn)   { fail("client: the server ended a connection") }
func (c *client) Drained(reactor.Conn) {}
func (c *client) Expired(reactor.Conn) {}
func (c *client) Closed(_ reactor.Conn, err error) {
	if err != reactor.ErrStopped {
		fail("client: connection lost: %v", err)
	}
}
