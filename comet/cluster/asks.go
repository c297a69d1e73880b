package cluster

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// A node asks the other nodes on ctl how many subscribers they have of a channel. The
// questions of its loops are gathered while an entry is being written, with each name
// once. A question is answered when all nodes that are known to run have answered, or
// after askTime.

const (
	askTime  = 300 * time.Millisecond
	askNames = 4096 // that are gathered at most; further questions are answered at once, with 0
)

// asks are this node's questions, and those of other nodes.
type asks struct {
	mu        sync.Mutex
	last      uint64
	gather    *round            // questions that were not sent yet
	open      map[uint64]*round // questions that were sent, by number
	inquiries map[uint64]*inquiry
}

// round is the questions of one entry.
type round struct {
	names   []string
	places  map[string]int
	askers  [][]asker // by name
	count   []uint32
	exists  []bool   // by name: some node has the channel
	pending []string // processes that have not answered
}

type asker struct {
	m  mail.Mail
	to *loop
}

// inquiry is the questions of another node, which the loops answer.
type inquiry struct {
	process, number string
	counts          []uint32 // subscribers + 1, or 0 if the channel is not here
	left            int
}

func (a *asks) start() { a.open, a.inquiries = map[uint64]*round{}, map[uint64]*inquiry{} }

// Count asks how many subscribers the other nodes have of a channel.
func (t *loop) Count(m mail.Mail) {
	a := &t.log.nodes.asks
	a.mu.Lock()
	if a.gather == nil {
		a.gather = &round{places: map[string]int{}}
	}
	r := a.gather
	at, known := r.places[string(m.Cname())]
	if !known && len(r.names) >= askNames {
		a.mu.Unlock()
		answerAsk(asker{m, t}, 0, false)
		return
	}
	if !known {
		name := string(m.Cname())
		at = len(r.names)
		r.names, r.places[name] = append(r.names, name), at
		r.askers, r.count, r.exists = append(r.askers, nil), append(r.count, 0), append(r.exists, false)
	}
	r.askers[at] = append(r.askers[at], asker{m, t})
	a.mu.Unlock()
	t.log.nodes.outbox.filled.tell()
}

// answerAsk answers one question.
func answerAsk(q asker, count uint32, exists bool) {
	q.m.Kind = mail.Counted
	if exists {
		q.m.Flag |= mail.FlagExist
	}
	q.m.SetSubscribers(count)
	q.to.inbox.Post(q.m)
}

// inRedis stands for Redis among those that answer: it knows which channels are signed.
const inRedis = ""

// question takes the questions that were gathered, to be sent to the processes and to
// Redis. It returns nil if there are none.
func (l *Log) question(processes []string) (number uint64, r *round) {
	a := &l.nodes.asks
	a.mu.Lock()
	defer a.mu.Unlock()
	if r, a.gather = a.gather, nil; r == nil || len(r.names) == 0 {
		return 0, nil
	}
	a.last++
	number = a.last
	r.pending = append(processes, inRedis)
	a.open[number] = r
	time.AfterFunc(askTime, func() { a.finish(number) })
	return number, r
}

// askRedis asks Redis which channels of a round are signed.
func (l *Log) askRedis(number uint64, names []string) {
	ctx, done := l.call(askTime)
	defer done()
	b := l.client.B()
	commands := make(rueidis.Commands, len(names))
	for n, name := range names {
		commands[n] = b.Exists().Key(l.of([]byte(name)).prefix + "l:" + name).Build()
	}
	counts := make([]string, len(names))
	for n, answer := range l.client.DoMulti(ctx, commands...) {
		signed, _ := answer.AsInt64()
		counts[n] = strconv.FormatInt(signed, 10) // no subscribers, and one
	}
	l.nodes.asks.answered(inRedis, strconv.FormatUint(number, 10), counts)
}

// finish answers the questions of a round with the answers so far.
func (a *asks) finish(number uint64) {
	a.mu.Lock()
	r := a.open[number]
	delete(a.open, number)
	a.mu.Unlock()
	if r == nil {
		return
	}
	for n, askers := range r.askers {
		for _, q := range askers {
			answerAsk(q, r.count[n], r.exists[n])
		}
	}
}

// answered adds the answers of another node.
func (a *asks) answered(process, text string, counts []string) {
	number, _ := strconv.ParseUint(text, 10, 64)
	a.mu.Lock()
	r := a.open[number]
	if r == nil || len(counts) != len(r.names) {
		a.mu.Unlock()
		return
	}
	at := slices.Index(r.pending, process)
	if at < 0 {
		a.mu.Unlock()
		return // it was not asked, or has answered already
	}
	r.pending = slices.Delete(r.pending, at, at+1)
	for n, text := range counts {
		if count, err := strconv.ParseUint(text, 10, 31); err == nil && count > 0 {
			r.count[n] += uint32(count) - 1
			r.exists[n] = true
		}
	}
	done := len(r.pending) == 0
	a.mu.Unlock()
	if done {
		a.finish(number)
	}
}

// asked passes another node's questions to the loops that may have the channels.
func (l *Log) asked(process, number string, names []string) {
	q := &inquiry{process: process, number: number, counts: make([]uint32, len(names))}
	a := &l.nodes.asks
	a.mu.Lock()
	a.last++
	id := uint32(a.last)
	posts := l.posts()
	for n, name := range names {
		hash := hashName(name)
		for _, to := range posts.loops {
			if len(name) <= 255 && to.interest.has(hash) {
				q.left++
				m := mail.Mail{Kind: mail.CountAsked, Seq: int32(n), Ref: mail.Ref{Index: id}, Buf: pool.NameBuffer([]byte(name)), Nlen: uint8(len(name))}
				posts.add(to, m)
			}
		}
	}
	if q.left > 0 {
		a.inquiries[uint64(id)] = q
		time.AfterFunc(askTime, func() {
			a.mu.Lock()
			delete(a.inquiries, uint64(id))
			a.mu.Unlock()
		})
	}
	a.mu.Unlock()
	if q.left == 0 {
		l.reply(q)
		return
	}
	posts.post()
}

// Counted is a loop's answer to another node's question.
func (t *loop) Counted(m mail.Mail, subscribers uint32, here bool) {
	a := &t.log.nodes.asks
	a.mu.Lock()
	id := uint64(m.Ref.Index)
	q := a.inquiries[id]
	done := false
	if q != nil && int(m.Seq) < len(q.counts) {
		if here {
			q.counts[m.Seq] += subscribers + 1
		}
		if q.left--; q.left == 0 {
			done = true
			delete(a.inquiries, id)
		}
	}
	a.mu.Unlock()
	m.Done()
	if done {
		t.log.reply(q)
	}
}

// reply sends the answers to another node's questions.
func (l *Log) reply(q *inquiry) {
	text := appendWords(nil, q.process, q.number)
	for _, count := range q.counts {
		text = appendWords(text, unsigned(count))
	}
	l.nodes.outbox.say(fieldAnswer, text)
}

// gone removes a node that has ended from those that have to answer.
func (a *asks) gone(process string) {
	var done []uint64
	a.mu.Lock()
	for number, r := range a.open {
		if at := slices.Index(r.pending, process); at >= 0 {
			if r.pending = slices.Delete(r.pending, at, at+1); len(r.pending) == 0 {
				done = append(done, number)
			}
		}
	}
	a.mu.Unlock()
	for _, number := range done {
		a.finish(number)
	}
}
