package cluster

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

// publish has proposals numbered, and answers each. If Redis cannot do it now, publish
// tries again until the proposals have waited too long. A call that may have been
// executed is not repeated, except for messages with a key: the script recognises these.
func (p *partition) publish(batch []proposal) {
	for pause := retry(0); len(batch) > 0; {
		began := time.Now()
		r, numbers, err := p.send(batch)
		if err == nil {
			p.publishedAs(batch, r, numbers, began)
			return
		}
		if batch = p.failed(batch, err); len(batch) > 0 {
			p.log.sleep(pause.next())
		}
	}
}

// publishedHead is how many numbers the answer to a call begins with (publishText). After
// them it has life<<32 | number for each proposal.
const publishedHead = 3

// send makes one call.
func (p *partition) send(batch []proposal) (r *term, numbers []int64, err error) {
	ctx, done := p.log.call(callTimeout)
	defer done()
	keys, args := p.command(batch)
	r, answer, err := p.do(ctx, func(r *term) rueidis.Completed {
		b := p.log.client.B()
		return b.Evalsha().Sha1(r.publish.sha).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
	})
	if err != nil {
		return nil, nil, err
	}
	numbers, err = answer.AsIntSlice()
	if err == nil {
		err = answersAll(numbers, batch)
	}
	return r, numbers, err
}

// answersAll returns an error unless there is a number for each proposal of a batch.
func answersAll(numbers []int64, batch []proposal) error {
	if len(numbers) != publishedHead+len(batch) {
		return errAnswer
	}
	return nil
}

// later are the prefixes of error replies after which nothing was executed, and the call
// may be repeated.
var later = []string{
	"NOSCRIPT", "STALE", "READONLY", "LOADING", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK", "NOREPLICAS", "OOM", "MISCONF", "BUSY", "NOPERM", "NOAUTH", "WRONGPASS",
}

// wasDone says whether a call that failed may have been executed.
func wasDone(err error) bool {
	var before *notDone
	if errors.As(err, &before) {
		return false
	}
	if text, ok := refused(err); ok {
		for _, word := range later {
			if strings.HasPrefix(text, word) {
				return false
			}
		}
		return true // a script has failed halfway
	}
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}

// refused returns the text of an error reply of Redis.
func refused(err error) (text string, ok bool) {
	if answer, ok := errors.AsType[refusal](err); ok {
		return string(answer), true
	}
	if answer, ok := rueidis.IsRedisErr(err); ok {
		return answer.Error(), true
	}
	return "", false
}

// failed refuses the proposals of a failed call, except those that can be tried again,
// which it returns.
func (p *partition) failed(batch []proposal, err error) (again []proposal) {
	p.health.failed(err)
	maybe, now := wasDone(err), time.Now()
	again = batch[:0]
	for n := range batch {
		w := &batch[n]
		w.tried = w.tried || maybe
		wait := p.log.cfg.Wait
		if len(w.m.Key()) > 0 {
			wait *= 2
		}
		if p.log.ctx.Err() != nil || now.Sub(w.at) > wait || w.tried && !w.repeats() {
			p.log.refuse(w, mail.CodeNoLog)
			continue
		}
		again = append(again, *w)
	}
	return again
}

// repeats says whether the operation may be executed twice without harm.
func (w *proposal) repeats() bool {
	return len(w.m.Key()) > 0 || w.m.Op == mail.OpSign || w.m.Op == mail.OpClear
}

// arena makes the strings of a call with one allocation. They belong to the call alone,
// which may still be written when the proposals have been given up.
type arena struct{ b strings.Builder }

func (a *arena) put(parts ...string) string {
	from := a.b.Len()
	for _, part := range parts {
		a.b.WriteString(part)
	}
	return a.b.String()[from:]
}

// bytes returns a copy of text.
func (a *arena) bytes(text []byte) string {
	from := a.b.Len()
	a.b.Write(text)
	return a.b.String()[from:]
}

// command builds the keys and arguments of the script that publishes.
func (p *partition) command(batch []proposal) (keys, args []string) {
	var a arena
	size := 0
	for n := range batch {
		size += len(batch[n].m.Buf.B) + 4*int(batch[n].m.Nlen) + 3*(len(p.prefix)+2)
	}
	a.b.Grow(size)
	keys = append(make([]string, 0, 2+3*len(batch)), p.keyG, p.keyBus)
	args = append(make([]string, 0, 5+4*len(batch)), p.log.consts[:]...)
	for n := range batch {
		m := &batch[n].m
		name := a.bytes(m.Cname())
		m1 := a.put(p.prefix, "m:", name)
		switch m.Op {
		case mail.OpPublish:
			keys = append(keys, m1, a.put(p.prefix, "h:", name))
			if key := m.Key(); len(key) > 0 {
				keys = append(keys, a.put(p.prefix, "k:", name, "\x00", a.bytes(key)))
				args = append(args, "k", name, a.bytes(m.Proposed()), keySeconds)
			} else {
				args = append(args, "p", name, a.bytes(m.Proposed()))
			}
		case mail.OpNotice:
			args = append(args, "n", name, a.bytes(m.Proposed()))
		case mail.OpBroadcast:
			keys = append(keys, p.keyHB)
			args = append(args, "b", "", a.bytes(m.Proposed()))
		case mail.OpClose:
			keys = append(keys, m1, a.put(p.prefix, "h:", name), a.put(p.prefix, "l:", name))
			args = append(args, "c", name, a.bytes(m.Proposed()))
		case mail.OpClear:
			keys = append(keys, m1, a.put(p.prefix, "h:", name))
			args = append(args, "x", name, "")
		case mail.OpSign:
			keys = append(keys, m1, a.put(p.prefix, "l:", name))
			args = append(args, "s", name, "", strconv.FormatInt((time.Duration(max(m.Seconds(), 1))*time.Second+signSlack).Milliseconds(), 10))
		}
	}
	return keys, args
}

// signSlack is added to a lease in Redis: in that time nodes that have subscribers extend
// it (Touch).
const signSlack = 2 * time.Second

var keySeconds = strconv.Itoa(int(broker.KeyTime / time.Second))

// publishedAs answers proposals that have their numbers from a call of that term.
func (p *partition) publishedAs(batch []proposal, r *term, numbers []int64, began time.Time) {
	p.health.served()
	p.log.figures.calls.Add(1)
	p.log.figures.observe(time.Since(began))
	p.mu.Lock()
	if r.gen == p.at.gen {
		p.at.see(uint64(numbers[2]))
	}
	p.mu.Unlock()
	posts := p.log.posts()
	for n := range batch {
		w, v := &batch[n], numbers[publishedHead+n]
		p.log.settle(w)
		p.log.figures.published.Add(1)
		answer, ok := w.answer(mail.CodeOK)
		if !ok {
			continue
		}
		if answer.Code == mail.CodeOK {
			p.number(&answer, v)
		}
		posts.add(w.from, answer)
	}
	posts.post()
}

// number sets the number in an answer. v is life<<32 | number, and negative if the key
// was known.
func (p *partition) number(m *mail.Mail, v int64) {
	switch {
	case v < 0:
		p.log.figures.repeated.Add(1)
		m.Seq = int32(-v)
	case m.Op == mail.OpSign || m.Op == mail.OpClear:
		m.Seq = int32(v)
	case m.Op != mail.OpBroadcast:
		m.Msg = msg.New(m.Op.MessageKind(), int32(v), m.Proposed())
	}
}
