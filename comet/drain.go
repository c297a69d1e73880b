package comet

import (
	"errors"
	"os"
	"time"

	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/mail"
)

// closingTurns is how many turns it takes until what the last connections that
// were accepted had sent already has been received.
const closingTurns = 3

// Drain ends the server within d. Its listeners close at once. Waiting connections are
// closed in a manner that has clients come back with their cursors, not all at once
// but spread over the time there is. Requests under way are finished, and what
// backends send on open connections is served to the end. The server ends earlier when
// no client is left. d of 0 or less ends it at once. Called again, the nearer end
// counts. Any goroutine may call it; Wait returns when all is over.
func (srv *Server) Drain(d time.Duration) {
	d = max(d, 0)
	end := max(int64(srv.cfg.Clock().Sub(srv.Epoch)+d), 1)
	for {
		old := srv.Deadline.Load()
		if old != 0 && old <= end {
			return
		}
		if srv.Deadline.CompareAndSwap(old, end) {
			break
		}
	}
	if srv.state.kept() {
		if err := srv.state.stopping(); err != nil && !errors.Is(err, os.ErrClosed) {
			srv.cfg.Log.Warn().Err(err).Msg("a server that is started now will not wait for the state file")
		}
	}
	if srv.Span.CompareAndSwap(0, int64(d)) && d > 0 {
		srv.cfg.Log.Info().Dur("drain-time", d).Int64("connections", srv.connections()).Msg("draining: the listeners are closed, clients are sent away")
	}
	if d == 0 && !srv.finishes() {
		srv.group.Stop()
		return
	}
	srv.wakeAll()
}

func (srv *Server) wakeAll() {
	for _, s := range srv.shards {
		s.loop.Wake()
	}
}

// finishes says whether there is something to do when nothing is served any more: the
// state to be written, or sockets to be left to another process.
func (srv *Server) finishes() bool { return srv.state.kept() || srv.handedOver.Load() }

// drainOn takes the loop's part of the drain further (the phases are drain.Drain's), and
// returns after how long it is to be called again; below zero, something else brings
// that turn.
func (s *shard) drainOn(now time.Time) time.Duration {
	if s.srv.Deadline.Load() == 0 {
		return -1
	}
	d := s.drain
	left, loops := s.drain.Left(now), s.Loops()
	if d.Phase < drain.Ending && (left <= 0 || int(s.srv.Gone.Load()) == loops) {
		s.stopListening(false)
		d.Phase = drain.Ending
		s.mark(0)
	}
	switch d.Phase {
	case drain.None:
		d.Phase = drain.Closing
		s.stopListening(true)
		s.web.Handlers.Cancel(0)
		return 0
	case drain.Closing:
		if d.Turns++; d.Turns < closingTurns {
			return 0
		}
		d.Phase, d.At = drain.Arranging, 1
		return 0
	case drain.Arranging:
		if s.arrange() {
			d.Phase, d.At = drain.Watching, 1
		}
		return 0
	case drain.Watching:
		return s.watch(left)
	case drain.Ending:
		if d.Marks[0] == loops && !s.broker.Unnumbered() {
			d.Phase = drain.Numbered
			s.mark(1)
		}
	case drain.Numbered:
		if d.Marks[1] == loops && s.web.Answers() == 0 {
			d.Phase = drain.Quiet
			s.srv.quieted()
		}
	}
	if d.Phase < drain.Ending {
		return left
	}
	return -1 // a mail wakes it
}

// mark tells every loop that this one has come to the end of a round.
func (s *shard) mark(round uint32) {
	s.SendAll(mail.OfRound(mail.DrainMark, round))
}

// arrange goes on with the walk through the connections, and says whether it is
// through.
func (s *shard) arrange() bool {
	d := s.drain
	for range drainBudget {
		if d.At > s.loop.Indexes() {
			return true
		}
		if c := s.loop.ConnAt(d.At); c != 0 {
			s.web.ArrangeOne(c)
		}
		d.At++
	}
	return false
}

// watch looks for a connection whose end is worth waiting for, some a turn, and returns
// after how long it is to look again.
func (s *shard) watch(left time.Duration) time.Duration {
	d := s.drain
	for range drainBudget {
		if d.At > s.loop.Indexes() {
			d.Phase = drain.Gone
			if int(s.srv.Gone.Add(1)) == s.Loops() {
				s.srv.wakeAll()
			}
			return left
		}
		if c := s.loop.ConnAt(d.At); c != 0 && !s.web.Ignorable(c) {
			return left // its end brings a turn
		}
		d.At++
	}
	return 0
}

// quieted: one more loop is through, and after the last all may stop.
func (srv *Server) quieted() {
	if int(srv.Quiet.Add(1)) < len(srv.shards) {
		return
	}
	if srv.Span.Load() > 0 {
		srv.cfg.Log.Info().Int64("left", srv.connections()).Msg("drained: connections that are left are closed")
	}
	if srv.state != nil {
		close(srv.state.final) // it stops the loops when it has written what they hold
		return
	}
	srv.group.Stop()
}

// connections counts those that are open.
func (srv *Server) connections() (n int64) {
	for _, s := range srv.shards {
		n += s.loop.Stats().Open
	}
	return n
}

// drainBudget is how many connections are looked at in a turn.
const drainBudget = 1024
