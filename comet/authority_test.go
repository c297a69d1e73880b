package comet

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

// lateLog is a log beyond all loops that answers when the test has it answer.
type lateLog struct {
	channels  map[string]*lateChannel
	proposals []homed // that have no number yet
	attaches  []homed // that have no answer yet
	counts    []homed // questions
	counted   []string
	attached  map[string]int // how often
	detached  []string       // that are attached no more
	present   []string
	wanted    bool
	prompt    bool // it attaches at once
	taken     int
	nodes     []Node
	away      error
	index     uint32 // of what concerned all channels last
	homes     []broker.Inbox
}

// lateChannel is what it knows of a channel.
type lateChannel struct {
	next int32
	kept []*msg.Message
}

// homed is a mail, and the inbox of the channel's home.
type homed struct {
	home broker.Inbox
	mail mail.Mail
	name string
}

// lateEnd is its end at one loop.
type lateEnd struct {
	*lateLog
	home broker.Inbox
}

func (l lateEnd) Propose(m mail.Mail) {
	l.proposals = append(l.proposals, homed{l.home, m, string(m.Cname())})
}

// Attach keeps, as the mail's number, from where on a history is wanted.
func (l lateEnd) Attach(channel mail.Ref, cname []byte, from int32) {
	m := mail.Mail{Kind: mail.Attached, Ref: channel, Seq: from}
	l.attaches = append(l.attaches, homed{l.home, m, string(cname)})
	if l.attached[string(cname)]++; l.prompt {
		l.attach()()
	}
}

func (l lateEnd) Detach(cname []byte) {
	if l.attached[string(cname)]--; l.attached[string(cname)] == 0 {
		l.detached = append(l.detached, string(cname))
	}
}

func (l lateEnd) Follow(cname []byte)     { l.attached[string(cname)]++ }
func (l lateEnd) Partition([]byte) uint32 { return 0 }
func (l lateEnd) Wanted() bool            { return l.wanted }
func (l lateEnd) Taken(n int)             { l.taken += n }
func (l lateEnd) Count(m mail.Mail)       { l.counts = append(l.counts, homed{l.home, m, string(m.Cname())}) }
func (l lateEnd) Presence(cname []byte, alive bool) {
	l.present = append(l.present, fmt.Sprintf("%t %s", alive, cname))
}

func (l lateEnd) Counted(m mail.Mail, n uint32, here bool) {
	l.counted = append(l.counted, fmt.Sprintf("%s %d %t", m.Cname(), n, here))
}

// It is a whole server's log, too.

func (l *lateLog) Open(_ uint8, home broker.Inbox) broker.Authority {
	l.homes = append(l.homes, home)
	return lateEnd{l, home}
}
func (l *lateLog) Secret() []byte    { return []byte("secret") }
func (l *lateLog) Start(func() Node) {}
func (l *lateLog) Nodes() []Node     { return l.nodes }
func (l *lateLog) Away() error       { return l.away }
func (l *lateLog) Suspend() []byte   { return nil }
func (l *lateLog) Resume()           {}
func (l *lateLog) Close()            {}

func (l *lateLog) channel(name string) *lateChannel {
	if l.channels[name] == nil {
		l.channels[name] = &lateChannel{next: 1}
	}
	return l.channels[name]
}

// number gives a message its number, and keeps it.
func (l *lateLog) number(name string, k msg.Kind, content []byte) *msg.Message {
	ch := l.channel(name)
	ch.kept = append(ch.kept, msg.New(k, ch.next, content))
	ch.next++
	return msg.New(k, ch.next-1, content)
}

// commit numbers the first proposal. What it returns tells the home: it answers, and the
// message comes in the log's order as well.
func (l *lateLog) commit() (tell func()) {
	p := l.proposals[0]
	l.proposals = l.proposals[1:]
	if p.mail.Op == mail.OpBroadcast {
		return func() { p.home.Post(p.mail); l.announce(string(p.mail.Proposed()))() }
	}
	p.mail.Msg = l.number(p.name, p.mail.Op.Message(), p.mail.Proposed())
	other := ordered(p.name, msg.New(p.mail.Msg.Kind, p.mail.Msg.Seq, p.mail.Msg.Content()))
	return func() { p.home.Post(p.mail); p.home.Post(other) }
}

// ordered is a message that comes in the log's order.
func ordered(name string, message *msg.Message) mail.Mail {
	m := mail.Mail{Kind: mail.Committed, Msg: message}
	m.Buf, m.Nlen = named(name)
	return m
}

// announce numbers a broadcast in all channels. What it returns tells the homes.
func (l *lateLog) announce(content string) (tell func()) {
	for name := range l.channels {
		l.number(name, msg.Broadcast, []byte(content))
	}
	l.index++
	m := mail.OfPartition(mail.Announced, 0, l.index)
	m.Msg = msg.New(msg.Broadcast, 0, []byte(content))
	return func() {
		for _, home := range l.homes {
			home.Post(m)
		}
	}
}

// refuse has the first proposal get no number.
func (l *lateLog) refuse() {
	p := l.proposals[0]
	l.proposals = l.proposals[1:]
	p.mail.Code = mail.CodeNoLog
	p.home.Post(p.mail)
}

// attach reads what the first channel that is asked for is. What it returns tells the home.
func (l *lateLog) attach() (tell func()) {
	a := l.attaches[0]
	l.attaches = l.attaches[1:]
	ch := l.channel(a.name)
	var last *msg.Message
	for _, kept := range slices.Backward(ch.kept) {
		if from := a.mail.Seq; from == 0 || kept.Seq < from {
			a.mail.Flag |= mail.FlagMore
			break
		}
		message := msg.New(kept.Kind, kept.Seq, kept.Content())
		message.Next, last = last, message
		a.mail.N++
	}
	a.mail.Msg, a.mail.Seq = last, ch.next
	a.mail.SetIndex(l.index)
	return func() { a.home.Post(a.mail) }
}

// newLate is a harness whose messages are numbered by a lateLog.
func newLate(t *testing.T, cfg Config) (*harness, *lateLog) {
	log := &lateLog{channels: map[string]*lateChannel{}, attached: map[string]int{}}
	cfg.Loops = 2
	cfg.Cluster = log
	return newHarness(t, cfg), log
}

// answered is what a connection has been sent, but for the heads of responses.
func (e *end) answered() (bodies []string) {
	e.t.Helper()
	e.read()
	for _, part := range strings.Split(string(e.in), "HTTP/1.1 ")[1:] {
		_, body, _ := strings.Cut(part, "\r\n\r\n")
		bodies = append(bodies, part[:3]+" "+strings.TrimSpace(body))
	}
	return bodies
}

func wantAnswers(t *testing.T, e *end, want ...string) {
	t.Helper()
	if got := e.answered(); !slices.Equal(got, want) {
		t.Errorf("the answers are %q, want %q", got, want)
	}
}

// wantEvents holds the messages that a client is sent next against those that it must be.
func wantEvents(t *testing.T, e *end, want ...string) {
	t.Helper()
	events, _ := e.events()
	var got []string
	for _, ev := range events {
		got = append(got, fmt.Sprintf("%d %s", ev.Seq, ev.Content))
	}
	if !slices.Equal(got, want) {
		t.Errorf("a client was sent %q, want %q", got, want)
	}
}

// TestLateCommit: a publisher is answered when its message has its number, in order, and
// subscribers on all loops have it then.
func TestLateCommit(t *testing.T) {
	h, log := newLate(t, Config{})
	var clients []*end
	for _, s := range h.srv.shards {
		e := h.connect(s, conn.Front, 0)
		e.get("/stream?cname=a&seq=1")
		clients = append(clients, e)
	}
	h.settle()
	if len(log.attaches) != 1 {
		t.Fatalf("%d channels are attached, want one, once", len(log.attaches))
	}
	log.attach()()
	h.settle()
	check(t, h.srv, true, "attached")
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	for n := range 3 {
		p.get(fmt.Sprintf("/push?cname=a&content=m%d&ack=1", n+1))
	}
	h.settle()
	wantAnswers(t, p)
	log.commit()()
	h.settle()
	wantAnswers(t, p, `200 {"type":"ok","seq":1}`)
	log.refuse()
	h.settle()
	log.commit()()
	h.settle()
	wantAnswers(t, p, `200 {"type":"ok","seq":1}`, "503 the log that numbers messages cannot be reached", `200 {"type":"ok","seq":2}`)
	for _, e := range clients {
		wantEvents(t, e, "1 m1", "2 m3")
	}
	// A message of another server comes like one of this one, which nothing here waits for.
	h.srv.home("a").Post(ordered("a", log.number("a", msg.Data, []byte("other"))))
	h.settle()
	for _, e := range clients {
		wantEvents(t, e, "3 other")
	}
	check(t, h.srv, true, "at the end")
}

// TestLateControl: a broadcast, and the close of a channel, are numbered like a publish.
func TestLateControl(t *testing.T) {
	h, log := newLate(t, Config{})
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	log.attach()()
	h.settle()
	p := h.connect(h.srv.shards[1], conn.Admin, 0)
	p.get("/broadcast?content=all")
	p.get("/close?cname=a")
	h.settle()
	wantAnswers(t, p)
	wantEvents(t, e)
	for range 2 {
		log.commit()()
	}
	h.settle()
	wantAnswers(t, p, "200 ok", "200 ok 2")
	wantEvents(t, e, "1 all", "2 ", "2 ") // the second says which number comes behind a broadcast
	if h.srv.totals.Channels.Load() != 0 || !slices.Equal(log.detached, []string{"a"}) {
		t.Errorf("%d channels are left, detached are %q", h.srv.totals.Channels.Load(), log.detached)
	}
	check(t, h.srv, true, "closed")
}

// TestLateReplay: wherever a message is numbered and told while a channel is attached, a
// subscriber is sent it once, between what came before it and what comes behind it.
func TestLateReplay(t *testing.T) {
	for _, path := range []string{"/stream?cname=a&seq=1", "/sse?cname=a&seq=1&token=", "/poll?cname=a&seq=1"} {
		for order := range 6 {
			h, log := newLate(t, Config{})
			p := h.connect(h.srv.shards[1], conn.Admin, 0)
			for n := range 3 {
				p.get(fmt.Sprintf("/push?cname=a&content=m%d", n+1))
			}
			h.settle()
			log.commit()() // before the channel is of any use here
			h.settle()
			e := h.connect(h.srv.shards[0], conn.Front, 0)
			e.get(path)
			h.settle()
			// The log reads the channel before, between, or behind the two commits; what it
			// has read arrives before, between or behind them too.
			var tell []func()
			read := order % 3
			for n := range 3 {
				if n == read {
					tell = append(tell, log.attach())
				} else {
					tell = append(tell, log.commit())
				}
			}
			if order >= 3 { // the answer is overtaken by all that came before it, or behind it
				tell = append(slices.Delete(slices.Clone(tell), read, read+1), tell[read])
			}
			for _, step := range tell {
				step()
				h.turn(h.srv.shards[0])
			}
			h.settle()
			var got []string
			for {
				events, clean := e.events()
				if len(events) == 0 {
					break
				}
				for _, ev := range events {
					got = append(got, fmt.Sprintf("%d %s", ev.Seq, ev.Content))
				}
				if clean && len(got) < 3 { // a poll asks again
					e.get(strings.Replace(path, "seq=1", fmt.Sprintf("seq=%d", len(got)+1), 1))
					h.settle()
				}
			}
			if want := []string{"1 m1", "2 m2", "3 m3"}; !slices.Equal(got, want) {
				t.Errorf("%s, order %d: got %q", path, order, got)
			}
			check(t, h.srv, true, path)
		}
	}
}

// TestLateHistory: what a channel has is read when the log has told it.
func TestLateHistory(t *testing.T) {
	h, log := newLate(t, Config{})
	log.number("a", msg.Data, []byte("m1"))
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/history?cname=a&seq=1")
	h.settle()
	wantAnswers(t, e)
	log.attach()()
	h.settle()
	if got := e.answered(); len(got) != 1 || !strings.Contains(got[0], `"seq":1,"content":"m1"`) {
		t.Errorf("a history is %q", got)
	}
	check(t, h.srv, true, "at the end")
}

// TestLateClientLeaves: a client that leaves while its channel is attached leaves nothing.
func TestLateClientLeaves(t *testing.T) {
	h, log := newLate(t, Config{})
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	e.close()
	h.settle()
	h.now = h.now.Add(h.srv.cfg.ChannelTimeout + time.Minute)
	h.settle()
	if n, _ := h.srv.home("a").Live(); n != 1 {
		t.Fatalf("%d channels are there while one is attached", n)
	}
	log.attach()()
	h.settle()
	h.now = h.now.Add(h.srv.cfg.ChannelTimeout + time.Minute)
	h.settle()
	h.settle()
	if n, _ := h.srv.home("a").Live(); n != 0 || !slices.Equal(log.detached, []string{"a"}) {
		t.Errorf("%d channels are left, detached are %q", n, log.detached)
	}
	check(t, h.srv, true, "after all")
}

// TestLateDrain: a server that drains ends when each message that it took has its number or
// none, and each publisher its answer.
func TestLateDrain(t *testing.T) {
	h, log := newLate(t, Config{})
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	p.get("/push?cname=a&content=m1&ack=1")
	p.get("/push?cname=a&content=m2&ack=1")
	h.settle()
	h.drain(2 * time.Second)
	h.now = h.now.Add(3 * time.Second)
	h.settle()
	for _, s := range h.srv.shards {
		if s.drain.Phase != drain.Ending && s.drain.Phase != drain.Numbered {
			t.Fatalf("loop %d is in phase %d", s.Id, s.drain.Phase)
		}
	}
	wantAnswers(t, p)
	log.commit()()
	h.settle()
	if h.quiet() {
		t.Fatal("it ends before the second message is answered")
	}
	log.refuse()
	h.settle()
	if !h.quiet() {
		t.Error("it does not end")
	}
	got := p.answered()
	if len(got) != 2 || got[0] != `200 {"type":"ok","seq":1}` || !strings.HasPrefix(got[1], "503 ") || !bytes.Contains(p.in, []byte("Retry-After: ")) {
		t.Errorf("the answers are %q", got)
	}
}
