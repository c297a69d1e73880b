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

// shard is one loop's part of the server: the three actors that share the loop, and
// the order of its turn (turn.go). All of it belongs to the loop's goroutine.
//
//   - The broker has the channels whose home this loop is: numbers, history, leases.
//   - The hub has the subscribers whose connections are here: cursors, rosters, delivery.
//   - The web has the connections: requests, access, answers.
//
// The broker and the hub know each other by mail alone, on the same loop too.
type shard struct {
	*mail.Mailer
	srv  *Server
	loop *reactor.Loop

	broker broker.Broker
	hub    hub.Hub
	web    web.Web

	drain    *drain.Drain
	holding  bool          // nothing new is begun: it is about to be handed over
	early    *Early        // that is under way; nil: none is
	writes   bool          // it has something to write for that
	wait     time.Duration // how long the loop may sleep, as it was told last
	watchers watchers
	figures  figures
}

func newShard(srv *Server, id uint8) (*shard, error) {
	s := &shard{srv: srv}
	var err error
	cfg := reactor.Config{
		MaxInput: max(srv.site.Limits.Publish.MaxInput(), srv.site.Limits.Batch.MaxInput()) + 64<<10,
		Admit:    s.web.Admit,
		// A poll's response is the longest that may be held in one piece: messages
		// up to pollBytes and one more, every byte escaped; or a batch's answer.
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
		s.loop, err = reactor.NewLoopSince(s, cfg, from.loops[0].Began, from.rehearsal)
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
	// All are opened, whatever becomes of the first: release is of all.
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

// release gives back the memory that the collector does not see.
func (s *shard) release() {
	s.broker.Release()
	s.hub.Release()
}

// What the loop tells of connections is the web's.

func (s *shard) Opened(c reactor.Conn)                 { s.web.Opened(c) }
func (s *shard) Received(c reactor.Conn, p []byte) int { return s.web.Received(c, p) }
func (s *shard) Ended(c reactor.Conn)                  { s.web.Ended(c) }
func (s *shard) Drained(c reactor.Conn)                { s.web.Drained(c) }
func (s *shard) Expired(c reactor.Conn)                { s.web.Expired(c) }
func (s *shard) Closed(c reactor.Conn, err error)      { s.web.Closed(c, err) }
