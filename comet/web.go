package comet

import (
	"ccomet/httplite"
	"ccomet/reactor"
)

// web has the connections of one loop: the requests that arrive on them, who may come,
// and the answers in their order. What a request asks of channels it mails to their
// homes; a connection that is to wait for messages it gives to the hub.
type web struct {
	*mailer
	*conns
	*heads
	buffers
	site   *site
	hub    *hub
	loop   *reactor.Loop
	cfg    *webConfig
	homes  *homes
	totals *totals
	drain  *drain
	tokens *tokens
	debug  bool

	halves    halves
	pipes     []*pipe // [0] is nobody's
	idlePipes []uint32
	answering []uint32 // pipes that have something to write
	handlings []*handling
	presence  presence
	canary    canary

	clients  column[uint64] // whose connections are counted, by connection
	roomHand uint32         // the connection that was last looked at for one that may go
	goodHost string         // the last Host that was found to be this one

	// The request that is served.
	req      *httplite.Request
	exchange exchange
	args     []byte // decoded parameters
	wants    []want
	asked    ccometQuery

	rendered   renderedAnswers
	requests   uint64
	broadcasts uint64 // taken on this loop
}

// renderedAnswers are answers that are rendered once a second.
type renderedAnswers struct {
	ok          []byte
	okSecond    int64
	stats       []byte
	statsSecond int64
}

func (w *web) open(s *shard) {
	w.mailer, w.loop, w.drain, w.site, w.hub = s.mailer, s.loop, s.drain, s.srv.site, &s.hub
	w.cfg, w.homes, w.totals = s.srv.site.cfg, s.srv.homes, &s.srv.totals
	w.tokens, w.debug = newTokens(w.cfg.Secret), w.cfg.Log.Debug().Enabled()
	w.conns = &conns{loop: s.loop}
	w.heads = &heads{loop: s.loop, compat: &w.cfg.Compat, cors: &s.srv.site.cors}
	w.pipes = make([]*pipe, 1)
	w.req = new(httplite.Request)
	w.presence.w = w
}

// busy says whether a step of the turn has something left to do, which does not wait
// for anything.
func (w *web) busy() bool { return len(w.answering) > 0 || len(w.presence.lines) > 0 }

// trim lets go of what the turn has used and the next one does not need: the buffers
// that something large was rendered in, and the last request's input.
func (w *web) trim() {
	w.req.Reset()
	clear(w.wants)
	w.wants, w.exchange, w.asked = w.wants[:0], exchange{}, ccometQuery{}
	w.buffers.trim()
	trimmed(&w.args)
}

// addFigures tells what it counts.
func (w *web) addFigures(f *LoopFigures) {
	f.Connections, f.Requests, f.Broadcasts = w.count, w.requests, w.broadcasts
}
