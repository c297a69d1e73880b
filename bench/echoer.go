package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ccomet/bench/target"
	"ccomet/httplite"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// The echoer process holds WebSockets. In each round a client sends one text and receives
// it again. Its commands are
//
//	"config JSON"  an echoerConfig; must be first
//	"rounds N"     N more rounds, InFlight of them at a time; answers "rounds TOTAL"
//	               when all are done
//
// It reports "open" when all WebSockets are open.
type echoerConfig struct {
	Address   string
	Transport target.Transport
	Clients   int
	InFlight  int
	Run       uint32
	Size      int
}

type echoer struct {
	echoerConfig
	loop    *reactor.Loop
	mail    *reactor.Mailbox[string]
	request *target.Request
	say     target.Template
	format  format
	reader  websocket.Reader
	clients []echoClient
	dialled int
	idle    []uint32 // clients; the first has waited longest
	todo    int      // rounds not started
	under   int      // rounds in flight
	done    int
	head    httplite.Response
	content []byte
	text    []byte
	out     []byte
}

// echoClient is one client.
type echoClient struct {
	conn    reactor.Conn
	partial websocket.Partial
	headed  bool
	number  uint32 // number of the last round
}

// RunEchoer runs the echoer process.
func RunEchoer() error {
	lines := commands()
	first, ok := <-lines
	if !ok {
		return nil
	}
	e := new(echoer)
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "config ")), &e.echoerConfig); err != nil {
		return fmt.Errorf("echoer: configuration: %w", err)
	}
	e.request, e.say, e.format = e.Transport.Request(), target.Compile(e.Transport.Say), newFormat(e.Run, e.Size)
	e.clients = make([]echoClient, e.Clients)
	var err error
	if e.loop, err = reactor.NewLoop(e, reactor.Config{}); err != nil {
		return err
	}
	e.mail = reactor.NewMailbox[string](e.loop)
	go func() {
		for line := range lines {
			e.mail.Post(line)
		}
		e.loop.Stop()
	}()
	for range min(opening, e.Clients) {
		e.dial()
	}
	return e.loop.Run()
}

func (e *echoer) TurnEnded(time.Time) time.Duration {
	for _, line := range e.mail.Drain() {
		n, err := strconv.Atoi(strings.TrimPrefix(line, "rounds "))
		if err != nil {
			fail("echoer: told %q", line)
		}
		e.todo = n
	}
	for e.todo > 0 && e.under < e.InFlight && len(e.idle) > 0 {
		i := e.idle[0]
		e.idle = e.idle[:copy(e.idle, e.idle[1:])]
		e.todo--
		e.under++
		e.begin(i)
	}
	return -1
}

// dial opens the next connection, if more are wanted.
func (e *echoer) dial() {
	if e.dialled == e.Clients {
		return
	}
	conn, err := e.loop.Dial(e.Address, "", 0, uint32(e.dialled), reactor.SocketOptions{})
	if err != nil {
		fail("echoer: %v", err)
	}
	e.clients[e.dialled].conn = conn
	e.dialled++
}

func (e *echoer) Opened(conn reactor.Conn) {
	if err := e.loop.Write(conn, e.request.Append(nil, &target.Vars{Channel: e.loop.User(conn)})); err != nil {
		fail("echoer: %v", err)
	}
}

// begin starts a round of a client.
func (e *echoer) begin(i uint32) {
	c := &e.clients[i]
	c.number++
	e.content = e.format.append(e.content[:0], message{channel: i, number: c.number})
	e.text = e.say.Append(e.text[:0], &target.Vars{Channel: i, Content: e.content})
	e.out = websocket.AppendMaskedFrame(e.out[:0], websocket.Text, e.text, [4]byte{0x17, 0x2a, 0x99, 0xc4})
	if err := e.loop.Write(c.conn, e.out); err != nil {
		fail("echoer: %v", err)
	}
}

func (e *echoer) Received(conn reactor.Conn, p []byte) (used int) {
	i := e.loop.User(conn)
	c := &e.clients[i]
	if !c.headed {
		e.head.Reset()
		n, err := e.head.ParseHead(p, nil)
		if err == nil && n > 0 {
			_, err = websocket.ReadAnswer(&e.head, target.WebSocketKey, nil, false)
		}
		if err != nil {
			fail("echoer: handshake: %v", err)
		}
		if n == 0 {
			return 0
		}
		used, c.headed = n, true
		if e.idle = append(e.idle, i); len(e.idle) == e.Clients {
			fmt.Println("open")
		}
		e.dial()
	}
	for {
		msg, n, err := e.reader.Next(&c.partial, p[used:], &frameRules)
		used += n
		switch {
		case err != nil || msg.Op == websocket.Close:
			fail("echoer: %v: %q", err, msg.Payload)
		case msg.Op == 0:
			return used
		case msg.Op == websocket.Text:
			e.hear(i, c, msg.Payload)
		}
	}
}

// hear handles a received text: the client's own message, or another text of the server.
func (e *echoer) hear(i uint32, c *echoClient, text []byte) {
	m, used, whole := e.format.next(text)
	if used == 0 {
		if bytes.Contains(text, []byte(`"type":"4`)) {
			fail("echoer: refused: %s", text)
		}
		return
	}
	if !whole || m.channel != i || m.number != c.number {
		fail("echoer: client %d hears %.300q in round %d", i, text, c.number)
	}
	e.idle = append(e.idle, i)
	e.under--
	if e.done++; e.todo+e.under == 0 {
		fmt.Println("rounds", e.done)
	}
}

func (e *echoer) Ended(conn reactor.Conn) { e.loop.Close(conn) }
func (e *echoer) Drained(reactor.Conn)    {}
func (e *echoer) Expired(reactor.Conn)    {}

func (e *echoer) Closed(_ reactor.Conn, err error) {
	if err != reactor.ErrStopped {
		fail("echoer: the server closed a connection: %v", err)
	}
}
