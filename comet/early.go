package comet

import (
	"context"
	"io"
	"time"

	"ccomet/comet/internal/handover"
)

// Early is what a server writes of itself while it still serves, before it parks: the
// history of channels, which is most of its state and changes little. The other program must
// say that it understands this; older versions do not.
type Early struct {
	srv  *Server
	w    *handover.Writer
	done chan struct{} // a loop sends when it has written everything
}

// earlyPatience bounds the wait for busy loops. What they have not written by then is
// written when the server is parked.
const earlyPatience = 30 * time.Second

// HandOverEarly starts a hand-over that Parked.HandOverRest finishes. It returns when all
// loops have written, after half a minute, or when ctx is done. If the hand-over is given
// up, call End. Only one may be under way. Any goroutine may call it, except those of
// Config.Handlers.
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

// End makes the loops forget what was written.
func (e *Early) End() {
	e.srv.early.Store(nil)
	e.srv.wakeAll()
}

// HandOverRest is HandOver into the file that HandOverEarly has started.
func (p *Parked) HandOverRest(e *Early) error { return p.handOver(e.w) }

// writeEarly writes as much as a turn has time for.
func (s *shard) writeEarly() {
	if e := s.srv.early.Load(); e != s.early {
		s.broker.WriteEarly(nil)
		s.early, s.writes = e, e != nil
	}
	if !s.writes {
		return
	}
	if part := s.early.w.Part(int(s.ID)); !s.broker.WriteEarly(&part) {
		s.writes = false
		s.early.done <- struct{}{} // there is room
	}
}
