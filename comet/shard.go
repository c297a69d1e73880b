package comet

import (
	"fmt"
	"time"

	"ccomet/reactor"
)

// shard is one loop's part of the server: the three actors that share the loop, and
// the order of its turn (turn.go). All of it belongs to the loop's goroutine.
//
//   - The broker has the channels whose home this loop is: numbers, history, leases.
//   - The hub has the subscribers whose connections are here: cursors, rosters, delivery.
//   - The web has the connections: requests, who may come, answers.
//
// The broker and the hub know each other by mail alone, on the same loop too.
type shard struct {
	*mailer
	srv  *Server
	loop *reactor.Loop

	broker broker
	hub    hub
	web    web

	drain    *drain
	wait     time.Duration // how long the loop may sleep, as it was told last
	watchers watchers
	figures  figures
}

func newShard(srv *Server, id uint8) (*shard, error) {
	s := &shard{srv: srv}
	var err error
	s.loop, err = reactor.NewLoop(s, reactor.Config{
		MaxInput: srv.site.limits.publish.MaxInput() + 64<<10,
		Admit:    s.web.admit,
		// A poll's response is the longest that may be held in one piece: messages
		// up to pollBytes and one more, every byte escaped.
		MaxHeld:      2*pollBytes + 8*srv.cfg.MaxMessage,
		MaxHeldAll:   max(srv.cfg.MaxHeldBytes/srv.cfg.Loops, 1),
		WriteTimeout: srv.cfg.WriteTimeout,
		Refusal:      refusal,
		Warn:         func(err error) { srv.cfg.Log.Warn().Err(err).Uint8("loop", id).Msg("connections are refused") },
		Clock:        srv.cfg.Clock,
	})
	if err != nil {
		return nil, err
	}
	s.mailer = newMailer(srv.mailers, id, s.loop, s.receive)
	s.drain = &drain{drainClock: &srv.drainClock, loop: s.loop, rng: newSpread()}
	s.web.open(s.mailer, s.loop, srv.homes, &srv.totals, s.drain, &s.hub, srv.site)
	var snapshots *snapshots
	if srv.state != nil {
		snapshots = srv.state.snapshots
	}
	if err = s.broker.open(s.mailer, s.loop, srv.homes, &srv.totals, srv.cfg.broker(), snapshots); err == nil {
		err = s.hub.open(hubParts{
			Mailer: s.mailer, Conns: s.web.conns, Heads: s.web.heads, Loop: s.loop, Homes: srv.homes, Totals: &srv.totals,
			Drain: s.drain, Web: &s.web, Trusted: &srv.site.access.trusted,
		}, srv.cfg.hub())
	}
	if err != nil {
		s.release()
		s.loop.Release()
		return nil, fmt.Errorf("no memory for the indexes of channels and subscribers")
	}
	return s, nil
}

// release gives back the memory that the collector does not see.
func (s *shard) release() {
	s.broker.release()
	s.hub.release()
}

// What the loop tells of connections is the web's.

func (s *shard) Opened(c reactor.Conn)                 { s.web.Opened(c) }
func (s *shard) Received(c reactor.Conn, p []byte) int { return s.web.Received(c, p) }
func (s *shard) Ended(c reactor.Conn)                  { s.web.Ended(c) }
func (s *shard) Drained(c reactor.Conn)                { s.web.Drained(c) }
func (s *shard) Expired(c reactor.Conn)                { s.web.Expired(c) }
func (s *shard) Closed(c reactor.Conn, err error)      { s.web.Closed(c, err) }
