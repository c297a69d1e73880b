package bench

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// The publisher process: it keeps a number of connections busy, each of which
// sends a request, reads the answer, and sends the next.
//
//	told "publish N"  it publishes N messages, to one channel after the other,
//	                  and answers "published N" when all are acknowledged.
type publisher struct {
	loop     *reactor.Loop
	mail     *reactor.Mailbox[string]
	path     string // with a printf verb for the channel's number
	channels int
	idle     []reactor.Conn
	sent     int
	goal     int
	answered int
	head     httplite.Response
	request  []byte
}

// RunPublisher is the publisher process.
func RunPublisher(address, path string, channels, connections int) error {
	p := &publisher{path: path, channels: channels}
	var err error
	if p.loop, err = reactor.NewLoop(p, reactor.Config{}); err != nil {
		return err
	}
	p.mail = reactor.NewMailbox[string](p.loop)
	for range connections {
		if _, err := p.loop.Dial(address, "", 0, 0, reactor.SocketOptions{}); err != nil {
			return err
		}
	}
	go func() {
		for line := range commands() {
			p.mail.Post(line)
		}
		p.loop.Stop()
	}()
	return p.loop.Run()
}

func (p *publisher) TurnEnded(time.Time) time.Duration {
	for _, line := range p.mail.Drain() {
		n, err := strconv.Atoi(strings.TrimPrefix(line, "publish "))
		if err != nil {
			fail("publisher: told %q", line)
		}
		p.goal += n
		idle := p.idle
		p.idle = nil
		for _, c := range idle {
			p.next(c)
		}
	}
	return -1
}

func (p *publisher) Opened(c reactor.Conn) { p.next(c) }

func (p *publisher) next(c reactor.Conn) {
	if p.sent == p.goal {
		p.idle = append(p.idle, c)
		return
	}
	p.request = append(p.request[:0], "GET "...)
	p.request = fmt.Appendf(p.request, p.path, p.sent%p.channels)
	p.request = append(p.request, " HTTP/1.1\r\nHost: bench\r\n\r\n"...)
	p.sent++
	if err := p.loop.Write(c, p.request); err != nil {
		fail("publisher: %v", err)
	}
}

func (p *publisher) Received(c reactor.Conn, in []byte) int {
	p.head.Reset()
	n, err := p.head.ParseHead(in, nil)
	if err != nil || n > 0 && p.head.Status() != 200 {
		fail("publisher: answer %q: %v", in, err)
	}
	if n == 0 {
		return 0
	}
	body := p.head.Framing(httplite.GET)
	payload, used, _, err := body.Next(in[n:])
	if err != nil || !bytes.HasPrefix(payload, []byte(`{"type":"ok"`)) {
		fail("publisher: answer %q: %v", in, err)
	}
	if p.answered++; p.answered == p.goal {
		fmt.Println("published", p.answered)
	}
	p.next(c)
	return n + used
}

func (p *publisher) Ended(reactor.Conn)   { fail("publisher: the server ended a connection") }
func (p *publisher) Drained(reactor.Conn) {}
func (p *publisher) Expired(reactor.Conn) {}
func (p *publisher) Closed(_ reactor.Conn, err error) {
	if err != reactor.ErrStopped {
		fail("publisher: connection lost: %v", err)
	}
}
