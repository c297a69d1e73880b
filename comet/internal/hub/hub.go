// Package hub has subscribers: their cursors, the rosters that they are in, delivery,
// heartbeats. A hub belongs to one loop; it knows nothing of requests, nor of how a message
// gets its number, and asks channels' homes by mail.
package hub

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/peer"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// Hub has the subscribers whose connections are on one loop: their cursors, the
// rosters that they are in, and what is on its way to them. It asks channels'
// homes by mail, and knows nothing of requests: what becomes of a connection that
// waits no longer is for its owner to say.
type Hub struct {
	*mail.Mailer
	*conn.Table
	*frame.Heads
	pool.Buffers
	loop    *reactor.Loop
	cfg     *Config
	homes   *record.Homes
	totals  *limit.Totals
	drain   *drain.Drain
	web     Owner
	Rng     *record.Spread
	trusted *peer.Addresses // proxies

	Subs       subscribers
	Rosters    rosters
	Sockets    sockets
	Pumps      pumps
	Replays    replays
	Scans      scans
	laterJoins laterJoins
	Departed   []uint32 // rosters that subscribers left in this turn
	Tally      counters

	msgs  []*msg.Message
	Batch frame.Batch
}

// Config is what a hub needs of the server's Config, which explains it.
type Config struct {
	Tokens         bool // a subscriber brings its channel's token
	PollingTimeout time.Duration
	RequestTimeout time.Duration
	RetryTime      time.Duration
	PollMost       int // bytes of messages that a poll is given at once
}

// Owner has the connections. It continues with one that waits no longer.
type Owner interface {
	// Answered readies a connection for its next request, or ends it.
	Answered(c reactor.Conn, last bool)
	// CloseSocket ends a WebSocket with a Close frame, and has the hub let go of it (LetGo).
	CloseSocket(c reactor.Conn, code websocket.Code, reason string)
	// TakeAnswers are the answers to a WebSocket that are to be written: by the hub, from now on.
	TakeAnswers(c reactor.Conn) []byte
	// AnswerJoin makes an object the answer to the sub that a WebSocket waits for, and says
	// whether it waits for any.
	AnswerJoin(c reactor.Conn, object []byte, done bool) (answer []byte, asked bool)
	// Finish ends a connection that has been sent all.
	Finish(c reactor.Conn)
	// Refuse answers that a rule or a limit was broken, and ends the connection.
	Refuse(c reactor.Conn, why *httplite.Error)
}

// counters are what is counted as it changes.
type counters struct {
	Subscribers [frame.NumCounted]int64
	Behind      int64
	Delivered   uint64
	Replayed    uint64
	heartbeats  uint64
	lost        uint64
}

// Parts are what a hub shares with the others of its loop and its server.
type Parts struct {
	Mailer  *mail.Mailer
	Conns   *conn.Table
	Heads   *frame.Heads
	Loop    *reactor.Loop
	Homes   *record.Homes
	Totals  *limit.Totals
	Drain   *drain.Drain
	Web     Owner
	Trusted *peer.Addresses
	From    *handover.Reader // nil, or the hub that it goes on for
}

// Open readies a hub.
func (h *Hub) Open(p Parts, cfg *Config) error {
	h.Mailer, h.Table, h.Heads, h.loop, h.homes, h.totals, h.drain = p.Mailer, p.Conns, p.Heads, p.Loop, p.Homes, p.Totals, p.Drain
	h.web, h.trusted, h.cfg, h.Rng = p.Web, p.Trusted, cfg, record.NewSpread()
	h.Sockets.Hub, h.Pumps.Hub, h.Replays.Hub, h.Scans.Hub = h, h, h, h
	h.Pumps.All = make([]*pump, 1)
	h.Rosters.open(h.homes)
	if p.From != nil {
		return h.resumeFrom(p.From)
	}
	arena := h.loop.Arena()
	h.Subs.begin(arena)
	return h.Rosters.begin(arena)
}

// Release gives back the memory that the collector does not see.
func (h *Hub) Release() {
	h.Subs.release()
	h.Rosters.release()
}

// Busy says whether a step of the turn has something left to do, which does not wait
// for anything.
func (h *Hub) Busy() bool {
	return len(h.Scans.List) > 0 || len(h.Pumps.Busy) > 0 || len(h.Departed) > 0 || len(h.Replays.List) > 0
}

// Trim lets go of what the turn has used and the next one does not need: the buffers
// that something large was rendered in, and the frame that no connection is stuck at any more.
func (h *Hub) Trim() {
	if h.Pumps.LastHeldFrame != nil && !h.Pumps.LastHeldFrame.Held() {
		h.Pumps.LastHeldFrame = nil
	}
	h.laterJoins.trim()
	h.Buffers.Trim()
	pool.Trimmed(&h.Batch.Buf, &h.Batch.Object, &h.Batch.Told)
}

// Figures are what a hub counts.
type Figures struct {
	Subscribers [frame.NumCounted]int64
	Behind      int64
	Delivered   uint64
	Replayed    uint64
	Heartbeats  uint64
	Lost        uint64

	SubscriberSlab, RosterSlab, RosterBuckets reactor.SlabFigures
	CallbackSlabs                             [record.NameSizes]reactor.SlabFigures
}

// Figures are the hub's. Only the loop's goroutine may ask.
func (h *Hub) Figures() Figures {
	t := &h.Tally
	return Figures{
		Subscribers: t.Subscribers, Behind: t.Behind, Delivered: t.Delivered, Replayed: t.Replayed, Heartbeats: t.heartbeats, Lost: t.lost,
		SubscriberSlab: h.Subs.Figures(), RosterSlab: h.Rosters.Figures(), RosterBuckets: h.Rosters.index.Figures(), CallbackSlabs: h.Subs.callbacks.Figures(),
	}
}
