package comet

import (
	"context"
	"errors"
	"time"

	"ccomet/comet/internal/drain"
)

// A server is handed to another program in this way (Config.Inheritable):
//
//  1. Park: the loops read and accept nothing more, and turn until what is under way has
//     come to its end: publishes have their numbers and answers, messages have been
//     written, or wait for readers that are stuck. Then they stand still, at the end of a
//     turn.
//  2. Parked.HandOver writes down all that is not in the loops' records, which lie in files
//     in memory. Nothing is changed by that.
//  3. A copy of the other program rehearses: it makes a server of what it was handed
//     (Config.From), in a copy of the records, and does not run it.
//  4. The process keeps the descriptors (Parked.Keep) and executes the other program, which
//     makes a server in the same way, and starts it.
//
// Until then Parked.Release has the server go on as if nothing had been.

// Parked is a server whose loops stand still. One goroutine uses it.
type Parked struct {
	// ByName has HandOver write by names as well what lies in the loops' records: for a
	// program whose records are others, or that has another number of loops.
	ByName bool

	srv   *Server
	loops *standstill
	share func() // the loops may turn on one goroutine again
	place []byte // what the Cluster of another program goes on from
}

// Errors of Park.
var (
	errNotInheritable = errors.New("comet: the server cannot be handed over: it was started without Config.Inheritable")
	errDraining       = errors.New("comet: the server is about to end")
	errParking        = errors.New("comet: the server is about to be handed over already")
	errBeyond         = errors.New("comet: the server cannot be handed over: what judges which clients may subscribe is beyond it")
	errNeverQuiet     = errors.New("comet: what is under way does not come to its end: the server goes on")
)

// standstill is where the loops of a server wait at the end of a turn.
type standstill struct {
	arrived chan uint8      // a loop, each time it has
	turn    []chan struct{} // by loop: it takes another turn
	over    chan struct{}   // closed: they go on as they did
}

// standStill waits where the loops are to, and says whether the turn that follows is to
// begin at once.
func (s *shard) standStill() bool {
	p := s.srv.parking.Load()
	switch {
	case p == nil && s.holding:
		s.hold(false) // it came to nothing
		return true
	case p == nil:
		return false
	}
	p.arrived <- s.Id // there is room
	select {
	case <-p.turn[s.Id]:
	case <-p.over:
	}
	return true
}

// Park has the loops come to rest and stand still. Where they have not when ctx is done,
// the server goes on as if nothing had been. Any goroutine may call it, but for those of
// Config.Handlers.
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
		return nil, errBeyond
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
		parked.place = srv.cfg.Cluster.Suspend() // what it has posted before that is served now
	}
	for round := 0; !srv.quiet(); round++ {
		if round > promptRounds {
			time.Sleep(parkGlance) // something that no loop can hasten
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
	promptRounds = 1000 // turns after which no loop waits for another
	parkGlance   = 100 * time.Microsecond
)

// await waits until all loops stand still.
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

// hold has a loop that stands still begin nothing new, or do so again.
func (s *shard) hold(on bool) {
	s.holding = on
	if on {
		s.loop.HoldInput()
	} else {
		s.loop.ReleaseInput()
	}
}

// quiet says whether nothing is under way on any loop. All of them stand still.
func (srv *Server) quiet() bool {
	for _, s := range srv.shards {
		if !s.loop.Quiet() || !s.broker.Quiet() || !s.hub.Quiet() || !s.web.Quiet() || !s.Mailer.Quiet() || s.drain.Phase != drain.None {
			return false
		}
	}
	return true
}

// Release has the server go on.
func (p *Parked) Release() {
	if p.srv.cfg.Cluster != nil {
		p.srv.cfg.Cluster.Resume()
	}
	p.srv.parking.Store(nil)
	close(p.loops.over)
	p.share()
	p.srv.wakeAll()
}
