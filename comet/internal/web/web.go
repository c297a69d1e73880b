// Package web has connections: the requests that arrive on them, which clients are let in,
// and the answers in their order. A web is one loop's; it asks the hub to subscribe a
// connection, and channels' homes, by mail, for anything else.
//
// Where a change goes:
//
//   - A dialect is a file beside icomet.go and ccomet.go, and a line in dialect.go.
//   - An endpoint is a line among its dialect's paths, and the function that serves it; one
//     that waits for a channel's home also names the function that writes its answer.
//   - A state of connections is a row of the table in states.go.
//   - Which clients may subscribe is judged at the channel's home: see Web.startSub.
//   - Which addresses, and pages of which sites, are let in stands in access.go and
//     crosssite.go.
package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
	"ccomet/httplite"
	"ccomet/reactor"
)

// Web has the connections of one loop: the requests that arrive on them, which clients are
// let in, and the answers in their order. What a request asks of channels it mails to their
// homes; a connection that is to wait for messages it gives to the hub.
type Web struct {
	*mail.Mailer
	*conn.Table
	responder
	site   *Site
	hub    *hub.Hub
	loop   *reactor.Loop
	cfg    *Config
	homes  *record.Homes
	totals *limit.Totals
	drain  *drain.Drain
	debug  bool

	clients clients
	pages   pageGuard

	// What a web has of each kind that is under way, or waits.
	parsers   parserPool
	pipelines pipelines
	Handlers  handlers
	Presence  presence
	Probe     Probe
	Histories histories
	Batches   batches
	sockets   sockets
	evictor   evictor

	// The request that is served.
	req      *httplite.Request
	exchange exchange
	params   params

	requests   uint64
	broadcasts uint64 // taken on this loop
}

// Open readies a web. Its hub is opened after it. from, if it is not nil, has the one that
// it goes on for.
func (w *Web) Open(m *mail.Mailer, loop *reactor.Loop, homes *record.Homes, totals *limit.Totals, d *drain.Drain, theHub *hub.Hub, site *Site, from *handover.Reader) error {
	w.Mailer, w.loop, w.homes, w.totals, w.drain, w.hub, w.site = m, loop, homes, totals, d, theHub, site
	w.cfg = site.cfg
	w.debug = w.cfg.Log.Debug().Enabled()
	w.params.compat = &w.cfg.Compat
	w.Table = &conn.Table{Loop: loop}
	heads := &frame.Heads{
		Loop: loop, AnyEvents: w.cfg.Compat.EventsForAnyOrigin, Cors: &site.cors,
		IframeHead: site.iframeHead, RetryTime: w.cfg.RetryTime, Rng: record.NewSpread(),
	}
	w.responder = responder{Heads: heads, cfg: w.cfg, totals: totals, tokens: token.New(w.cfg.Secret)}
	w.Handlers = handlers{loop: loop, totals: totals}
	w.clients = clients{site: site, conns: w.Table, homes: homes}
	w.parsers.Web, w.pipelines.Web, w.Probe.Web, w.Histories.Web = w, w, w, w
	w.Batches.Web, w.sockets.Web, w.evictor.Web = w, w, w
	w.pages = pageGuard{site: site, loop: loop}
	w.req = new(httplite.Request)
	w.Presence = presence{Mailer: m, conns: w.Table, heads: heads, totals: totals}
	if from != nil {
		return w.resumeFrom(from)
	}
	return nil
}

// Busy says whether a step of the turn has something left to do, which does not wait
// for anything.
func (w *Web) Busy() bool {
	return w.Answers() > 0 || len(w.Presence.Lines) > 0 || len(w.Histories.waiting) > 0
}

// Trim lets go of what the turn has used and the next one does not need: the buffers
// that something large was rendered in, and the last request's input.
func (w *Web) Trim() {
	w.req.Reset()
	w.exchange = exchange{}
	w.params.trim()
	w.Buffers.Trim()
	w.Presence.trim()
	w.sockets.trim()
}

// Figures are what a web counts.
type Figures struct {
	Connections          [conn.NumSides][conn.NumStates]int64
	Requests, Broadcasts uint64
	Batches              uint64 // requests to /publish
	Histories, Unchanged uint64 // answers to /history with messages, and that there is nothing new
	Partial              int    // requests that have not wholly arrived
	Sockets              SocketFigures
}

func (w *Web) Figures() Figures {
	return Figures{
		Connections: w.Count, Requests: w.requests, Broadcasts: w.broadcasts, Batches: w.Batches.taken, Histories: w.Histories.Read, Unchanged: w.Histories.Same,
		Partial: w.parsers.inUse(), Sockets: w.sockets.figures(),
	}
}
