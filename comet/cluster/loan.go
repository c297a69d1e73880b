package cluster

import (
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/reactor"
)

// A loan is a reader's socket while a loop reads it. That is as long as messages concern the loops
// and no pause is due between two reads: a message then goes from the socket to the loop without a
// goroutine between, whose wake-up would cost more than everything else that is done with the
// message. Otherwise the goroutine of the reader reads: each wake-up keeps a loop busy for some time
// (reactor), and costs it several times what it costs a goroutine.
//
// The reader's resting guards a loan.
type loan struct {
	home  broker.Inbox // of the loop
	next  func()       // sends the next call
	watch reactor.Watch
	until time.Time // an answer that has not arrived by then is overdue
	back  chan returned
}

// loanTime is how long a loan lasts after the last message that concerned a loop.
const loanTime = time.Second

// returned says how a loan has ended: the goroutine reads next, after a pause, or the connection has
// failed.
type returned struct {
	pause time.Duration
	err   error
}

// lends reports whether a loop is to read next. A read with TLS may block, which a loop must not.
func (r *reader) lends(now time.Time) bool {
	return !r.log.cfg.Redis.TLS && r.partitions != nil && now.Sub(r.pace.told) < loanTime
}

// lend lets a loop read the socket, and returns when the goroutine is to read, or the connection has
// failed.
func (r *reader) lend() (pause time.Duration, err error) {
	loops := *r.log.loops.Load()
	l := &loan{home: loops[r.number%len(loops)].inbox, back: make(chan returned, 1)}
	l.next = func() { r.goOn(l) }
	if err := r.begin(l); err != nil {
		return 0, err
	}
	var end returned
	select {
	case end = <-l.back:
	case <-r.log.ctx.Done(): // the loop may have ended before the log
		end.err = r.log.ctx.Err()
	}
	r.resting.Lock()
	defer r.resting.Unlock()
	if r.loan == l {
		r.recall(0, nil)
	}
	if end.err == nil {
		end.err = r.wire.attach()
	}
	return end.pause, end.err
}

// begin makes a loop watch the socket, and sends the first call.
func (r *reader) begin(l *loan) (err error) {
	r.resting.Lock()
	defer r.resting.Unlock()
	if err = r.wire.detach(); err != nil {
		return err
	}
	if l.watch, err = l.home.Watch(r.wire.fd, func() { r.arrived(l) }); err != nil {
		return err
	}
	r.loan = l
	if err = r.call(time.Now()); err != nil {
		r.recall(0, nil)
	}
	return err
}

// recall ends the loan. The caller holds resting.
func (r *reader) recall(pause time.Duration, err error) {
	r.loan.watch.End()
	r.loan.back <- returned{pause, err} // does not block: a loan ends once
	r.loan = nil
}

// arrived is called on the loop when the socket is readable.
func (r *reader) arrived(l *loan) {
	r.resting.Lock()
	defer r.resting.Unlock()
	if r.loan != l {
		return
	}
	err := r.wire.readSome()
	whole := false
	if err == nil {
		whole, err = r.take()
	}
	if err != nil {
		r.recall(0, err)
	} else if whole {
		l.home.AfterTurn(l.next) // Redis is called when the subscribers have their messages
	}
}

// goOn sends the next call, or ends the loan.
func (r *reader) goOn(l *loan) {
	r.resting.Lock()
	defer r.resting.Unlock()
	if r.loan != l {
		return
	}
	now := time.Now()
	pause := r.pause(now)
	if pause == 0 && r.log.full() {
		pause = paceTime
	}
	if pause != 0 || !r.lends(now) {
		r.recall(pause, nil)
	} else if err := r.call(now); err != nil {
		r.recall(0, err)
	}
}

// call sends a call for new entries.
func (r *reader) call(now time.Time) error {
	r.loan.until = now.Add(readBlock + callTimeout)
	return r.wire.call(r.command(readBlock)...)
}

// expire closes the connection if a loop reads it and the answer is overdue.
func (r *reader) expire(now time.Time) {
	r.resting.Lock()
	late := r.loan != nil && now.After(r.loan.until)
	r.resting.Unlock()
	if late {
		r.cut()
	}
}
