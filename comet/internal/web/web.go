// Package web serves connections: it parses requests, checks which clients may make them, and
// writes the answers in order. Each loop has one Web. It passes subscriptions to the hub and
// everything else, by mail, to the channels' homes.
//
// Where a change goes:
//
//   - A dialect is a file beside icomet.go and ccomet.go, and a line in dialect.go.
//   - An endpoint is a line among its dialect's paths, and the function that serves it. If it
//     waits for a channel's home, it also names the function that writes the answer.
//   - A state of connections is a row of the table in states.go.
//   - Which clients may subscribe is decided at the channel's home: see Web.startSub.
//   - Access by address is in access.go, access by web pages of other sites in crosssite.go.
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

// Web serves the connections of one loop. It belongs to the loop's goroutine.
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

	// Unfinished work, by kind.
	parsers   parserPool
	pipelines pipelines
	Handlers  handlers
	Presence  presence
	Probe     Probe
	Histories histories
	Batches   batches
	sockets   sockets
	evictor   evictor

	// The request that is being served.
	req      *httplite.Request
	exchange exchange
	params   params

	requests   uint64
	broadcasts uint64 // received by this loop
}

// Open initialises a web, before its hub is opened. If from is not nil, the web continues the
// state of another program's web.
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

// Busy reports whether the next turn has work that need not wait for an event.
func (w *Web) Busy() bool {
	return w.Answers() > 0 || len(w.Presence.Lines) > 0 || len(w.Histories.waiting) > 0
}

// Trim drops what only the last turn needed: large buffers, and the last request's input.
func (w *Web) Trim() {
	w.req.Reset()
	w.exchange = exchange{}
	w.params.trim()
	w.Buffers.Trim()
	w.Presence.trim()
	w.sockets.trim()
}

// Figures are the counters of a web.
type Figures struct {
	Connections          [conn.NumSides][conn.NumStates]int64
	Requests, Broadcasts uint64
	Batches              uint64 // requests to /publish that were accepted
	Histories, Unchanged uint64 // answers to /history with status 200, and with status 304
	Partial              int    // incomplete requests
	Sockets              SocketFigures
}

func (w *Web) Figures() Figures {
	return Figures{
		Connections: w.Count, Requests: w.requests, Broadcasts: w.broadcasts, Batches: w.Batches.taken, Histories: w.Histories.Read, Unchanged: w.Histories.Same,
		Partial: w.parsers.inUse(), Sockets: w.sockets.figures(),
	}
}
