package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/reactor"

	"github.com/rs/zerolog"
)

var nodeCount atomic.Int32

// testLog returns a logger that writes to the test's log.
func testLog(t testing.TB) zerolog.Logger { return zerolog.New(zerolog.NewTestWriter(t)) }

// nobody is a handler of a loop without connections.
type nobody struct{ turn func() }

func (nobody) Opened(reactor.Conn)                 {}
func (nobody) Received(reactor.Conn, []byte) int   { return 0 }
func (nobody) Ended(reactor.Conn)                  {}
func (nobody) Drained(reactor.Conn)                {}
func (nobody) Expired(reactor.Conn)                {}
func (nobody) Closed(reactor.Conn, error)          {}
func (h nobody) TurnEnded(time.Time) time.Duration { h.turn(); return -1 }

// judge replaces a loop of a server: it follows channels like a broker, and records what their
// subscribers would be told.
type judge struct {
	t     testing.TB
	node  *testNode
	loop  *reactor.Loop
	inbox *reactor.Mailbox[mail.Mail]
	end   *loop

	mu        sync.Mutex
	todo      []func() // functions for the loop's goroutine
	follows   map[string]*followed
	refs      map[mail.Ref]*followed
	answers   map[string]mail.Mail // by the content of the proposal
	seen      map[uint32]uint32    // index of the last event, by partition
	count     atomic.Int64         // number of answers
	countOnly atomic.Bool          // answers are only counted
	onMessage func()
	events    int
	counted   map[string]countedOf
	lines     string
}

// followed is a channel at a judge.
type followed struct {
	name                              string
	ref                               mail.Ref
	next                              int32
	epoch                             uint32
	ahead                             uint32 // index of the last event that next includes
	attached, asking, unsettled, more bool
	exists                            bool
	kept                              []toldMessage
	waiting                           []mail.Mail
	told                              []toldMessage
	gapsAt                            [][2]int32 // from one number to before the other
	first                             int32
}

type toldMessage struct {
	seq     int32
	content string
	kind    string
}

// testNode is a Log with its loops.
type testNode struct {
	*Log
	t      testing.TB
	judges []*judge
}

// startNode opens a log on a Redis, with this many loops, and starts it.
func startNode(t testing.TB, loops int, cfg Config, urls ...string) *testNode {
	t.Helper()
	n := openNode(t, cfg, urls...)
	for range loops {
		n.judges = append(n.judges, newJudge(t, n))
	}
	n.Start(func() broker.Node { return broker.Node{} })
	return n
}

// openNode opens a log.
func openNode(t testing.TB, cfg Config, urls ...string) *testNode {
	t.Helper()
	cfg.Redis, cfg.Log = redisAt(t, urls...), testLog(t)
	if cfg.Node == "" {
		cfg.Node = fmt.Sprintf("node%d", nodeCount.Add(1))
	}
	if cfg.History == 0 {
		cfg.History = 100
	}
	ctx, done := context.WithTimeout(context.Background(), hang)
	defer done()
	l, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := &testNode{Log: l, t: t}
	t.Cleanup(func() {
		within(t, "the log's Close", l.Close)
		for _, j := range n.judges {
			j.loop.Stop()
		}
	})
	return n
}

func newJudge(t testing.TB, n *testNode) *judge {
	j := &judge{t: t, node: n, follows: map[string]*followed{}, refs: map[mail.Ref]*followed{}, answers: map[string]mail.Mail{}, seen: map[uint32]uint32{}, counted: map[string]countedOf{}}
	h := &nobody{turn: j.turn}
	var err error
	if j.loop, err = reactor.NewLoop(h, reactor.Config{}); err != nil {
		t.Fatal(err)
	}
	j.inbox = reactor.NewMailbox[mail.Mail](j.loop)
	j.end = n.Log.Open(uint8(len(n.judges)), j.inbox).(*loop)
	go func() { _ = j.loop.Run() }()
	return j
}

// home returns the loop of a channel.
func (n *testNode) home(name string) *judge {
	return n.judges[hashName(name)>>7%uint64(len(n.judges))]
}

// on runs a function on the loop's goroutine.
func (j *judge) on(f func()) {
	j.mu.Lock()
	j.todo = append(j.todo, f)
	j.mu.Unlock()
	j.loop.Wake()
}

func (j *judge) turn() {
	j.mu.Lock()
	todo := j.todo
	j.todo = nil
	j.mu.Unlock()
	for _, f := range todo {
		f()
	}
	j.end.Flush()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range j.inbox.Drain() {
		j.take(&m)
		if m.Kind == mail.Committed && m.Flag&mail.FlagProposed == 0 || m.Kind == mail.Announced || m.Kind == mail.Unsettled {
			j.end.Taken(1)
		}
	}
}

// take does what a broker does with mail from its log.
func (j *judge) take(m *mail.Mail) {
	switch m.Kind {
	case mail.Committed:
		if m.Flag&mail.FlagProposed != 0 {
			if j.count.Add(1); j.countOnly.Load() {
				m.Done()
				return
			}
			j.answers[string(m.Proposed())] = *m
			if f := j.follows[string(m.Cname())]; f != nil && f.attached && !f.asking && !f.unsettled && m.Msg != nil && m.Msg.Seq == f.next {
				j.commit(f, m)
			}
			return
		}
		if f := j.follows[string(m.Cname())]; f != nil && m.Buf != nil {
			if !f.attached || f.asking {
				f.waiting = append(f.waiting, *m)
				return
			}
			j.commit(f, m)
		}
	case mail.Attached:
		f := j.refs[m.Ref]
		if f == nil {
			return
		}
		j.attach(f, m)
	case mail.Announced, mail.Unsettled:
		j.event(m)
	case mail.Counted:
		j.counted[string(m.Cname())] = countedOf{m.Subscribers(), m.Flag&mail.FlagExist != 0}
	case mail.CountAsked:
		f := j.follows[string(m.Cname())]
		j.end.Counted(*m, f.subscribers(), f != nil)
	case mail.PresenceLine:
		j.lines += string(m.Msg.Content())
	}
}

// attach takes over a channel's state, and the missing messages if it was attached before.
func (j *judge) attach(f *followed, m *mail.Mail) {
	p := j.end.Partition([]byte(f.name))
	if int32(m.Index()-j.seen[p]) < 0 {
		j.end.Detach([]byte(f.name))
		j.end.Attach(f.ref, []byte(f.name), max(f.next, 1))
		return
	}
	for message, n := m.Msg, m.N; n > 0; message, n = message.After(n), n-1 {
		f.kept = append(f.kept, toldMessage{message.Seq, string(message.Content()), message.Kind.String()})
		if f.attached {
			j.commit(f, &mail.Mail{Msg: message})
		}
	}
	if f.attached && m.Seq > f.next {
		f.gapsAt = append(f.gapsAt, [2]int32{f.next, m.Seq})
	}
	if !f.attached {
		f.first = m.Seq
	}
	f.next, f.ahead, f.attached, f.asking, f.unsettled = max(m.Seq, f.next), m.Index(), true, false, false
	f.epoch, f.more, f.exists = m.AttachedEpoch(), m.Flag&mail.FlagMore != 0, m.Flag&mail.FlagExist != 0
	waiting := f.waiting
	f.waiting = nil
	for n := range waiting {
		j.commit(f, &waiting[n])
	}
}

// event does what a broker does with mail about all channels of a partition.
func (j *judge) event(m *mail.Mail) {
	p := m.Partition()
	if int32(m.Index()-j.seen[p]) <= 0 {
		j.t.Errorf("event %d of partition %d comes behind %d", m.Index(), p, j.seen[p])
		return
	}
	j.seen[p] = m.Index()
	j.events++
	for _, f := range j.follows {
		if j.end.Partition([]byte(f.name)) != p || f.asking || int32(f.ahead-m.Index()) >= 0 {
			continue
		}
		switch {
		case m.Kind == mail.Announced && !f.unsettled:
			f.told = append(f.told, toldMessage{f.next, string(m.Msg.Content()), "broadcast"})
			f.next++
		case m.Kind == mail.Announced || m.Flag&mail.FlagMore != 0:
			f.asking = true
			j.end.Detach([]byte(f.name))
			j.end.Attach(f.ref, []byte(f.name), f.next)
		default:
			f.unsettled = true
		}
	}
}

// commit tells a channel's subscribers of a message.
func (j *judge) commit(f *followed, m *mail.Mail) {
	if m.Msg == nil {
		return
	}
	d := m.Msg.Seq - f.next
	if d < 0 {
		return
	}
	f.unsettled = false
	if d > 0 {
		f.gapsAt = append(f.gapsAt, [2]int32{f.next, m.Msg.Seq})
	}
	f.told = append(f.told, toldMessage{m.Msg.Seq, string(m.Msg.Content()), m.Msg.Kind.String()})
	if j.onMessage != nil {
		j.onMessage()
	}
	f.next = m.Msg.Seq + 1
}

// follow attaches a channel, with its history from number from on.
func (j *judge) follow(name string, from int32) {
	done := make(chan struct{})
	j.on(func() {
		defer close(done)
		j.mu.Lock()
		f := &followed{name: name, ref: mail.Ref{Index: uint32(len(j.refs) + 1), Gen: 7}}
		j.follows[name], j.refs[f.ref] = f, f
		j.mu.Unlock()
		j.end.Attach(f.ref, []byte(name), from)
	})
	<-done
}

// propose proposes a message for a channel. Its content identifies the answer.
func (j *judge) propose(op mail.Op, name, key, content string) {
	j.on(func() {
		m := mail.Mail{Kind: mail.Committed, Op: op, Flag: mail.FlagProposed, Buf: pool.NameBuffer([]byte(name)), Nlen: uint8(len(name))}
		if key != "" {
			m.SetKeyLen(len(key))
			m.Buf.B = append(m.Buf.B, key...)
		}
		m.Buf.B = append(m.Buf.B, content...)
		j.end.Propose(m)
	})
}

// answer waits for the answer to the proposal with this content.
func (j *judge) answer(content string) mail.Mail {
	j.t.Helper()
	var m mail.Mail
	waitFor(j.t, "an answer to "+content, func() (ok bool) {
		j.mu.Lock()
		defer j.mu.Unlock()
		m, ok = j.answers[content]
		return ok
	})
	return m
}

// messages returns what the subscribers of a channel were told.
func (j *judge) messages(name string) []toldMessage {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := j.follows[name]
	if f == nil {
		return nil
	}
	return append([]toldMessage(nil), f.told...)
}

// attachedTo waits until a channel is attached.
func (j *judge) attachedTo(name string) {
	j.t.Helper()
	waitFor(j.t, name+" is attached", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		f := j.follows[name]
		return f != nil && f.attached
	})
}

// subscribers returns the number behind # in the channel's name.
func (f *followed) subscribers() uint32 {
	if f == nil {
		return 0
	}
	_, text, _ := strings.Cut(f.name, "#")
	many, _ := strconv.ParseUint(text, 10, 32)
	return uint32(many)
}

// countedOf is the number of a channel's subscribers at other nodes, and whether the channel exists.
type countedOf struct {
	subscribers uint32
	exists      bool
}

func numbersOf(told []toldMessage) string {
	var b strings.Builder
	for _, m := range told {
		fmt.Fprintf(&b, "%d:%s ", m.seq, m.content)
	}
	return strings.TrimSpace(b.String())
}

// followMany follows channels with the names many0, many1 and so on.
func (j *judge) followMany(channels int, from int32) {
	done := make(chan struct{})
	j.on(func() {
		defer close(done)
		for n := range channels {
			name := fmt.Sprint("many", n)
			j.mu.Lock()
			f := &followed{name: name, ref: mail.Ref{Index: uint32(len(j.refs) + 1), Gen: 7}}
			j.follows[name], j.refs[f.ref] = f, f
			j.mu.Unlock()
			j.end.Attach(f.ref, []byte(name), from)
		}
	})
	<-done
}

func (j *judge) attachedCount() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range j.follows {
		if f.attached {
			n++
		}
	}
	return n
}
