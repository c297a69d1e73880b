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

// open readies a web. Its hub is opened after it.
func (w *web) open(m *mailer, loop *reactor.Loop, homes *homes, totals *totals, d *drain, hub *hub, site *site) {
	w.mailer, w.loop, w.homes, w.totals, w.drain, w.hub, w.site = m, loop, homes, totals, d, hub, site
	w.cfg = site.cfg
	w.tokens, w.debug = newTokens(w.cfg.Secret), w.cfg.Log.Debug().Enabled()
	w.conns = &conns{loop: loop}
	w.heads = &heads{
		loop: loop, anyEvents: w.cfg.Compat.EventsForAnyOrigin, cors: &site.cors,
		iframeHead: site.iframeHead, retryTime: w.cfg.RetryTime, rng: newSpread(),
	}
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
	w.wants, w.exchange, w.asked = w.wants[:0], exchange{}, ccometQuery{room: w.asked.room}
	w.buffers.trim()
	trimmed(&w.args, &w.asked.room)
}

// webFigures are what a web counts.
type webFigures struct {
	Connections          [sides][numConnStates]int64
	Requests, Broadcasts uint64
}

func (w *web) figures() webFigures {
	return webFigures{Connections: w.count, Requests: w.requests, Broadcasts: w.broadcasts}
}
