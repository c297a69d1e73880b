package comet

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ccomet/httplite"
	"ccomet/httplite/websocket"
)

// randomSocket is the WebSocket of a client of the random operations. The client joins
// and leaves channels, publishes, and sends in pieces, compressed or not.
type randomSocket struct {
	rng      *rand.Rand
	offer    string // a line of the handshake
	open     bool   // the answer to the handshake has come
	rules    websocket.Rules
	reader   websocket.Reader
	partial  websocket.Partial
	deflater websocket.Deflater
	asked    []asked // operations without an answer
	number   int     // number of the next operation
	out      string  // bytes that the kernel has not taken
}

// asked is an operation.
type asked struct {
	id      int
	op      string
	cname   string
	place   *place // for a sub
	content string // for a pub
}

func newRandomSocket(rng *rand.Rand) *randomSocket {
	s := &randomSocket{rng: rng, rules: websocket.Rules{Client: true}}
	if rng.IntN(3) == 0 {
		s.offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
	}
	return s
}

// askSockets lets some clients send operations on their WebSockets.
func (w *world) askSockets() {
	for _, c := range w.clients {
		if c.ws == nil || !c.ws.open || c.fd < 0 || w.rng.IntN(2) == 0 {
			continue
		}
		for range 1 + w.rng.IntN(8) {
			c.askSomething()
		}
		c.flush()
	}
}

func (c *client) askSomething() {
	s, cname := c.ws, channelName(c.ws.rng.IntN(channels))
	q := asked{id: s.number, cname: cname}
	s.number++
	object := map[string]any{"id": q.id, "cname": cname}
	switch s.rng.IntN(5) {
	case 0:
		q.op = "ping"
	case 1, 2:
		q.op, q.content = "pub", fmt.Sprintf("ws.%d.%s", c.w.published, strings.Repeat("y", s.rng.IntN(1+s.rng.IntN(2000))))
		c.w.published++
		object["content"] = q.content
	case 3:
		q.op = "sub"
		q.place = &place{client: c, cname: cname, closes: c.w.closed[cname]}
		if s.rng.IntN(3) > 0 {
			q.place.next = int32(1 + s.rng.IntN(30))
			object["seq"] = q.place.next
		}
		object["lost"] = c.sayLost
	case 4:
		q.op = "unsub"
	}
	object["op"] = q.op
	text, _ := json.Marshal(object)
	s.asked = append(s.asked, q)
	s.send(text)
}

// send queues a message, randomly in pieces and compressed.
func (s *randomSocket) send(text []byte) {
	first := byte(websocket.Text)
	if s.rules.Deflate && s.rng.IntN(2) == 0 {
		text, first = s.deflater.Append(nil, text, 0), first|0x40
	}
	for {
		n := len(text)
		if s.rng.IntN(4) == 0 {
			n = s.rng.IntN(n + 1)
		}
		if n == len(text) {
			first |= 0x80
		}
		s.out += clientPiece(first, string(text[:n]))
		if first&0x80 != 0 {
			return
		}
		text, first = text[n:], 0
		if s.rng.IntN(8) == 0 {
			s.out += clientFrame(websocket.Ping, "amid")
		}
	}
}

// flush sends what is queued, as far as the kernel takes it.
func (c *client) flush() {
	if c.fd < 0 || len(c.ws.out) == 0 {
		return
	}
	n, _ := unix.Write(c.fd, []byte(c.ws.out))
	c.ws.out = c.ws.out[max(n, 0):]
}

// hearSocket reads what has come, and reports whether the client is still there.
func (c *client) hearSocket() bool {
	c.w.t.Helper()
	c.read()
	s := c.ws
	if !s.open {
		var head httplite.Response
		n, err := head.ParseHead(c.in, nil)
		if err != nil || n > 0 && head.Status() != 101 && !c.w.harsh {
			c.w.fail("a handshake is answered %q, %v", c.in, err)
		}
		if n == 0 || head.Status() != 101 {
			return !c.ended && n == 0
		}
		s.open, s.rules.Deflate, c.in = true, head.Header("Sec-WebSocket-Extensions") != nil, c.in[n:]
	}
	for len(c.in) > 0 {
		msg, n, err := s.reader.Next(&s.partial, c.in, &s.rules)
		if err != nil {
			c.w.fail("a WebSocket is sent %q: %v", c.in, err)
		}
		c.in = c.in[n:]
		switch msg.Op {
		case websocket.Text:
			c.hearText(msg.Payload)
			continue
		case websocket.Ping:
			s.out += clientFrame(websocket.Pong, string(msg.Payload))
			c.w.got["ws ping"]++
			continue
		case websocket.Close:
			c.w.got["ws "+string(msg.Payload[min(2, len(msg.Payload)):])]++
			c.ended = true
		case websocket.Pong:
			continue
		}
		break
	}
	c.flush()
	for _, p := range c.places {
		if c.ended && !c.slow && !p.over && !c.passed() && !c.mayBeCut() {
			c.w.fail("a WebSocket at %d of %s was cut, and had not stopped reading", p.next, p.cname)
		}
	}
	return !c.ended
}

// hearText handles a message or an answer.
func (c *client) hearText(text []byte) {
	var e struct {
		event
		ID *int
	}
	if err := json.Unmarshal(text, &e); err != nil {
		c.w.fail("a WebSocket is told %q: %v", text, err)
	}
	if e.ID != nil {
		c.hearAnswer(e.event, *e.ID)
		return
	}
	if e.Type == "503" && c.w.harsh { // for one of the channels in the handshake
		c.place(e.event).over = true
		c.w.got["ws 503"]++
	} else {
		c.hearOne(e.event)
	}
	if slices.ContainsFunc(c.places, func(p *place) bool { return p.over }) {
		c.places = slices.DeleteFunc(c.places, func(p *place) bool { return p.over })
	}
}

// hearAnswer handles an answer, which must be the next one.
func (c *client) hearAnswer(e event, id int) {
	s := c.ws
	if len(s.asked) == 0 || s.asked[0].id != id {
		c.w.fail("answer %d comes, of %+v", id, s.asked)
	}
	q := s.asked[0]
	s.asked = s.asked[1:]
	c.w.got["ws "+q.op+" "+e.Type]++
	at := slices.IndexFunc(c.places, func(p *place) bool { return p.cname == q.cname })
	switch {
	case q.op == "sub" && e.Type == "ok" && at < 0:
		if p := q.place; !c.sayLost || p.next == 0 || p.next-e.Seq >= 0 {
			p.next = e.Seq // otherwise a lost message follows
		}
		c.places = append(c.places, q.place)
	case q.op == "unsub" && e.Type == "ok" && at >= 0:
		c.places = slices.Delete(c.places, at, at+1)
	case q.op == "pub" && e.Type == "ok":
		c.w.numbers[q.content] = e.Seq
	case q.op == "ping" && e.Type == "pong", q.op == "unsub" && e.Type == "404" && at < 0, q.op == "sub" && e.Type == "400" && at >= 0,
		q.op == "sub" && e.Type == "429" && at < 0, e.Type == "503" && c.w.harsh:
	default:
		c.w.fail("%+v is answered %+v; it has %d channels", q, e, len(c.places))
	}
}
