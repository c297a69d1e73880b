package bench

import (
	"bytes"
	"math"
	"strings"
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// soakPublisher is a connection that publishes. Requests are pipelined. Each answer contains
// the message's number.
type soakPublisher struct {
	index    uint32
	conn     reactor.Conn // 0: none
	inFlight []soakPublish
	last     map[uint32]int32 // by channel: the highest number in an answer
	headRead bool
	status   int
	body     httplite.Body
	text     []byte // of the current answer

	doubtful int // after a pause in reading: answers until it is certain that the server has not cut it; 0: it is certain
}

// soakPublish is an unanswered publish.
type soakPublish struct {
	kind    publishKind
	channel uint32
	key     uint64
	after   int32 // a number that had been given before the request
	size    int
	batch   []soakPublish
}

type publishKind uint8

const (
	publishPush publishKind = iota
	publishBroadcast
	publishClear
	publishBatch
)

// maxBatched is the largest number of messages in a batch.
const maxBatched = 40

const (
	// maxSoakMessage is the server's --max-message.
	maxSoakMessage = 64 << 10
	// busyMessage is the usual limit of messages to busy channels: each of many subscribers
	// receives them.
	busyMessage = 2 << 10
	// maxPipelined is the most unanswered requests on a publisher's connection.
	maxPipelined = 128
)

// publish publishes at the steady rate.
func (c *soakCrowd) publish(now time.Time) {
	if c.calm || !c.life.up {
		c.lastBeat = now
		return
	}
	c.owed += c.rate * min(now.Sub(c.lastBeat).Seconds(), 1)
	c.lastBeat = now
	for ; c.owed >= 1; c.owed-- {
		if c.random.IntN(maxBatched) == 0 { // half as many in batches as alone
			c.publishBatch(1 + c.random.IntN(maxBatched))
			continue
		}
		channel := c.anyChannel()
		c.publishTo(channel, c.anySize(channel), c.random.IntN(3) == 0)
	}
}

// anyChannel draws a channel, usually a busy one.
func (c *soakCrowd) anyChannel() uint32 {
	switch n := c.random.IntN(10); {
	case n < 6:
		return uint32(c.random.IntN(busyChannels))
	case n < 8:
		return heavyChannel
	}
	return uint32(c.random.IntN(len(c.judge.channels)))
}

// anySize draws a message's size. Each order of magnitude is equally likely.
func (c *soakCrowd) anySize(channel uint32) int {
	if channel == heavyChannel {
		return maxSoakMessage/4 + c.random.IntN(maxSoakMessage*3/4+1)
	}
	most := float64(maxSoakMessage)
	if channel < busyChannels && c.random.IntN(500) > 0 {
		most = busyMessage
	}
	return min(max(1, int(math.Exp(c.random.Float64()*math.Log(most+1)))), maxSoakMessage)
}

// content makes the content of a message. If it is long enough, it is unique. Some of it must
// be escaped.
func (c *soakCrowd) content(channel uint32, size int) []byte {
	c.number++
	if size < minContent {
		text := make([]byte, size)
		for i := range text {
			text[i] = 'a' + byte(c.random.IntN(26))
		}
		return text
	}
	f := c.format
	f.size = size
	text := f.append(nil, message{channel: channel, number: c.number, sent: c.loop.Now().UnixNano()})
	if c.random.IntN(8) == 0 && size > minContent+len(awkward) {
		copy(text[fillAt:], awkward)
	}
	return text
}

// awkward is text that must be escaped in JSON, in scripts, or in queries.
const awkward = "\"\\\n\t\x01<!--</script>&+%20=\u2028é\U0001F600"

// publishTo publishes to a channel.
func (c *soakCrowd) publishTo(channel uint32, size int, post bool) {
	content := c.content(channel, size)
	key := c.judge.key(content, false)
	c.judge.publishing(channel, key)
	c.request(soakPublish{kind: publishPush, channel: channel, key: key, after: c.judge.channels[channel].top, size: len(content)}, appendPublish(nil, c.name(channel), content, post || size > busyMessage))
}

// publishBatch publishes several messages in one request.
func (c *soakCrowd) publishBatch(messages int) {
	p := soakPublish{kind: publishBatch}
	var body []byte
	for range messages {
		channel := c.anyChannel()
		content := c.content(channel, min(c.anySize(channel), busyMessage))
		key := c.judge.key(content, false)
		c.judge.publishing(channel, key)
		p.batch = append(p.batch, soakPublish{kind: publishPush, channel: channel, key: key, after: c.judge.channels[channel].top, size: len(content)})
		body = appendElement(body, c.name(channel), content)
	}
	c.request(p, appendBatch(nil, body))
}

// broadcast publishes a message to all channels.
func (c *soakCrowd) broadcast() {
	content := c.content(math.MaxUint32, minContent+c.random.IntN(500))
	key := c.judge.key(content, true)
	for i := range c.judge.channels {
		c.judge.publishing(uint32(i), key)
	}
	c.request(soakPublish{kind: publishBroadcast, key: key, size: len(content)}, appendPublish(nil, "", content, false))
}

// clearChannel clears a channel.
func (c *soakCrowd) clearChannel(channel uint32) {
	c.judge.clearing(channel)
	path := appendPublish(nil, c.name(channel), nil, false)
	c.request(soakPublish{kind: publishClear, channel: channel}, bytes.Replace(path, []byte("/push?ack=1&"), []byte("/clear?"), 1))
}

// request sends a request by a random publisher. If that has too many unanswered requests, or
// cannot connect, the request is given up unsent.
func (c *soakCrowd) request(p soakPublish, request []byte) {
	pub := &c.publishers[c.random.IntN(len(c.publishers))]
	if len(pub.inFlight) >= maxPipelined || !c.life.up {
		c.giveUp(&p, true)
		return
	}
	if pub.conn == 0 {
		if pub.conn = c.dial(c.admin, rolePublisher|pub.index, reactor.SocketOptions{}); pub.conn == 0 {
			c.giveUp(&p, true)
			return
		}
	}
	pub.inFlight = append(pub.inFlight, p)
	_ = c.loop.Write(pub.conn, request) // the loop reports a lost connection to Closed
}

// giveUp records that a request has no successful answer. If it was unsent or refused, it
// cannot have been executed.
func (c *soakCrowd) giveUp(p *soakPublish, unsent bool) {
	switch {
	case p.kind == publishClear:
		c.judge.cleared(p.channel)
	case p.kind == publishBatch:
		for i := range p.batch {
			c.giveUp(&p.batch[i], unsent)
		}
	case !unsent: // it may be delivered
	case p.kind == publishPush:
		c.judge.refused(p.channel, p.key)
	case p.kind == publishBroadcast:
		for i := range c.judge.channels {
			c.judge.refused(uint32(i), p.key)
		}
	}
}

// answered reads a publisher's answers.
func (c *soakCrowd) answered(pub *soakPublisher, p []byte) int {
	used := 0
	for len(pub.inFlight) > 0 {
		if !pub.headRead {
			c.head.Reset()
			n, err := c.head.ParseHead(p[used:], nil)
			if err != nil {
				c.faults.damaged("the answer to a publish is malformed: %v", err)
				c.loop.Close(pub.conn)
				return len(p)
			}
			if n == 0 {
				return used
			}
			used += n
			pub.headRead, pub.status, pub.body, pub.text = true, c.head.Status(), c.head.Framing(httplite.GET), pub.text[:0]
		}
		payload, n, done, err := pub.body.Next(p[used:])
		if err != nil {
			c.faults.damaged("the answer to a publish is malformed: %v", err)
			c.loop.Close(pub.conn)
			return len(p)
		}
		used += n
		pub.text = append(pub.text, payload...)
		if done {
			pub.headRead, pub.doubtful = false, max(pub.doubtful-1, 0)
			one := pub.inFlight[0]
			pub.inFlight = append(pub.inFlight[:0], pub.inFlight[1:]...)
			c.settle(pub, &one)
		} else if n == 0 {
			return used
		}
	}
	if used < len(p) {
		c.faults.damaged("a publisher is answered what it has not asked: %.100q", p[used:])
	}
	return len(p)
}

// settle handles the answer to a publish.
func (c *soakCrowd) settle(pub *soakPublisher, p *soakPublish) {
	text := strings.TrimSpace(string(pub.text))
	switch {
	case p.kind == publishBatch && strings.HasPrefix(text, "{"):
		c.settleBatch(pub, p, strings.Split(text, "\n"))
	case pub.status == 429 && c.life.ceilings, pub.status == 503 && (c.life.ceilings || c.life.ending):
		c.refusals++
		c.giveUp(p, true)
	case pub.status != 200:
		c.faults.fault("a publish of %d bytes is answered %d, %.100q", p.size, pub.status, text)
		c.giveUp(p, true)
	case p.kind == publishBroadcast:
		c.published++
		c.judge.spread(p.key)
	case p.kind == publishClear:
		c.judge.cleared(p.channel)
	default:
		c.acknowledge(pub, p, text, `{"type":"ok","seq":`)
	}
}

// settleBatch handles the answer to a batch, one line for each message.
func (c *soakCrowd) settleBatch(pub *soakPublisher, p *soakPublish, lines []string) {
	if len(lines) != len(p.batch) {
		c.faults.damaged("a batch of %d messages is answered %d lines", len(p.batch), len(lines))
		return
	}
	for i := range p.batch {
		one, line := &p.batch[i], lines[i]
		refused := strings.HasPrefix(line, `{"error":"`)
		switch {
		case refused && (c.life.ceilings || c.life.ending):
			c.refusals++
			c.giveUp(one, true)
		case refused:
			c.faults.fault("a message of a batch, of %d bytes, is answered %.200q", one.size, line)
			c.giveUp(one, true)
		default:
			c.acknowledge(pub, one, line, `{"seq":`)
		}
	}
}

// acknowledge records the number that a message was given.
func (c *soakCrowd) acknowledge(pub *soakPublisher, p *soakPublish, text, before string) {
	c.published++
	number, ok := strings.CutPrefix(text, before)
	if !ok {
		c.faults.damaged("a publish is answered %.100q", text)
		return
	}
	seq := leadingNumber([]byte(number))
	after := p.after
	if last, ok := pub.last[p.channel]; ok {
		after = later(after, last)
	}
	pub.last[p.channel] = seq
	c.judge.acknowledged(p.channel, p.key, seq, after, p.size, time.Now().UnixNano())
}

// publisherClosed handles the end of a publisher's connection. Unanswered requests may have been executed.
// The server may close a connection when it ends; at a limit it still answers the requests that
// it has read.
func (c *soakCrowd) publisherClosed(pub *soakPublisher) {
	if len(pub.inFlight) > 0 && !c.life.ending && pub.doubtful == 0 {
		c.faults.dropped("a publisher's connection was cut, with %d requests under way", len(pub.inFlight))
	}
	for i := range pub.inFlight {
		c.giveUp(&pub.inFlight[i], false)
	}
	pub.conn, pub.headRead, pub.doubtful = 0, false, 0
	pub.inFlight = pub.inFlight[:0]
}

// unanswered returns the number of unanswered requests.
func (c *soakCrowd) unanswered() (n int) {
	for i := range c.publishers {
		n += len(c.publishers[i].inFlight)
	}
	return n
}
