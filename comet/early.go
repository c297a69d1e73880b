package comet

import (
	"context"
	"io"
	"time"

	"ccomet/comet/internal/handover"
)

// Early is what a server has written of itself before it parks, while it serves: what
// channels keep, which is most, and of which little changes. Other programs must say that
// they understand it: versions before it do not.
type Early struct {
	srv  *Server
	w    *handover.Writer
	done chan struct{} // a loop has written all
}

// earlyPatience is how long loops that are busy are given. What they have not written by
// then is written when the server is parked.
const earlyPatience = 30 * time.Second

// HandOverEarly begins what Parked.HandOverRest ends. Where it comes to nothing, End it. One
// at a time can be under way. Any goroutine may call it, but for those of Config.Handlers.
func (srv *Server) HandOverEarly(ctx context.Context, to io.Writer) *Early {
	e := srv.beginEarly(to)
	srv.wakeAll()
	late := time.NewTimer(earlyPatience)
	defer late.Stop()
	for range srv.shards {
		select {
		case <-e.done:
		case <-late.C:
			return e
		case <-ctx.Done():
			return e
		}
	}
	return e
}

func (srv *Server) beginEarly(to io.Writer) *Early {
	e := &Early{srv, handover.NewWriter(to), make(chan struct{}, len(srv.shards))}
	srv.early.Store(e)
	return e
}

// End has the loops forget what was written.
func (e *Early) End() {
	e.srv.early.Store(nil)
	e.srv.wakeAll()
}

// HandOverRest is HandOver into the file that HandOverEarly has begun.
func (p *Parked) HandOverRest(e *Early) error { return p.handOver(e.w) }

// writeEarly writes what a turn has time for.
func (s *shard) writeEarly() {
	if e := s.srv.early.Load(); e != s.early {
		s.broker.WriteEarly(nil)
		s.early, s.writes = e, e != nil
	}
	if !s.writes {
		return
	}
	if part := s.early.w.Part(int(s.Id)); !s.broker.WriteEarly(&part) {
		s.writes = false
		s.early.done <- struct{}{} // there is room
	}
}
