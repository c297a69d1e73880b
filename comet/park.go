package comet

import (
	"context"
	"errors"
	"time"

	"ccomet/comet/internal/drain"
)

// A running server is handed over to another program in these steps (Config.Inheritable):
//
//  1. Park: the loops stop reading and accepting, and turn until everything under way is
//     finished: publishes have their numbers and answers; messages are written, or wait for
//     stuck readers. Then the loops stop, at the end of a turn.
//  2. Parked.HandOver writes down everything that is not in the loops' records, which lie
//     in in-memory files. This changes nothing.
//  3. A copy of the other program rehearses: it makes a server from that (Config.From),
//     with a copy of the records, and does not run it.
//  4. The process keeps the descriptors (Parked.Keep) and executes the other program, which
//     makes a server in the same way and starts it.
//
// Until then Parked.Release lets the server go on as if nothing had happened. The time limits of
// clients do not run from the beginning of Park until the server, or the other program's, goes on.

// Parked is a server whose loops have stopped. Only one goroutine may use it.
type Parked struct {
	// ByName makes HandOver also describe the loops' records by names: for a program with
	// other records, or another number of loops.
	ByName bool

	srv   *Server
	loops *standstill
	share func() // ends KeepApart
	place []byte // where the Cluster of the other program continues
}

// Errors of Park.
var (
	errNotInheritable = errors.New("comet: the server cannot be handed over: it was started without Config.Inheritable")
	errDraining       = errors.New("comet: the server is about to end")
	errParking        = errors.New("comet: a hand-over of the server is already under way")
	errHasJudge       = errors.New("comet: the server cannot be handed over: it has a Judge")
	errNeverQuiet     = errors.New("comet: requests under way do not end in time: the server continues")
)

// standstill is where the loops of a server wait at the end of a turn.
type standstill struct {
	arrived chan uint8      // a loop sends its id each time it stops
	turn    []chan struct{} // by loop: it may run one turn
	over    chan struct{}   // closed: all loops go on
}

// standStill stops the loop if the server is to be parked, and reports whether the next
// turn must begin at once.
func (s *shard) standStill() bool {
	p := s.srv.parking.Load()
	switch {
	case p == nil && s.holding:
		s.hold(false) // parking was given up
		return true
	case p == nil:
		return false
	}
	p.arrived <- s.ID // there is room
	select {
	case <-p.turn[s.ID]:
	case <-p.over:
	}
	return true
}

// Park brings the loops to rest and stops them. If they do not come to rest before ctx is
// done, the server goes on as if nothing had happened. Any goroutine may call it, except
// those of Config.Handlers.
func (srv *Server) Park(ctx context.Context) (*Parked, error) {
	n := len(srv.shards)
	p := &standstill{arrived: make(chan uint8, 2*n), over: make(chan struct{})}
	for range n {
		p.turn = append(p.turn, make(chan struct{}, 1))
	}
	switch {
	case !srv.cfg.Inheritable:
		return nil, errNotInheritable
	case srv.cfg.judge != nil:
		return nil, errHasJudge
	case srv.Deadline.Load() != 0:
		return nil, errDraining
	}
	share, err := srv.group.KeepApart(ctx)
	if err != nil {
		return nil, errNeverQuiet
	}
	parked := &Parked{srv: srv, loops: p, share: share}
	if !srv.parking.CompareAndSwap(nil, p) {
		parked.share()
		return nil, errParking
	}
	srv.wakeAll()
	if !p.await(ctx, n) {
		parked.Release()
		return nil, errNeverQuiet
	}
	for _, s := range srv.shards {
		s.hold(true)
	}
	if srv.cfg.Cluster != nil {
		parked.place = srv.cfg.Cluster.Suspend() // mail that it posted before that is handled now
	}
	for round := 0; !srv.quiet(); round++ {
		if round > promptRounds {
			time.Sleep(parkGlance) // no loop can speed up what is still under way
		}
		for _, turn := range p.turn {
			turn <- struct{}{}
		}
		srv.wakeAll()
		if !p.await(ctx, n) {
			parked.Release()
			return nil, errNeverQuiet
		}
	}
	if srv.Deadline.Load() != 0 {
		parked.Release()
		return nil, errDraining
	}
	return parked, nil
}

const (
	promptRounds = 1000 // by then no loop waits for another one
	parkGlance   = 100 * time.Microsecond
)

// await waits until all loops have stopped.
func (p *standstill) await(ctx context.Context, loops int) bool {
	for range loops {
		select {
		case <-p.arrived:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// hold makes a stopped loop begin nothing new, or undoes that.
func (s *shard) hold(on bool) {
	s.holding = on
	if on {
		s.loop.HoldInput()
	} else {
		s.loop.ReleaseInput()
	}
}

// quiet reports whether nothing is under way on any loop. All loops must have stopped.
func (srv *Server) quiet() bool {
	for _, s := range srv.shards {
		if !s.loop.Quiet() || !s.broker.Quiet() || !s.hub.Quiet() || !s.web.Quiet() || !s.Mailer.Quiet() || s.drain.Phase != drain.None {
			return false
		}
	}
	return true
}

// Release lets the server go on.
func (p *Parked) Release() {
	if p.srv.cfg.Cluster != nil {
		p.srv.cfg.Cluster.Resume()
	}
	p.srv.parking.Store(nil)
	close(p.loops.over)
	p.share()
	p.srv.wakeAll()
}
