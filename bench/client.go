package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ccomet/bench/target"
	"ccomet/httplite"
	"ccomet/reactor"
)

// The client process holds subscribers and checks every message. It has one goroutine, and
// no buffer and no pointer for a connection. Its commands are, one a line:
//	"config JSON"    the clientConfig; must be first
//	"open N NEXT"    open N more subscribers, whose first message is number NEXT;
//	                 answers "open TOTAL" when all are subscribed
//	"expect N"       answers "got N" when N messages in total have arrived
//	"churn R"        make R connections a second leave and return; 0 ends that, and
//	                 answers "open TOTAL" when all are back
//	"cut"            close all, and reconnect at once; answers "open TOTAL" when all
//	                 are back
//	"leave"          close all, and reconnect at "return"; then answers as to "cut"
//	"fresh"          reset latencies and silences
//	"stats"          answers "stats JSON", a clientStats
//
// It reports progress as "at SUBSCRIBED RECEIVED", at most once a second. A fatal error is
// reported as "error TEXT".

// clientConfig configures a client process.
type clientConfig struct {
	Address   string
	Sources   []string // local addresses to connect from, in turn
	Transport target.Transport
	Channel   uint32 // of all subscribers, or of the first
	Own       bool   // each subscriber has channels of its own: Channel, Channel+1, …
	Spread    int    // if not 0: the subscribers use this many channels in turn
	First     int    // the first subscriber's position in that turn
	Several   int    // channels of one subscriber: consecutive ones in the turn, or from Channel on; 0 means 1
	Together  int    // connections that may be connecting at a time; 0: no limit
	Run       uint32
	Size      int
}

// clientStats are the results of a client process.
type clientStats struct {
	Subscribed, Received                        int64
	Lost, Doubled, Disordered, Damaged, Dropped int64
	Refused, Returned                           int64
	Cause                                       string // of the first drop, damage or refusal
	Silence                                     int64  // longest time in which a connected subscriber heard nothing, since "fresh", in ns
	Latency                                     []byte // an HDR histogram, in microseconds
}

// subscriber is the state of one connection: no pointers, no buffer.
type subscriber struct {
	conn     reactor.Conn // 0: not connected
	body     httplite.Body
	modified int64 // for HeadersCursor
	heard    int64 // time of the last message since it subscribed; 0: none
	etag     uint32
	place         // position in its channel, or in the first of several
	headed   bool // the response head has arrived
	ready    bool // subscribed
	leaving  bool // closed by us, will return
	asked    bool // counted in client.under
	closes   bool // the connection closes with this response
}

type client struct {
	clientConfig
	loop    *reactor.Loop
	mail    *reactor.Mailbox[string]
	request *target.Request
	format  format
	clock   clock
	now     int64 // arrival time of the current input
	latency *hdrhistogram.Histogram

	subs      []subscriber      // index: the connection's User minus one
	more      []place           // positions of subscribers of several channels, in all channels but the first
	also      target.Template   // template for each further channel
	carry     map[uint32][]byte // by subscriber: an incomplete line
	frames    frames
	dialled   int       // connections ever started
	todo      []uint32  // subscribers to connect
	under     int       // connections that are connecting
	tell      bool      // report when all are subscribed
	expect    int64     // total of messages to report; -1: none
	told      [2]int64  // the last "at" report
	backs     []backing // refused, will retry
	churn     float64
	owed      float64   // connections that should have left already
	churned   time.Time // time up to which owed is computed
	away      bool      // no connection returns before "return"
	returning bool      // connections leave and return, so failed connects are retried
	tick      reactor.Conn
	stats     clientStats
	head      httplite.Response
	out       []byte
}

// backing is a subscriber whose connection was refused, and the time of its next attempt.
type backing struct {
	at time.Time
	i  uint32
}

const (
	beat       = time.Second
	churnBeat  = reactor.TickLength
	retryAfter = 200 * time.Millisecond
)

// RunClient runs the client process.
func RunClient() error {
	lines := commands()
	first, ok := <-lines
	if !ok {
		return nil
	}
	c := &client{expect: -1, carry: map[uint32][]byte{}, clock: newClock(), latency: newHistogram()}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "config ")), &c.clientConfig); err != nil {
		return fmt.Errorf("client: configuration: %w", err)
	}
	c.request = c.Transport.Request()
	c.also = target.Compile(c.Transport.Also)
	c.format = newFormat(c.Run, c.Size)
	var err error
	if c.loop, err = reactor.NewLoop(c, reactor.Config{}); err != nil {
		return err
	}
	c.mail = reactor.NewMailbox[string](c.loop)
	c.tick = c.loop.Timer(beat, 0)
	go func() {
		for line := range lines {
			c.mail.Post(line)
		}
		c.loop.Stop()
	}()
	return c.loop.Run()
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)
}

func (c *client) TurnEnded(time.Time) time.Duration {
	for _, line := range c.mail.Drain() {
		c.command(strings.Fields(line))
	}
	c.connect()
	// After a lost connection the total cannot be reached: do not wait.
	if c.expect >= 0 && (c.stats.Received >= c.expect || c.stats.Dropped > 0) {
		fmt.Println("got", c.stats.Received)
		c.expect = -1
	}
	if c.tell && c.stats.Subscribed == int64(len(c.subs)) {
		fmt.Println("open", c.stats.Subscribed)
		c.tell, c.returning = false, c.churn > 0
	}
	return -1
}

func (c *client) command(words []string) {
	number := func(i int) int {
		if i >= len(words) {
			fail("client: told %q", words)
		}
		n, err := strconv.Atoi(words[i])
		if err != nil {
			fail("client: told %q", words)
		}
		return n
	}
	switch words[0] {
	case "open":
		next := uint32(number(2))
		for range number(1) {
			c.subs = append(c.subs, c.newSubscriber(next))
			c.todo = append(c.todo, uint32(len(c.subs)))
		}
		c.tell = true
	case "expect":
		c.expect = int64(number(1))
	case "churn":
		c.churn = float64(number(1))
		c.churned = c.loop.Now()
		c.returning, c.tell = true, c.churn == 0
		c.loop.SetTimer(c.tick, churnBeat)
	case "cut":
		c.leaveAll()
		c.comeBack()
	case "leave":
		c.away = true
		c.leaveAll()
	case "return":
		c.away = false
		c.comeBack()
	case "fresh":
		c.latency.Reset()
		c.stats.Silence = 0
	case "stats":
		c.report()
	default:
		fail("client: told %q", words)
	}
}

func (c *client) report() {
	c.silences()
	var err error
	if c.stats.Latency, err = c.latency.Encode(hdrhistogram.V2CompressedEncodingCookieBase); err != nil {
		fail("client: %v", err)
	}
	data, err := json.Marshal(c.stats)
	if err != nil {
		fail("client: %v", err)
	}
	fmt.Printf("stats %s\n", data)
}

// Expired is called in intervals of beat or churnBeat. It reports progress, and makes
// connections leave.
func (c *client) Expired(reactor.Conn) {
	pause := beat
	if c.returning {
		pause = churnBeat
	}
	if c.churn > 0 {
		now := c.loop.Now()
		c.owed += c.churn * now.Sub(c.churned).Seconds()
		c.churned = now
		for ; c.owed >= 1; c.owed-- {
			c.leave(1 + rand.Uint32N(uint32(len(c.subs))))
		}
	}
	if len(c.backs) > 0 {
		now := c.loop.Now()
		for len(c.backs) > 0 && !c.backs[0].at.After(now) {
			c.todo = append(c.todo, c.backs[0].i)
			c.backs = c.backs[1:]
		}
	}
	if at := [2]int64{c.stats.Subscribed, c.stats.Received}; at != c.told {
		fmt.Println("at", at[0], at[1])
		c.told = at
	}
	c.loop.SetTimer(c.tick, pause)
}

// leave closes a subscriber's connection; Closed makes it return.
func (c *client) leave(i uint32) {
	sub := &c.subs[i-1]
	if sub.conn == 0 || !sub.ready {
		return
	}
	sub.leaving = true
	c.unready(sub)
	c.loop.Close(sub.conn)
}

func (c *client) leaveAll() {
	for i := range c.subs {
		c.leave(uint32(i + 1))
	}
}

// comeBack makes all subscribers connect again that have left, without a limit.
func (c *client) comeBack() {
	c.returning, c.tell = true, true
	c.Together = 0
	c.loop.SetTimer(c.tick, churnBeat)
}

func (c *client) unready(sub *subscriber) {
	sub.heard = 0
	if sub.ready {
		sub.ready = false
		c.stats.Subscribed--
	}
}

// connect starts connections, up to the limit of connecting ones.
func (c *client) connect() {
	for len(c.todo) > 0 && !c.away && (c.Together == 0 || c.under < c.Together) {
		i := c.todo[0]
		c.todo = c.todo[1:]
		sub := &c.subs[i-1]
		sub.asked = true
		c.under++
		conn, err := c.loop.Dial(c.Address, c.Sources[c.dialled%len(c.Sources)], 0, i, reactor.SocketOptions{})
		c.dialled++
		if err != nil {
			c.refused(i, err)
			continue
		}
		sub.conn = conn
	}
	if len(c.todo) == 0 {
		c.todo = nil // its memory counts as the harness's own
	}
}

// refused makes a subscriber that could not connect try again, if that is part of the
// measurement.
func (c *client) refused(i uint32, err error) {
	sub := &c.subs[i-1]
	if sub.asked {
		sub.asked = false
		c.under--
	}
	if !c.returning {
		fail("client: subscriber %d, connecting to %s: %v", i, c.Address, err)
	}
	c.stats.Refused++
	c.cause("%v", err)
	c.backs = append(c.backs, backing{c.loop.Now().Add(retryAfter), i})
	c.loop.SetTimer(c.tick, churnBeat)
}

func (c *client) cause(format string, args ...any) {
	if c.stats.Cause == "" {
		c.stats.Cause = fmt.Sprintf(format, args...)
	}
}

func (c *client) Opened(conn reactor.Conn) { c.ask(conn, c.loop.User(conn)) }

// ask sends the request. A poll with a cursor waits from then on.
func (c *client) ask(conn reactor.Conn, i uint32) {
	sub := &c.subs[i-1]
	sub.headed = false
	c.out = c.request.Append(c.out[:0], &target.Vars{Channel: c.channel(i), Seq: sub.seq, Modified: sub.modified, ETag: sub.etag, Also: c.further(i)})
	if c.loop.Write(conn, c.out) == nil && c.Transport.Once {
		c.subscribed(sub)
	}
}

// subscribed counts a subscriber as soon as the server knows its position.
func (c *client) subscribed(sub *subscriber) {
	if sub.ready || c.Transport.Cursor == target.ICometCursor && sub.seq == 0 {
		return
	}
	sub.ready = true
	c.stats.Subscribed++
	if sub.asked {
		sub.asked = false
		c.under--
	}
	if c.returning {
		c.stats.Returned++
	}
}

// broken closes a connection that has received something invalid.
func (c *client) broken(conn reactor.Conn, format string, args ...any) {
	c.cause(format, args...)
	c.loop.Close(conn)
}

func (c *client) Drained(reactor.Conn) {}

func (c *client) Closed(conn reactor.Conn, err error) {
	if err == reactor.ErrStopped {
		return
	}
	i := c.loop.User(conn)
	sub := &c.subs[i-1]
	left, was := sub.leaving, sub.ready
	sub.conn, sub.leaving = 0, false
	delete(c.carry, i)
	delete(c.frames.begun, i)
	if c.Transport.Cursor == target.NoCursor {
		sub.next = 0 // messages published meanwhile are missed
	}
	switch {
	case left:
		c.todo = append(c.todo, i)
	case !was:
		if err == nil {
			err = errors.New(c.stats.Cause)
		}
		c.refused(i, err)
	default:
		c.unready(sub)
		c.stats.Dropped++
		c.cause("a connection was lost: %v", err)
	}
}
