package bench

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// soakClient is a subscriber that always reconnects with its cursors. After it has a cursor, it
// must receive every number from there on, once and in order, or be told that messages are
// gone.
type soakClient struct {
	transport soakTransport
	plain     bool // did not ask to be told of lost messages (lost=1): a gap shows when it reconnects
	old       bool // uses HTTP/1.0
	slow      bool // has a small receive buffer, and is stalled more often
	wants     []soakWant
	lastID    []byte // of server-sent events
	eventID   []byte // of the current event

	conn     reactor.Conn // 0: none
	due      time.Time    // when it reconnects
	headRead bool
	body     httplite.Body
	closes   bool
	sent     bool   // the server has told an event stream to reconnect later
	carry    []byte // the beginning of a line
	leaving  bool   // closed by this side
	soakReading

	askedBefore, askedAt time.Time // times of its last two requests on this connection; zero: none

	goroutine string // name of the client, if it is a gopher's
}

// soakWant is a client's position in a channel.
type soakWant struct {
	channel uint32
	next    int32 // the next number; 0: not known yet
	began   int32 // the first number that it requested
	asked   int32 // the channel's highest number at the request
	fresh   bool  // this response has had nothing of the channel yet
	gaps    int64 // numbers missed without notice
	proof   int32 // a number from here on was given after the client was in doubt
}

// slowBuffer is the receive buffer of a slow client.
const slowBuffer = 16 << 10

// ask sends a client's request.
func (c *soakCrowd) ask(sub *soakClient) {
	sub.headRead, sub.sent, sub.asked = false, false, sub.doubtful
	for i := range sub.wants {
		w := &sub.wants[i]
		w.asked, w.fresh = c.judge.channels[w.channel].top, true
		if w.next == 0 {
			sub.lastID = nil
		}
	}
	c.out = appendSubscribe(c.out[:0], sub, c.name)
	sub.askedBefore = sub.askedAt
	_ = c.loop.Write(sub.conn, c.out) // the loop reports a lost connection to Closed
	sub.askedAt = time.Now()
}

func (c *soakCrowd) name(channel uint32) string { return c.judge.channels[channel].name }

// hear reads a client's input.
func (c *soakCrowd) hear(sub *soakClient, p []byte) int {
	used := 0
	for {
		if !sub.headRead {
			n, ok := c.hearHead(sub, p[used:])
			if n == 0 {
				return choose(ok, used, len(p))
			}
			used += n
		}
		payload, n, done, err := sub.body.Next(p[used:])
		if err != nil {
			c.wrong(sub, "a response is malformed: %v", err)
			return len(p)
		}
		used += n
		if !c.lines(sub, payload) {
			return len(p)
		}
		if done {
			if !c.finished(sub) {
				return len(p)
			}
		} else if n == 0 {
			return used
		}
	}
}

func choose(which bool, a, b int) int {
	if which {
		return a
	}
	return b
}

// hearHead reads the head of a response, and returns its length; 0 if it is not complete. ok is
// false if the connection is being closed.
func (c *soakCrowd) hearHead(sub *soakClient, p []byte) (n int, ok bool) {
	c.head.Reset()
	n, err := c.head.ParseHead(p, nil)
	if err != nil {
		c.wrong(sub, "a response is malformed: %v", err)
		return 0, false
	}
	if n == 0 {
		return 0, true
	}
	switch status := c.head.Status(); {
	case status == 200:
	case status == 503 && (c.life.ceilings || c.life.ending), status == 408: // 408: the client may have been late
		c.refusals++
		c.leave(sub, leaveFIN, 0)
		return 0, false
	default:
		c.wrong(sub, "the server answered %.200q", p)
		return 0, false
	}
	if sub.asked {
		sub.doubtful, sub.asked = false, false
	}
	sub.headRead, sub.carry = true, sub.carry[:0]
	sub.body = c.head.Framing(httplite.GET)
	sub.closes = sub.old || !c.head.KeepAlive() || sub.body.UntilClose()
	return n, true
}

// lines reads a piece of a response's body. It returns false if the connection is being closed.
func (c *soakCrowd) lines(sub *soakClient, p []byte) bool {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			sub.carry = append(sub.carry, p...)
			return true
		}
		line := p[:end]
		if len(sub.carry) > 0 {
			sub.carry = append(sub.carry, line...)
			line = sub.carry
		}
		p = p[end:]
		if !c.line(sub, line) {
			return false
		}
		if sub.carry = sub.carry[:0]; cap(sub.carry) > maxSoakMessage {
			sub.carry = nil
		}
	}
	return true
}

func (c *soakCrowd) line(sub *soakClient, line []byte) bool {
	payload, id, ok := sub.transport.unframe(line)
	if !ok {
		c.wrong(sub, "a line is malformed: %.200q", line)
		return false
	}
	if id != nil {
		sub.eventID = append(sub.eventID[:0], id...)
	}
	if len(payload) == 0 {
		return true
	}
	if !soakObjects(payload, func(o *soakObject) { c.object(sub, o) }) {
		c.wrong(sub, "an object is malformed: %.200q", payload)
		return false
	}
	if len(sub.eventID) > 0 {
		sub.lastID = append(sub.lastID[:0], sub.eventID...)
		sub.eventID = sub.eventID[:0]
	}
	return !sub.leaving
}

// object handles one message.
func (c *soakCrowd) object(sub *soakClient, o *soakObject) {
	i := slices.IndexFunc(sub.wants, func(w soakWant) bool { return c.name(w.channel) == string(o.cname) })
	if i < 0 {
		c.wrong(sub, "a message is for channel %.50q, which was not asked for", o.cname)
		return
	}
	w := &sub.wants[i]
	switch string(o.kind) {
	case "data", "broadcast":
		c.message(sub, w, o)
	case "next_seq":
		c.moved(sub, w, o.seq)
	case "lost":
		c.told(sub, w, o)
	case "noop": // nothing new
		return
	case "503": // the server is stopping, or full
		if !c.life.ending && !c.life.ceilings {
			c.wrong(sub, "sent away with %s, and the server is not stopping", o.content)
		}
		sub.sent = true
		return
	case "429":
		if !c.life.ceilings {
			c.wrong(sub, "refused with %s, and nothing is limited", o.content)
			return
		}
		c.refusals++
		c.leave(sub, leaveFIN, 0)
	default:
		c.wrong(sub, "the server says %.50q, %.100q", o.kind, o.content)
	}
	w.fresh = false
}

// message checks that a message is the next one.
func (c *soakCrowd) message(sub *soakClient, w *soakWant, o *soakObject) {
	c.judge.delivered(w.channel, o.seq, c.judge.key(o.content, o.kind[0] == 'b'), len(o.content))
	c.received++
	sub.proves(w, o.seq)
	switch d := o.seq - w.next; {
	case w.next == 0:
		c.faults.disordered("%s: number %d came to a client that had not been told where it stands", c.name(w.channel), o.seq)
	case d > 0:
		if sub.plain && (w.fresh || c.judge.channels[w.channel].alive(w.next, o.seq) == 0) && c.judge.mayLose(w.channel, w.next, o.seq) {
			break
		}
		missed := int64(c.judge.channels[w.channel].alive(w.next, o.seq))
		w.gaps += missed
		c.faults.lost(missed, "%s: number %d came to a %s client that wanted %d, which was not told", c.name(w.channel), o.seq, sub, w.next)
	case d < 0 && w.gaps > 0:
		w.gaps--
		c.faults.disordered("%s: number %d came to a %s client after number %d", c.name(w.channel), o.seq, sub, w.next-1)
		return
	case d < 0:
		c.faults.doubled("%s: number %d came again to a %s client that wanted %d", c.name(w.channel), o.seq, sub, w.next)
		return
	}
	w.next = o.seq + 1
}

// moved handles a new position that the server has sent.
func (c *soakCrowd) moved(sub *soakClient, w *soakWant, next int32) {
	switch {
	case w.next == next:
	case w.next != 0:
		c.faults.lost(1, "%s: a %s client wanted number %d, and was moved to %d without a word of what it missed", c.name(w.channel), sub, w.next, next)
	case next-w.asked <= 0:
		c.faults.disordered("%s: a new %s client stands at %d, when number %d had been given", c.name(w.channel), sub, next, w.asked)
	case next-c.judge.channels[w.channel].highest() > 1:
		c.faults.damaged("%s: a new %s client stands at %d, when %d is the highest that can have been given", c.name(w.channel), sub, next, c.judge.channels[w.channel].highest())
	}
	if w.next == 0 {
		w.began = next
	}
	w.next = next
}

// told handles the server's notice that messages are gone.
func (c *soakCrowd) told(sub *soakClient, w *soakWant, o *soakObject) {
	first, last, ok := bytes.Cut(o.content, []byte("-"))
	from, bad := strconv.ParseInt(string(first), 10, 32)
	to, bad2 := strconv.ParseInt(string(last), 10, 32)
	if !ok || bad != nil || bad2 != nil || sub.plain || int32(from) != w.next || o.seq != int32(to)+1 || o.seq-w.next <= 0 {
		c.faults.damaged("%s: a %s client that wanted %d is told that %q is lost, and that %d is next", c.name(w.channel), sub, w.next, o.content, o.seq)
	}
	if !c.judge.mayLose(w.channel, w.next, o.seq) {
		c.faults.lost(int64(c.judge.channels[w.channel].alive(w.next, o.seq)), "%s: a %s client is told that %s is lost, which must still be there: the highest number is %d", c.name(w.channel), sub, o.content, c.judge.channels[w.channel].top)
	}
	sub.proves(w, o.seq-1)
	c.toldLost += int64(c.judge.channels[w.channel].alive(w.next, o.seq))
	w.next = o.seq
}

// finished continues after a complete response. It returns false if the connection is being
// closed.
func (c *soakCrowd) finished(sub *soakClient) bool {
	switch {
	case len(sub.carry) > 0:
		c.wrong(sub, "a response ends in the middle of a line")
	case !sub.transport.poll() && sub.sent:
		c.leave(sub, leaveFIN, 0)
	case !sub.transport.poll():
		c.wrong(sub, "an endless response has ended")
	case sub.closes:
		c.leave(sub, leaveFIN, 0)
	default:
		c.ask(sub)
		return true
	}
	return false
}

// wrong reports unexpected input and closes its connection.
func (c *soakCrowd) wrong(sub *soakClient, format string, args ...any) {
	c.faults.damaged(sub.String()+" client: "+format, args...)
	c.leave(sub, leaveFIN, 0)
}

// cut handles that the server has ended a client's connection. The server may do so when it
// stops or reaches a limit, if the client has not read or sent a request for too long, and if
// it could not be told of a gap.
func (c *soakCrowd) cut(sub *soakClient, now time.Time, why error) {
	switch {
	case sub.leaving, c.life.ending, c.life.ceilings, sub.plain && !sub.transport.poll():
	case sub.mayBeCut(now), sub.idled():
		c.cuts++
	default:
		c.faults.dropped("a %s client's connection was cut (answered %v, not read for %v): %v", sub, sub.headRead, sub.unread(now), why)
	}
}

// closed schedules the reconnect of a client whose connection is gone.
func (sub *soakClient) closed(due time.Time) {
	if !sub.leaving {
		sub.due = due
	}
	sub.conn, sub.leaving, sub.headRead, sub.soakReading = 0, false, false, soakReading{}
	sub.carry, sub.eventID, sub.askedBefore, sub.askedAt = nil, sub.eventID[:0], time.Time{}, time.Time{}
}

// String identifies a client in faults.
func (sub *soakClient) String() string {
	text := soakPaths[sub.transport]
	if sub.goroutine != "" {
		text = sub.goroutine
	}
	for _, f := range []struct {
		is   bool
		text string
	}{{sub.old, " HTTP/1.0"}, {sub.plain, " plain"}, {sub.slow, " slow"}, {len(sub.wants) > 1, " " + strconv.Itoa(len(sub.wants)) + "-channel"}} {
		if f.is {
			text += f.text
		}
	}
	return text
}
