// Package web has connections: the requests that arrive on them, who may come, and the
// answers in their order. A web is one loop's; it asks the hub to subscribe a
// connection, and channels' homes, by mail, for anything else.
package web

import (
	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
	"ccomet/httplite"
	"ccomet/reactor"
)

// web has the connections of one loop: the requests that arrive on them, who may come,
// and the answers in their order. What a request asks of channels it mails to their
// homes; a connection that is to wait for messages it gives to the hub.
type Web struct {
	*mail.Mailer
	*conn.Table
	*frame.Heads
	pool.Buffers
	site   *Site
	hub    *hub.Hub
	loop   *reactor.Loop
	cfg    *Config
	homes  *record.Homes
	totals *limit.Totals
	drain  *drain.Drain
	tokens *token.Tokens
	debug  bool

	Parsers       parserPool
	pipelines     []*pipeline // [0] is nobody's
	idlePipelines []uint32
	Answering     []uint32 // pipes that have something to write
	handlings     []*handling
	Presence      presence
	Probe         Probe

	clients   record.Column[uint64] // whose connections are counted, by connection
	evictHand uint32                // the connection that was last looked at for one that may go
	goodHost  string                // the last Host that was found to be this one

	// The request that is served.
	req      *httplite.Request
	exchange exchange
	args     []byte // decoded parameters
	topics   []hub.Topic
	asked    ccomet.Query

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
func (w *Web) Open(m *mail.Mailer, loop *reactor.Loop, homes *record.Homes, totals *limit.Totals, d *drain.Drain, theHub *hub.Hub, site *Site) {
	w.Mailer, w.loop, w.homes, w.totals, w.drain, w.hub, w.site = m, loop, homes, totals, d, theHub, site
	w.cfg = site.cfg
	w.tokens, w.debug = token.New(w.cfg.Secret), w.cfg.Log.Debug().Enabled()
	w.Table = &conn.Table{Loop: loop}
	w.Heads = &frame.Heads{
		Loop: loop, AnyEvents: w.cfg.Compat.EventsForAnyOrigin, Cors: &site.cors,
		IframeHead: site.iframeHead, RetryTime: w.cfg.RetryTime, Rng: record.NewSpread(),
	}
	w.pipelines = make([]*pipeline, 1)
	w.req = new(httplite.Request)
	w.Presence.w = w
}

// busy says whether a step of the turn has something left to do, which does not wait
// for anything.
func (w *Web) Busy() bool { return len(w.Answering) > 0 || len(w.Presence.Lines) > 0 }

// trim lets go of what the turn has used and the next one does not need: the buffers
// that something large was rendered in, and the last request's input.
func (w *Web) Trim() {
	w.req.Reset()
	clear(w.topics)
	w.topics, w.exchange, w.asked = w.topics[:0], exchange{}, ccomet.Query{Room: w.asked.Room}
	w.Buffers.Trim()
	pool.Trimmed(&w.args, &w.asked.Room)
}

// webFigures are what a web counts.
type Figures struct {
	Connections          [conn.NumSides][conn.NumStates]int64
	Requests, Broadcasts uint64
}

func (w *Web) Figures() Figures {
	return Figures{Connections: w.Count, Requests: w.requests, Broadcasts: w.broadcasts}
}
