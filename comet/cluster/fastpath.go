package cluster

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ccomet/reactor"
)

// fastPath is the fast way to publish, which is used while nothing fails. The loop that
// proposes a message writes the call to Redis itself (wire.go), and a loop reads the
// answer, so that no other goroutine has to be woken. While a call is under way, further
// proposals are gathered; the loop that reads the answer makes the next call. After any
// failure the goroutine that publishes without a wire (publish.go) closes the wire, takes
// over its batch and handles the error. Then a new wire is opened. With TLS there is no
// wire, because a write may block.
type fastPath struct {
	busy   atomic.Bool // a call is under way
	opened chan *wire  // new wires, for the goroutine that publishes

	mu    sync.Mutex
	wire  *wire         // nil: there is none
	watch reactor.Watch // of the wire
	ended chan error    // gets the reason when the wire is given up
	term  *term         // of the call that is under way
	batch []proposal    // of that call; empty: none is under way
	began time.Time

	tried time.Time // when a wire was last opened, or could not be; only for the goroutine that publishes

	// Only for the loop that reads the answers.
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
		e.wire.cut() // the loop that reads the answers notices
	}
}

// publishOn lets loops publish on a wire until it fails or the log ends. Then it publishes the batch
// that was under way.
func (p *partition) publishOn(w *wire) {
	e := &p.fast
	ended := make(chan error, 1)
	err := p.beginWire(w, ended)
	if err == nil {
		p.flush()
		select {
		case err = <-ended:
		case <-p.log.ctx.Done(): // the loop may have ended before the log
			err = p.log.ctx.Err()
		}
	}
	e.mu.Lock()
	e.stop(err)
	batch := e.batch
	e.batch = nil
	e.busy.Store(false)
	e.mu.Unlock()
	w.close()
	if len(batch) > 0 { // otherwise nothing has failed
		p.publish(p.failed(batch, err))
	}
}

// beginWire makes a loop read the answers.
func (p *partition) beginWire(w *wire, ended chan error) (err error) {
	e := &p.fast
	loops := *p.log.loops.Load()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err = w.detach(); err != nil {
		return err
	}
	if e.watch, err = loops[p.id%len(loops)].inbox.Watch(w.fd, func() { p.answered(w) }); err == nil {
		e.wire, e.ended = w, ended
	}
	return err
}

// stop gives up the wire, if there is one. The caller holds mu.
func (e *fastPath) stop(err error) {
	if e.wire == nil {
		return
	}
	e.watch.End()
	e.wire = nil
	e.ended <- err // does not block: a wire is given up once
}

// answered is called on a loop when the wire is readable. At the end of an answer it makes the next
// call, and tells the loops their numbers.
func (p *partition) answered(w *wire) {
	e := &p.fast
	e.mu.Lock()
	if e.wire != w {
		e.mu.Unlock()
		return
	}
	whole, err := w.readNumbers(&e.numbers)
	done, term, began := e.batch, e.term, e.began
	if whole {
		err = answersAll(e.numbers, done)
	}
	if err != nil {
		e.stop(err)
	} else if whole {
		e.batch, e.spare = e.spare, nil
		p.next()
	}
	e.mu.Unlock()
	if !whole || err != nil {
		return
	}
	if !e.busy.Load() && !p.proposals.none() {
		p.flush() // proposals that came meanwhile
	}
	p.publishedAs(done, term, e.numbers, began)
	clear(done)
	e.spare = done
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
		w, err := p.log.openWire(ctx, p.keyG, answerRoom)
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

// end gives up the wire. Any goroutine may call it.
func (e *fastPath) end(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stop(err)
}

// expire gives up the wire if its call was made before then.
func (e *fastPath) expire(then time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.batch) > 0 && e.began.Before(then) {
		e.stop(errOverdue)
	}
}

// Reasons for which a wire is given up.
var (
	errOverdue     = errors.New("redis: an answer is overdue")
	errOtherMaster = errors.New("redis: another server is the master")
)
