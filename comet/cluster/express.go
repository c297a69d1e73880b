package cluster

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// express is how messages are published while all is well: the loop that proposes writes the call
// itself, and no goroutine has to be woken for it. While a call is under way, what is proposed is
// gathered; who reads the answer makes the next call. Whatever fails ends the wire, and what it
// leaves is published as where there is none (publish.go), which knows what to do about it. Then a
// wire is opened anew. With TLS there is none: what is written then may have to wait.
type express struct {
	busy   atomic.Bool // a call is under way
	opened chan *wire  // anew

	mu    sync.Mutex
	wire  *wire      // nil: there is none
	reign *reign     // of the call that is under way
	batch []proposal // of that call; none: none is
	began time.Time

	// Of the goroutine that publishes, and reads the answers.
	tried   time.Time // when a wire was opened last, or was to be
	spare   []proposal
	numbers []int64
}

// expressPause is how long it is at least until another wire is opened.
const expressPause = time.Second

// depart has what is proposed published, unless a call is under way: then it is of the next. It
// says whether a goroutine was told that does it.
func (p *partition) depart() (told bool) {
	e := &p.express
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

// next makes the next call, if anything is proposed. express.mu is held, and no call is under way.
func (p *partition) next() {
	e := &p.express
	e.batch = p.takeCall(e.batch)
	if e.busy.Store(len(e.batch) > 0); len(e.batch) == 0 {
		return
	}
	e.reign, e.began = p.reign.Load(), time.Now()
	keys, args := p.command(e.batch)
	if err := e.wire.call([]string{"EVALSHA", e.reign.publish.sha, strconv.Itoa(len(keys))}, keys, args); err != nil {
		e.wire.close() // of which who reads hears
	}
}

// ride reads answers, and makes the next calls, until the wire ends: then it publishes what was
// under way.
func (p *partition) ride(w *wire) {
	e := &p.express
	for {
		var err error
		e.numbers, err = w.numbers(e.numbers[:0])
		e.mu.Lock()
		done, reign, began := e.batch, e.reign, e.began
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
			if len(done) > 0 { // else it matters to nobody
				done = p.failed(done, err)
				p.publish(done)
			}
			return
		}
		if !e.busy.Load() && !p.proposals.none() {
			p.depart() // what came meanwhile
		}
		p.publishedAs(done, reign, e.numbers, began)
		clear(done)
		e.spare = done
	}
}

// open opens a wire, where that was not tried of late.
func (p *partition) open() {
	now := time.Now()
	if p.log.cfg.Redis.TLS || now.Sub(p.express.tried) < expressPause {
		return
	}
	p.express.tried = now
	p.log.run(func() {
		ctx, done := p.log.call(dialTimeout)
		defer done()
		w, err := p.openWire(ctx)
		if err != nil {
			return // it is tried again
		}
		select {
		case p.express.opened <- w:
		case <-p.log.ctx.Done():
			w.close()
		}
	})
}

// begin has calls be made on a wire, unless the log has ended.
func (e *express) begin(w *wire, ended func() error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wire = w; ended() != nil {
		w.close()
	}
}

// end ends the wire: of which who reads hears.
func (e *express) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wire != nil {
		e.wire.close()
	}
}

// expire ends the wire if its call was made before then.
func (e *express) expire(then time.Time) {
	e.mu.Lock()
	late := len(e.batch) > 0 && e.began.Before(then)
	e.mu.Unlock()
	if late {
		e.end()
	}
}
