package bench

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ccomet/bench/target"
	"ccomet/httplite"
	"ccomet/reactor"
)

// The publisher process publishes to channels in turn over several connections. All
// messages of a channel use the same connection, so that they stay in order. Its commands
// are
//
//	"config JSON"  a publisherConfig; must be first
//	"publish N"    publish N more messages; answers "published TOTAL REFUSED" when all
//	               are answered
//	"pace N RATE"  the same on schedule, RATE a second. A message contains its
//	               scheduled time, and latencies count from there, so messages that
//	               wait behind a slow answer are included
//	"rest"         end a schedule early, after the next message for the last channel
//	"depth N"      allow N requests in flight on a connection
//	"answers"      answers "answers HISTOGRAM" of the server's answer times, and resets
//	               it
type publisherConfig struct {
	Address     string
	Publish     target.Publish
	Channel     uint32 // the first channel
	Channels    int
	Connections int
	Depth       int           // publishes in flight on a connection; more than 1 only if the server accepts pipelined requests
	Batch       *target.Batch // send them in one request; nil: one request for each
	Run         uint32
	Size        int
	Counts      bool // count refused publishes instead of ending the run
}

type publisher struct {
	publisherConfig
	loop     *reactor.Loop
	mail     *reactor.Mailbox[string]
	request  *target.Request
	line     target.Template // one message of a batch
	body     []byte          // body of a batch
	format   format
	clock    clock
	lines    []publisherConn
	numbers  []uint32 // number of each channel's last message
	position int      // messages assigned to channels so far
	goal     int64
	answered int64
	refused  int64 // answers with another status than expected
	said     bool  // "published" was reported
	pace     pace
	latency  *hdrhistogram.Histogram // of the server's answers
	head     httplite.Response
	content  []byte
	out      []byte
}

// publisherConn is a connection that publishes to channels n, n+Connections, ….
type publisherConn struct {
	conn    reactor.Conn // 0: not connected
	open    bool
	todo    int     // messages to send
	due     []int64 // scheduled times of these
	sent    []int64 // sending or scheduled times of unanswered messages
	channel int     // the next channel
	body    httplite.Body
	headed  bool
	closes  bool
}

// RunPublisher runs the publisher process.
func RunPublisher() error {
	lines := commands()
	first, ok := <-lines
	if !ok {
		return nil
	}
	p := &publisher{clock: newClock(), latency: newHistogram()}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "config ")), &p.publisherConfig); err != nil {
		return fmt.Errorf("publisher: configuration: %w", err)
	}
	if p.request = p.Publish.Request(); p.Batch != nil {
		p.request, p.line = p.Batch.Request()
	}
	p.format = newFormat(p.Run, p.Size)
	p.numbers = make([]uint32, p.Channels)
	p.Connections = min(p.Connections, p.Channels)
	p.lines = make([]publisherConn, p.Connections)
	for i := range p.lines {
		p.lines[i].channel = i
	}
	var err error
	if p.loop, err = reactor.NewLoop(p, reactor.Config{}); err != nil {
		return err
	}
	p.mail = reactor.NewMailbox[string](p.loop)
	go func() {
		for line := range lines {
			p.mail.Post(line)
		}
		p.loop.Stop()
	}()
	p.loop.Timer(beat, 0)
	return p.loop.Run()
}

func (p *publisher) TurnEnded(time.Time) time.Duration {
	for _, line := range p.mail.Drain() {
		var n int
		var rate float64
		switch word, _, _ := strings.Cut(line, " "); word {
		case "publish":
			_, err := fmt.Sscanf(line, "publish %d", &n)
			p.told(err, line)
			p.publish(n, nil)
		case "pace":
			_, err := fmt.Sscanf(line, "pace %d %g", &n, &rate)
			p.told(err, line)
			p.goal += int64(n)
			p.said = false
			p.told(p.pace.start(p.loop, p.clock.now(), n, rate), line)
		case "rest":
			p.rest()
		case "depth":
			_, err := fmt.Sscanf(line, "depth %d", &p.Depth)
			p.told(err, line)
		case "answers":
			p.report()
		default:
			fail("publisher: told %q", line)
		}
	}
	return -1
}

func (p *publisher) told(err error, line string) {
	if err != nil {
		fail("publisher: told %q: %v", line, err)
	}
}

// publish sends n more messages, with the scheduled times due, or as soon as possible.
func (p *publisher) publish(n int, due []int64) {
	if due == nil {
		p.goal += int64(n)
		p.said = false
	}
	for i := range n {
		line := &p.lines[p.position%p.Channels%p.Connections]
		line.todo++
		if due != nil {
			line.due = append(line.due, due[i])
		}
		p.position++
	}
	for i := range p.lines {
		p.send(i)
	}
}

// rest ends a schedule as soon as all channels have the same number of messages.
func (p *publisher) rest() {
	left := min(p.pace.left, (p.Channels-p.position%p.Channels)%p.Channels)
	p.goal -= int64(p.pace.left - left)
	p.pace.left = left
	p.reached()
}

func (p *publisher) report() {
	encoded, err := p.latency.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		fail("publisher: %v", err)
	}
	data, err := json.Marshal(encoded)
	if err != nil {
		fail("publisher: %v", err)
	}
	fmt.Printf("answers %s\n", data)
	p.latency.Reset()
}

// send sends messages on a connection, up to the allowed number in flight.
func (p *publisher) send(i int) {
	line := &p.lines[i]
	if line.todo == 0 || len(line.sent) >= p.Depth || p.Batch != nil && len(line.sent) > 0 || line.closes {
		return
	}
	if line.conn == 0 {
		conn, err := p.loop.Dial(p.Address, "", 0, uint32(i), reactor.SocketOptions{})
		if err != nil {
			fail("publisher: %v", err)
		}
		line.conn = conn
	}
	if !line.open {
		return
	}
	p.out, p.body = p.out[:0], p.body[:0]
	for line.todo > 0 && len(line.sent) < p.Depth {
		line.todo--
		sent := p.clock.now()
		if len(line.due) > 0 {
			sent = line.due[0]
			line.due = line.due[:copy(line.due, line.due[1:])]
		}
		line.sent = append(line.sent, sent)
		channel := line.channel
		if line.channel += p.Connections; line.channel >= p.Channels {
			line.channel = i
		}
		p.numbers[channel]++
		m := message{channel: p.Channel + uint32(channel), number: p.numbers[channel], sent: sent}
		p.content = p.format.append(p.content[:0], m)
		v := target.Vars{Channel: m.channel, Content: p.content}
		if p.Batch != nil {
			p.body = append(p.line.Append(p.body, &v), '\n')
		} else {
			p.out = p.request.Append(p.out, &v)
		}
	}
	if p.Batch != nil {
		p.out = p.request.Append(p.out, &target.Vars{Content: p.body})
	}
	if err := p.loop.Write(line.conn, p.out); err != nil {
		fail("publisher: %v", err)
	}
}

func (p *publisher) Opened(c reactor.Conn) {
	i := int(p.loop.User(c))
	p.lines[i].open = true
	p.send(i)
}

func (p *publisher) Received(c reactor.Conn, in []byte) int {
	if p.loop.Tag(c) == paceTag {
		if due := p.pace.due(p.loop, c, in); len(due) > 0 {
			p.publish(len(due), due)
		}
		return len(in)
	}
	i := int(p.loop.User(c))
	line := &p.lines[i]
	used := 0
	for {
		if !line.headed {
			p.head.Reset()
			n, err := p.head.ParseHead(in[used:], nil)
			refused := err == nil && n > 0 && !slices.Contains(p.Publish.Status, p.head.Status())
			if err != nil || refused && !p.Counts {
				fail("publishing: the server answered %.300q (%v)", in[used:], err)
			}
			if refused {
				p.refused++
			}
			if n == 0 {
				break
			}
			used += n
			line.headed, line.body, line.closes = true, p.head.Framing(httplite.GET), !p.head.KeepAlive()
		}
		_, n, done, err := line.body.Next(in[used:])
		if err != nil {
			fail("publishing: the answer: %v", err)
		}
		used += n
		if done {
			line.headed = false
			n := 1
			if p.Batch != nil {
				n = len(line.sent)
			}
			_ = p.latency.RecordValue(max(1, (p.clock.now()-line.sent[0])/1000))
			line.sent = line.sent[:copy(line.sent, line.sent[n:])]
			p.answered += int64(n)
			if line.closes {
				p.loop.Close(c)
				break
			}
		} else if n == 0 {
			break
		}
	}
	p.send(i)
	p.reached()
	return used
}

// reached reports when everything is answered.
func (p *publisher) reached() {
	if p.answered == p.goal && !p.said {
		fmt.Println("published", p.answered, p.refused)
		p.said = true
	}
}

// Expired reports progress once a second.
func (p *publisher) Expired(timer reactor.Conn) {
	if p.answered < p.goal {
		fmt.Println("at", p.answered, p.goal)
	}
	p.loop.SetTimer(timer, beat)
}

func (p *publisher) Ended(c reactor.Conn) { p.loop.Close(c) }
func (p *publisher) Drained(reactor.Conn) {}

// Closed is no error for an idle connection: the next request opens another one.
func (p *publisher) Closed(c reactor.Conn, err error) {
	if err == reactor.ErrStopped || p.loop.Tag(c) == paceTag {
		return
	}
	i := int(p.loop.User(c))
	line := &p.lines[i]
	if len(line.sent) > 0 || !line.open {
		fail("publishing: the server closed the connection: %v", err)
	}
	*line = publisherConn{todo: line.todo, due: line.due, channel: line.channel}
	p.send(i)
}
