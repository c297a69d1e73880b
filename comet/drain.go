package comet

import (
	"errors"
	"os"
	"time"

	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/mail"
)

// closingTurns is the number of turns until all that the last accepted connections had
// already sent has been received.
const closingTurns = 3

// Drain ends the server within d. Its listeners close at once. Waiting connections are
// closed in a way that makes clients come back with their cursors, spread over the
// available time. Requests under way are finished, and requests of backends on open
// connections are served until the end. The server ends earlier when no client is left.
// A d of 0 or less ends it at once. If Drain is called again, the earlier end counts.
// Any goroutine may call it; Wait returns when the server has ended.
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
		srv.cfg.Log.Info().Dur("drain-time", d).Int64("connections", srv.connections()).Msg("draining: the listeners are closed, and clients are disconnected")
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

// finishes reports whether there is work left when nothing is served any more: the state
// to write, or sockets to leave to another process.
func (srv *Server) finishes() bool { return srv.state.kept() || srv.handedOver.Load() }

// drainOn advances the loop's part of the drain (drain.Drain describes the phases). It
// returns after how long to call it again; negative: some event causes that turn.
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
	return -1 // a mail will wake it
}

// mark tells every loop that this one has finished a round.
func (s *shard) mark(round uint32) {
	s.SendAll(mail.OfRound(mail.DrainMark, round))
}

// arrange continues the walk through the connections, and reports whether it is
// finished.
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

// watch looks for a connection that is worth waiting for, some connections a turn. It
// returns after how long to look again.
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
			return left // its end causes a turn
		}
		d.At++
	}
	return 0
}

// quieted counts a loop that is quiet. After the last one, all loops may stop.
func (srv *Server) quieted() {
	if int(srv.Quiet.Add(1)) < len(srv.shards) {
		return
	}
	if srv.Span.Load() > 0 {
		srv.cfg.Log.Info().Int64("left", srv.connections()).Msg("drained: the remaining connections are closed")
	}
	if srv.state != nil {
		close(srv.state.final) // the state stops the loops after it has written their channels
		return
	}
	srv.group.Stop()
}

// connections returns the number of open connections.
func (srv *Server) connections() (n int64) {
	for _, s := range srv.shards {
		n += s.loop.Stats().Open
	}
	return n
}

// drainBudget is how many connections are looked at in a turn.
const drainBudget = 1024
