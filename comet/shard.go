package comet

import (
	"errors"
	"fmt"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
	"ccomet/reactor"
)

// shard is one loop's part of the server: the three actors of the loop, and the order of
// its turn (turn.go). All of it belongs to the loop's goroutine.
//
//   - The broker has the channels whose home this loop is: numbers, history, leases.
//   - The hub has the subscribers whose connections are here: cursors, rosters, delivery.
//   - The web has the connections: requests, access, answers.
//
// The broker and the hub communicate only by mail, even on the same loop.
type shard struct {
	*mail.Mailer
	srv  *Server
	loop *reactor.Loop

	broker broker.Broker
	hub    hub.Hub
	web    web.Web

	drain    *drain.Drain
	holding  bool          // nothing new begins: the server is about to be handed over
	early    *Early        // the early hand-over under way; nil: none
	writes   bool          // it has more to write for that
	wait     time.Duration // how long the loop may sleep, as last returned by TurnEnded
	watchers watchers
	figures  figures
}

func newShard(srv *Server, id uint8) (*shard, error) {
	s := &shard{srv: srv}
	var err error
	cfg := reactor.Config{
		MaxInput: max(srv.site.Limits.Publish.MaxInput(), srv.site.Limits.Batch.MaxInput()) + 64<<10,
		Admit:    s.web.Admit,
		// The longest output that is held in one piece is a poll's response (messages up
		// to pollBytes and one more, every byte escaped), or the answer to a batch.
		MaxHeld:      max(2*pollBytes+8*srv.cfg.MaxMessage, web.MaxAnswer*srv.cfg.MaxBatchMessages),
		MaxHeldAll:   max(srv.cfg.MaxHeldBytes/srv.cfg.Loops, 1),
		WriteTimeout: srv.cfg.WriteTimeout,
		Refusal:      web.Refusal,
		Warn:         func(err error) { srv.cfg.Log.Warn().Err(err).Uint8("loop", id).Msg("connections are refused") },
		Clock:        srv.cfg.Clock,
		Inheritable:  srv.cfg.Inheritable,
	}
	from := srv.cfg.From
	switch {
	case from == nil:
		s.loop, err = reactor.NewLoop(s, cfg)
	case from.byName:
		s.loop, err = reactor.NewLoopSince(s, cfg, &from.loops[0], from.rehearsal)
	default:
		s.loop, err = reactor.ResumeLoop(s, cfg, &from.loops[id], from.rehearsal)
	}
	if err != nil {
		return nil, err
	}
	s.Mailer = mail.NewMailer(srv.mailers, id, s.loop, s.receive)
	s.drain = &drain.Drain{Clock: &srv.Clock, Loop: s.loop, Rng: record.NewSpread()}
	webErr := s.web.Open(s.Mailer, s.loop, srv.homes, &srv.totals, s.drain, &s.hub, srv.site, from.part(id))
	var snapshots *broker.Snapshots
	if srv.state != nil {
		snapshots = srv.state.Snapshots
	}
	// Open all, even if one fails: release releases all.
	err = errors.Join(webErr,
		s.broker.Open(s.Mailer, s.loop, srv.homes, &srv.totals, srv.cfg.broker(), snapshots, from.part(id)),
		s.hub.Open(hub.Parts{
			Mailer: s.Mailer, Conns: s.web.Table, Heads: s.web.Heads, Loop: s.loop, Homes: srv.homes, Totals: &srv.totals,
			Drain: s.drain, Web: &s.web, Trusted: &srv.site.Access.Trusted, From: from.part(id),
		}, srv.cfg.hub()))
	if err != nil {
		s.release()
		s.loop.Release()
		return nil, fmt.Errorf("the records of loop %d: %w", id, err)
	}
	return s, nil
}

// release frees the memory that the garbage collector does not manage.
func (s *shard) release() {
	s.broker.Release()
	s.hub.Release()
}

// The web handles the events of connections.

func (s *shard) Opened(c reactor.Conn)                 { s.web.Opened(c) }
func (s *shard) Received(c reactor.Conn, p []byte) int { return s.web.Received(c, p) }
func (s *shard) Ended(c reactor.Conn)                  { s.web.Ended(c) }
func (s *shard) Drained(c reactor.Conn)                { s.web.Drained(c) }
func (s *shard) Expired(c reactor.Conn)                { s.web.Expired(c) }
func (s *shard) Closed(c reactor.Conn, err error)      { s.web.Closed(c, err) }
