package cluster

import (
	"sync"
	"time"

	"ccomet/comet/internal/mail"
)

// What loops propose while a call to Redis is under way is gathered for the next call.
// The more there is, the less each message costs. A partition has only one call under
// way, so that the proposals of a loop keep their order.

// Bounds of one call. A single message may be longer.
const (
	callMessages = 256
	callBytes    = 64 << 10
)

// proposal is an operation that waits for its number.
type proposal struct {
	m     mail.Mail
	from  *loop
	at    time.Time  // when it was proposed
	cast  *broadcast // if it is a broadcast
	tried bool       // a call with it may have been executed
}

func (w *proposal) size() int { return len(w.m.Buf.B) + mail.Bytes }

// broadcast is a message that is published to every partition.
type broadcast struct {
	mu   sync.Mutex
	left int
	code mail.Code // of the partitions that have failed
}

// done notes the outcome of the broadcast in one partition. It returns whether that was
// the last partition, and the outcome of all.
func (c *broadcast) done(code mail.Code) (last bool, all mail.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left--
	c.code = max(c.code, code)
	return c.left == 0, c.code
}

// offer takes a proposal, or refuses it if too many are waiting. partition.flush sends
// it.
func (l *Log) offer(p *partition, w *proposal) {
	n, bytes := l.figures.queued.Add(1), l.figures.queuedBytes.Add(int64(w.size()))
	if n > int64(l.cfg.Queue) || bytes > int64(l.cfg.QueueBytes) || l.ctx.Err() != nil {
		l.refuse(w, mail.CodeNoLog)
		return
	}
	l.uneasy.tell()
	p.proposals.put(*w)
}

// refuse answers a proposal that gets no number.
func (l *Log) refuse(w *proposal, code mail.Code) {
	l.figures.refused.Add(1)
	l.settle(w)
	if answer, ok := w.answer(code); ok {
		w.from.inbox.Post(answer)
	}
}

// settle removes a proposal from the count of those that wait.
func (l *Log) settle(w *proposal) {
	l.figures.queued.Add(-1)
	l.figures.queuedBytes.Add(-int64(w.size()))
}

// answer is the mail that answers a proposal. It returns false if other partitions have
// not answered yet.
func (w *proposal) answer(code mail.Code) (m mail.Mail, ok bool) {
	m = w.m
	if w.cast != nil {
		if ok, code = w.cast.done(code); !ok {
			return m, false
		}
	}
	m.Code = code
	return m, true
}

// propose publishes proposals until the log ends, on a wire while there is one.
func (p *partition) propose() {
	var batch []proposal
	for p.log.ctx.Err() == nil {
		var opened *wire
		select {
		case opened = <-p.fast.opened:
		default:
			if batch = p.takeCall(batch); len(batch) > 0 {
				p.publish(batch)
				clear(batch)
				p.open()
				continue
			}
			select {
			case opened = <-p.fast.opened:
			case <-p.proposals.filled:
			case <-p.log.ctx.Done():
			}
		}
		if opened != nil {
			p.publishOn(opened)
		}
	}
}

// takeCall takes the proposals of the next call.
func (p *partition) takeCall(batch []proposal) []proposal {
	size, n := 0, 0
	return p.proposals.take(batch[:0], func(w *proposal) bool {
		size, n = size+w.size(), n+1
		return n == 1 || n <= callMessages && size <= callBytes
	})
}
