package comet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

// lateLog is a shared log that answers when the test tells it to.
type lateLog struct {
	channels  map[string]*lateChannel
	proposals []homed // without a number yet
	attaches  []homed // without an answer yet
	counts    []homed // questions
	counted   []string
	attached  map[string]int // how often
	detached  []string       // channels that are no longer attached
	present   []string
	touched   []string // and for how long they are signed
	wanted    bool
	listens   []bool
	prompt    bool // it attaches at once
	taken     int
	nodes     []Node
	away      error
	keys      map[string]int32
	epoch     uint32 // of all channels, if not 0
	index     uint32 // of the last event for all channels
	homes     []broker.Inbox
}

// lateChannel is what the log knows of a channel.
type lateChannel struct {
	next  int32
	kept  []*msg.Message
	alive bool
}

// homed is a mail, and the inbox of its channel's home.
type homed struct {
	home broker.Inbox
	mail mail.Mail
	name string
}

// lateEnd is the log's end at one loop.
type lateEnd struct {
	*lateLog
	home broker.Inbox
}

func (l lateEnd) Propose(m mail.Mail) {
	l.proposals = append(l.proposals, homed{l.home, m, string(m.Cname())})
}

// Attach stores in the mail, as its number, from where the history is wanted.
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

func (l lateEnd) Follow(cname []byte) { l.attached[string(cname)]++ }
func (l lateEnd) Touch(cname []byte, lease time.Duration) {
	l.touched = append(l.touched, fmt.Sprintf("%s %v", cname, lease))
}
func (l lateEnd) Flush()                  {}
func (l lateEnd) Partition([]byte) uint32 { return 0 }
func (l lateEnd) Wanted() bool            { return l.wanted }
func (l lateEnd) Listens(list bool)       { l.listens = append(l.listens, list) }
func (l lateEnd) Taken(n int)             { l.taken += n }
func (l lateEnd) Count(m mail.Mail)       { l.counts = append(l.counts, homed{l.home, m, string(m.Cname())}) }
func (l lateEnd) Presence(cname []byte, alive bool) {
	l.present = append(l.present, fmt.Sprintf("%t %s", alive, cname))
}

func (l lateEnd) Counted(m mail.Mail, n uint32, here bool) {
	l.counted = append(l.counted, fmt.Sprintf("%s %d %t", m.Cname(), n, here))
}

// It is also the log of a whole server.

func (l *lateLog) Open(loop uint8, home broker.Inbox) broker.Authority {
	l.homes = append(l.homes, nil)[:max(len(l.homes), int(loop)+1)]
	l.homes[loop] = home
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

// number gives a message its number, and stores it.
func (l *lateLog) number(name string, k msg.Kind, content []byte) *msg.Message {
	ch := l.channel(name)
	ch.kept = append(ch.kept, msg.New(k, ch.next, content))
	ch.next++
	return msg.New(k, ch.next-1, content)
}

// commit numbers the first proposal. tell reports it to the home, as an answer and in
// the order of the log.
func (l *lateLog) commit() (tell func()) {
	p := l.proposals[0]
	l.proposals = l.proposals[1:]
	if p.mail.Op == mail.OpBroadcast {
		return func() { p.home.Post(p.mail); l.announce(string(p.mail.Proposed()))() }
	}
	other := mail.Mail{Kind: mail.Committed, Op: p.mail.Op}
	other.Buf, other.Nlen = named(p.name)
	ch := l.channel(p.name)
	switch p.mail.Op {
	case mail.OpSign:
		ch.alive, p.mail.Seq = true, ch.next
		return func() { p.home.Post(p.mail) }
	case mail.OpClear:
		ch.kept, p.mail.Seq, other.Seq = nil, ch.next, ch.next
		return func() { p.home.Post(p.mail); p.home.Post(other) }
	}
	if key := string(p.mail.Key()); key != "" && l.keys[p.name+key] != 0 {
		p.mail.Seq = l.keys[p.name+key]
		return func() { p.home.Post(p.mail) }
	} else if key != "" {
		l.keys[p.name+key] = ch.next
	}
	p.mail.Msg = l.number(p.name, p.mail.Op.MessageKind(), p.mail.Proposed())
	other.Msg = msg.New(p.mail.Msg.Kind, p.mail.Msg.Seq, p.mail.Msg.Content())
	return func() { p.home.Post(p.mail); p.home.Post(other) }
}

// ordered is a message in the order of the log.
func ordered(name string, message *msg.Message) mail.Mail {
	m := mail.Mail{Kind: mail.Committed, Msg: message}
	m.Buf, m.Nlen = named(name)
	return m
}

// announce numbers a broadcast in all channels. tell reports it to the homes.
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

// refuse answers the first proposal without a number.
func (l *lateLog) refuse() {
	p := l.proposals[0]
	l.proposals = l.proposals[1:]
	p.mail.Code = mail.CodeNoLog
	p.home.Post(p.mail)
}

// attach reads the first channel for which it was asked. tell sends the result to the
// home.
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
		message.Link(last)
		last = message
		a.mail.N++
	}
	a.mail.Msg, a.mail.Seq = last, ch.next
	a.mail.SetIndex(l.index)
	a.mail.SetAttachedEpoch(l.epoch)
	if ch.alive {
		a.mail.Flag |= mail.FlagExist
	}
	return func() { a.home.Post(a.mail) }
}

// newLate makes a harness whose messages are numbered by a lateLog.
func newLate(t *testing.T, cfg Config) (*harness, *lateLog) {
	log := &lateLog{channels: map[string]*lateChannel{}, attached: map[string]int{}, keys: map[string]int32{}}
	cfg.Loops = 2
	cfg.Cluster = log
	return newHarness(t, cfg), log
}

// count answers the first question.
func (l *lateLog) count(subscribers uint32, exists bool) {
	q := l.counts[0]
	l.counts = l.counts[1:]
	q.mail.Kind = mail.Counted
	if q.mail.SetSubscribers(subscribers); exists {
		q.mail.Flag |= mail.FlagExist
	}
	q.home.Post(q.mail)
}
