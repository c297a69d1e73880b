package comet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// model is what a server holds after a sequence of operations, one at a time. TestModel compares every
// answer and every message with it. The random operations of TestRandomOperations overlap, so that test
// can check only what holds in any order.
type model struct {
	*stage
	rng      *rand.Rand
	note     string
	channels map[string]*modelChannel
	made     []uint32 // by loop: the epochs that it has given, counted
	given    uint32   // to how many servers this one was handed over
	members  []*member
	content  int
	got      map[string]int
}

// modelChannel is one life of a channel.
type modelChannel struct {
	epoch string
	next  int32
	kept  []event
	keys  map[string]int32
}

const modelKept = 6 // messages that a channel keeps

// TestModel: whatever the transport, a subscriber gets what the model says, a publisher the number of the
// model, and /history has what the model keeps.
func TestModel(t *testing.T) {
	seeded(t, func(t *testing.T, seed uint64) {
		m := newModel(t, seed)
		for range 250 {
			m.step()
		}
		for _, c := range m.members {
			c.leave()
		}
		m.settle()
		check(t, m.srv, true, m.note)
		t.Log(m.got)
	})
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		stage: newStage(t, Config{Loops: 3, WSPublish: true, WSRate: -1, ChannelBufferSize: modelKept, PollingTimeout: time.Hour, IdleTimeout: time.Hour, Inheritable: true}),
		rng:   rand.New(rand.NewPCG(seed, 2)), note: fmt.Sprintf("CCOMET_SEED=%d", seed),
		channels: map[string]*modelChannel{}, made: make([]uint32, 3), got: map[string]int{},
	}
	repeatable(m.srv, m.rng, modelNames)
	return m
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s: %s", m.note, fmt.Sprintf(format, args...))
}

var modelNames = []string{"a", "b", "c", "d e/&"}

func (m *model) name() string { return modelNames[m.rng.IntN(len(modelNames))] }

func (m *model) step() {
	switch p := m.rng.IntN(100); {
	case p < 25:
		m.publish()
	case p < 35:
		m.publishBatch()
	case p < 60:
		m.subscribe()
	case p < 78:
		m.operate()
	case p < 88:
		m.readHistory()
	case p < 93 && len(m.members) > 0:
		n := m.rng.IntN(len(m.members))
		m.members[n].leave()
		m.members = slices.Delete(m.members, n, n+1)
	case p < 95:
		m.closeOrClear("/close")
	case p < 97:
		m.closeOrClear("/clear")
	case p < 98:
		m.broadcast()
	case p < 99:
		m.handOver()
	default:
		m.rest()
	}
	m.settle()
	m.compare()
}

// compare compares what each client has received with what the model has given it.
func (m *model) compare() {
	for _, c := range m.members {
		c.compare()
	}
	m.members = slices.DeleteFunc(m.members, func(c *member) bool { return c.over })
}

// channel returns a channel. It is created if it does not exist.
func (m *model) channel(name string) *modelChannel {
	ch := m.channels[name]
	if ch == nil {
		home := m.srv.homes.Of([]byte(name))
		m.made[home]++
		ch = &modelChannel{epoch: life(m.made[home]), next: 1, keys: map[string]int32{}}
		m.channels[name] = ch
	}
	return ch
}

// oldest is the number of the oldest message that is kept, or of the next.
func (ch *modelChannel) oldest() int32 { return ch.next - int32(len(ch.kept)) }

// add gives a message its number and delivers it.
func (m *model) add(name, kind, content string) int32 {
	ch := m.channel(name)
	e := event{Type: kind, Cname: name, Seq: ch.next, Content: content}
	ch.next++
	ch.kept = append(ch.kept, e)
	ch.kept = ch.kept[max(0, len(ch.kept)-modelKept):]
	for _, c := range m.members {
		c.give(name, spread([]event{e})...)
	}
	return e.Seq
}

// spread adds the next_seq that follows a broadcast.
func spread(list []event) (all []event) {
	for _, e := range list {
		all = append(all, e)
		if e.Type == "broadcast" {
			all = append(all, event{Type: "next_seq", Cname: e.Cname, Seq: e.Seq + 1})
		}
	}
	return all
}

func (m *model) closeOrClear(path string) {
	name := m.name()
	want := fmt.Sprintf("channel[%s] not connected\n", name)
	if ch := m.channels[name]; ch != nil {
		want = fmt.Sprintf("ok %d\n", ch.next)
		ch.kept = nil
		if path == "/close" {
			for _, c := range m.members {
				c.give(name, event{Type: "close", Cname: name, Seq: ch.next})
			}
			delete(m.channels, name)
		}
		m.got[path]++
	}
	m.answered(reqGet(1, path+"?cname="+queryEscape(name), closing), want)
}

// rest lets so much time pass that channels without subscribers end, and keys are forgotten.
func (m *model) rest() {
	m.later(5 * time.Minute)
	for name, ch := range m.channels {
		clear(ch.keys)
		if !slices.ContainsFunc(m.members, func(c *member) bool { return c.reads(name) }) {
			delete(m.channels, name)
			m.got["expired"]++
		}
	}
}

// handOver continues the server in another one, with the same loops or with others.
func (m *model) handOver() {
	loops := len(m.srv.shards)
	h := &harness{t: m.t, srv: m.srv, now: m.now, byName: m.rng.IntN(2) == 0}
	if h.byName {
		loops = 1 + m.rng.IntN(3)
	}
	h.handOver(func(cfg *Config) { cfg.Loops = loops })
	m.srv = h.srv
	m.given++
	m.made = make([]uint32, loops)
	for i, s := range m.srv.shards {
		m.made[i] = 1000 * m.given
		s.broker.Inside().SameEpochs(m.made[i])
	}
	m.got["handed over"]++
}

// loop is any of the loops.
func (m *model) loop() int { return m.rng.IntN(len(m.srv.shards)) }

// readHistory reads a channel's history, also with a tag.
func (m *model) readHistory() {
	name := m.name()
	seq, epoch, told := m.place(name)
	limit := m.rng.IntN(modelKept + 2)
	ch := m.channels[name]
	if ch == nil {
		ch = &modelChannel{next: 1}
	}
	list, first, lost := ch.kept, ch.oldest(), false
	switch other := seq != 0 && epoch != "" && (epoch != ch.epoch || seq > ch.next); {
	case other:
		lost = true
	case seq == 0:
		list = list[max(0, len(list)-limit):]
	case seq >= ch.next:
		list = nil
	default:
		lost = seq < first
		list = list[max(0, seq-first):]
	}
	if list = list[:min(limit, len(list))]; len(list) > 0 {
		first = list[0].Seq
	} else {
		first = ch.next
	}
	var texts []string
	for _, e := range list {
		texts = append(texts, e.text(""))
	}
	more := ""
	if told {
		more = fmt.Sprintf(`,"epoch":%q`, ch.epoch)
	}
	want := fmt.Sprintf(`{"cname":%s,"first":%d,"next":%d,"lost":%t%s,"messages":[%s]}`+"\n", jsonText(name), first, ch.next, lost, more, strings.Join(texts, ","))
	tag := fmt.Sprintf(`"%s-%d"`, ch.epoch, ch.next)
	if ch.epoch == "" {
		tag = fmt.Sprintf(`"%s-1"`, noLife)
	}
	given, header := tag, ""
	switch m.rng.IntN(4) {
	case 0:
		given = fmt.Sprintf(`W/"x", "%s-%d"`, life(1), m.rng.IntN(20))
		fallthrough
	case 1:
		header = "If-None-Match: " + given + "\r\n"
	}
	p := m.enter(m.loop(), conn.Front)
	p.send(reqGet(1, fmt.Sprintf("/history?cname=%s&seq=%d&limit=%d%s", queryEscape(name), seq, limit, epochParameter(epoch, told)), closing, header))
	got := p.take()
	p.leave()
	status := "200 OK"
	if strings.HasSuffix(given, tag) && header != "" {
		status, want = "304 Not Modified", ""
		m.got["nothing new"]++
	}
	if !strings.HasPrefix(got, "HTTP/1.1 "+status) || !strings.Contains(got, "ETag: "+tag+"\r\n") || !strings.HasSuffix(got, "\r\n\r\n"+want) {
		m.fail("the history of %s from %d of %q on, at most %d, with %q: %q, want %s, %s and %s", name, seq, epoch, limit, header, got, status, tag, want)
	}
	m.got["history"]++
}

// place is where a client wants to continue: a number near those that are kept, and no epoch, that of the
// channel, or another one. told: the answer tells the epoch.
func (m *model) place(name string) (seq int32, epoch string, told bool) {
	next := int32(1)
	if ch := m.channels[name]; ch != nil {
		next, epoch = ch.next, ch.epoch
	}
	if m.rng.IntN(4) > 0 {
		seq = max(0, next-int32(m.rng.IntN(modelKept+5))+2)
	}
	switch m.rng.IntN(4) {
	case 0:
		return seq, "", false
	case 1:
		return seq, "", true
	case 2:
		return seq, life(uint32(1 + m.rng.IntN(3))), true
	}
	return seq, epoch, true
}

func epochParameter(epoch string, told bool) string {
	if !told {
		return ""
	}
	return "&epoch=" + epoch
}
