package bench

import (
	"errors"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/httplite"
	"ccomet/reactor"
)

// soakCrowd has all clients, publishers and attackers of a soak that are on one loop. It is
// controlled by orders.
type soakCrowd struct {
	loop   *reactor.Loop
	mail   *reactor.Mailbox[soakOrder]
	random *rand.Rand
	judge  *judge
	faults *faults

	front, admin string
	sources      []string
	dialled      int
	life         soakLife
	calm         bool // nothing is published, and no client leaves
	clients      []soakClient
	publishers   []soakPublisher
	attackers    []soakAttacker
	gophers      []*soakGopher
	idle         []uint32 // attackers without a connection
	waits        []soakOrder

	format   format
	rate     float64 // publishes a second, except during a calm
	owed     float64
	lastBeat time.Time
	beat     time.Time // time of the last beat
	number   uint32    // of the last publish

	head httplite.Response
	out  []byte

	soakCounts
}

// soakCounts are a crowd's figures since its start.
type soakCounts struct {
	published, received, toldLost, refusals, left int64
	cuts                                          int64 // clients that the server may have cut, because they did not read or send a request
	attacks                                       [attackKinds]int64
	kept                                          int64 // the most bytes that channels may keep
}

// soakLife is what may be expected of the server at present.
type soakLife struct {
	up       bool
	ending   bool // the server may cut any client
	ceilings bool // limits are reached: the server may refuse and cut
	sheds    bool // the server may also keep fewer messages
}

// The kind of a connection, in the high bits of its user word.
const (
	roleClient uint32 = iota << 28
	rolePublisher
	roleAttacker
	roleMask uint32 = 3 << 28
)

// soakBeat is the interval at which the crowd checks what is due.
const soakBeat = reactor.TickLength

// dialsABeat is the most connections that are started in a beat.
const dialsABeat = 250

func (c *soakCrowd) Opened(conn reactor.Conn) {
	switch i := c.loop.User(conn); i & roleMask {
	case roleClient:
		c.ask(&c.clients[i])
	case roleAttacker:
		c.attack(&c.attackers[i&^roleMask])
	}
}

func (c *soakCrowd) Received(conn reactor.Conn, p []byte) int {
	switch i := c.loop.User(conn); i & roleMask {
	case roleClient:
		sub := &c.clients[i]
		if !sub.ended.IsZero() {
			sub.ended = c.loop.Now() // the next turn may bring more input
		}
		return c.hear(sub, p)
	case rolePublisher:
		return c.answered(&c.publishers[i&^roleMask], p)
	default:
		c.repelled(&c.attackers[i&^roleMask], p)
		return len(p)
	}
}

var errEnded = errors.New("the server closed it")

func (c *soakCrowd) Ended(conn reactor.Conn) {
	if i := c.loop.User(conn); i&roleMask == roleClient {
		sub := &c.clients[i]
		if !sub.stalled.IsZero() { // input that it has not read yet may end its response
			sub.stalled, sub.ended = time.Time{}, c.loop.Now()
			c.loop.Resume(conn)
			return
		}
		c.cut(sub, c.loop.Now(), errEnded)
	}
	c.loop.Close(conn)
}

func (c *soakCrowd) Drained(reactor.Conn) {}

func (c *soakCrowd) Closed(conn reactor.Conn, err error) {
	if err == reactor.ErrStopped {
		return
	}
	switch i := c.loop.User(conn); i & roleMask {
	case roleClient:
		if err != nil {
			c.cut(&c.clients[i], c.loop.Now(), err)
		}
		c.clients[i].closed(c.soon(time.Second))
	case rolePublisher:
		c.publisherClosed(&c.publishers[i&^roleMask])
	default:
		c.attackers[i&^roleMask] = soakAttacker{}
		c.idle = append(c.idle, i&^roleMask)
	}
}

// soon returns a random time within d.
func (c *soakCrowd) soon(d time.Duration) time.Time {
	return c.loop.Now().Add(time.Duration(c.random.Int64N(int64(d))))
}

// dial starts a connection; 0 if that fails at once.
func (c *soakCrowd) dial(address string, user uint32, opts reactor.SocketOptions) reactor.Conn {
	c.dialled++
	conn, err := c.loop.Dial(address, c.sources[c.dialled%len(c.sources)], 0, user, opts)
	if err != nil {
		c.faults.fault("the harness itself: %v", err)
	}
	return conn
}

// leaving is the way in which this side ends a connection.
type leaving uint8

const (
	leaveFIN leaving = iota
	leaveRST
	leaveSilent // without notice to the peer
	leavings
)

// end closes a connection.
func (c *soakCrowd) end(conn reactor.Conn, how leaving) {
	switch how {
	case leaveSilent:
		// A socket in repair mode sends nothing when it is closed. If repair mode is not
		// permitted, the connection is reset instead.
		if unix.SetsockoptInt(c.loop.Fd(conn), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) == nil {
			break
		}
		fallthrough
	case leaveRST:
		c.loop.ResetOnClose(conn)
	}
	c.loop.Close(conn)
}

// leave closes a client's connection. The client reconnects within d.
func (c *soakCrowd) leave(sub *soakClient, how leaving, d time.Duration) {
	if sub.conn == 0 || sub.leaving {
		return
	}
	sub.leaving, sub.due = true, c.soon(d+200*time.Millisecond)
	c.end(sub.conn, how)
}

// Expired handles a beat.
func (c *soakCrowd) Expired(timer reactor.Conn) {
	c.loop.SetTimer(timer, soakBeat)
	now, dials := c.loop.Now(), 0
	c.standsStill(c.beat, now)
	c.beat = now
	highest := func(channel uint32) int32 { return c.judge.channels[channel].highest() }
	for i := range c.clients {
		sub := &c.clients[i]
		switch {
		case sub.conn != 0 && !sub.stalled.IsZero() && (now.After(sub.stalled) || c.calm):
			sub.stalled = time.Time{}
			if c.random.IntN(4) == 0 && !c.calm {
				c.leave(sub, leaving(c.random.IntN(int(leavings))), time.Second)
			} else {
				c.loop.Resume(sub.conn)
			}
		case sub.conn != 0 && sub.stalled.IsZero() && !sub.since.IsZero():
			if now.Sub(sub.ended) < soakBeat {
				break // it may not have read everything: it does so first, in each turn
			}
			sub.hasRead(now, highest) // it has had the time since the last beat to read
			if !sub.ended.IsZero() {
				c.cut(sub, now, errEnded)
				c.loop.Close(sub.conn)
			}
		case sub.conn == 0 && c.life.up && dials < dialsABeat && now.After(sub.due):
			dials++
			var opts reactor.SocketOptions
			if sub.slow {
				opts.ReceiveBuffer = slowBuffer
			}
			if sub.conn = c.dial(c.front, uint32(i), opts); sub.conn == 0 {
				sub.due = c.soon(time.Second)
			}
		}
	}
	c.publish(now)
	c.press(now)
}

func (c *soakCrowd) TurnEnded(time.Time) time.Duration {
	for _, o := range c.mail.Drain() {
		c.obey(o)
	}
	n := 0
	for _, o := range c.waits {
		if c.reached(o) {
			close(o.done)
		} else {
			c.waits[n] = o
			n++
		}
	}
	clear(c.waits[n:])
	c.waits = c.waits[:n]
	return -1
}
