package cluster

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// fastPath is the fast way to publish, which is used while nothing fails. The loop that
// proposes a message writes the call to Redis itself (wire.go), so that no other
// goroutine has to be woken. While a call is under way, further proposals are gathered;
// the goroutine that reads the answer makes the next call. After any failure the wire is
// closed, and the goroutine that publishes without a wire (publish.go) takes over its
// batch and handles the error. Then a new wire is opened. With TLS there is no wire,
// because a write may block.
type fastPath struct {
	busy   atomic.Bool // a call is under way
	opened chan *wire  // new wires, for the goroutine that reads the answers

	mu    sync.Mutex
	wire  *wire      // nil: there is none
	term  *term      // of the call that is under way
	batch []proposal // of that call; empty: none is under way
	began time.Time

	// Only for the goroutine that publishes and reads the answers.
	tried   time.Time // when a wire was last opened, or could not be
	spare   []proposal
	numbers []int64
}

// wirePause is the shortest time between two attempts to open a wire.
const wirePause = time.Second

// flush publishes what was proposed. If a call is under way, it will be part of the next
// call. flush returns whether it had to wake the goroutine that publishes.
func (p *partition) flush() (told bool) {
	e := &p.fast
	if e.busy.Load() {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wire == nil {
		p.proposals.filled.tell()
		return true
	}
	if len(e.batch) == 0 {
		p.next()
	}
	return false
}

// next makes the next call if there are proposals. The caller holds fastPath.mu, and no
// call is under way.
func (p *partition) next() {
	e := &p.fast
	e.batch = p.takeCall(e.batch)
	if e.busy.Store(len(e.batch) > 0); len(e.batch) == 0 {
		return
	}
	e.term, e.began = p.term.Load(), time.Now()
	keys, args := p.command(e.batch)
	if err := e.wire.call([]string{"EVALSHA", e.term.publish.sha, strconv.Itoa(len(keys))}, keys, args); err != nil {
		e.wire.close() // the goroutine that reads the answers notices
	}
}

// readAnswers reads the answers and makes the next calls until the wire ends. Then it publishes
// the batch that was under way.
func (p *partition) readAnswers(w *wire) {
	e := &p.fast
	for {
		var err error
		e.numbers, err = w.numbers(e.numbers[:0])
		e.mu.Lock()
		done, term, began := e.batch, e.term, e.began
		if err == nil {
			err = answersAll(e.numbers, done)
		}
		if e.batch, e.spare = e.spare, nil; err == nil {
			p.next()
		} else {
			e.wire, e.batch = nil, nil
			e.busy.Store(false)
		}
		e.mu.Unlock()
		if err != nil {
			w.close()
			if len(done) > 0 { // else no state has changed
				done = p.failed(done, err)
				p.publish(done)
			}
			return
		}
		if !e.busy.Load() && !p.proposals.none() {
			p.flush() // proposals that came meanwhile
		}
		p.publishedAs(done, term, e.numbers, began)
		clear(done)
		e.spare = done
	}
}

// open opens a wire, unless that was tried a moment ago.
func (p *partition) open() {
	now := time.Now()
	if p.log.cfg.Redis.TLS || now.Sub(p.fast.tried) < wirePause {
		return
	}
	p.fast.tried = now
	p.log.run(func() {
		ctx, done := p.log.call(dialTimeout)
		defer done()
		w, err := p.log.openWire(ctx, p.keyG)
		if err != nil {
			return // the next call of open tries again
		}
		select {
		case p.fast.opened <- w:
		case <-p.log.ctx.Done():
			w.close()
		}
	})
}

// begin starts to make calls on a wire, unless the log has ended.
func (e *fastPath) begin(w *wire, ended func() error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wire = w; ended() != nil {
		w.close()
	}
}

// end closes the wire; the goroutine that reads its answers notices.
func (e *fastPath) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wire != nil {
		e.wire.close()
	}
}

// expire closes the wire if its call was made before then.
func (e *fastPath) expire(then time.Time) {
	e.mu.Lock()
	late := len(e.batch) > 0 && e.began.Before(then)
	e.mu.Unlock()
	if late {
		e.end()
	}
}
