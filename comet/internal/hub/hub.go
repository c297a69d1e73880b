// Package hub manages subscribers: their cursors, the rosters that list them, delivery and
// heartbeats. A hub belongs to one loop. It knows nothing of requests, or of how a message
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

// Hub has the subscribers whose connections are on one loop: their cursors, the rosters that
// list them, and the messages on their way to them. It asks channels' homes by mail, and knows
// nothing of requests: when a connection no longer waits, its Owner continues with it.
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
	Departed   []uint32 // rosters that subscribers have left in this turn
	Tally      counters

	msgs  []*msg.Message
	Batch frame.Batch
}

// Config is what a hub needs of the server's Config, which describes it.
type Config struct {
	Tokens         bool // a subscriber must bring its channel's token
	PollingTimeout time.Duration
	RequestTimeout time.Duration
	WriteTimeout   time.Duration
	RetryTime      time.Duration
	PollMost       int // bytes of messages that a poll gets at once
}

// Owner owns the connections. It continues with a connection that no longer waits.
type Owner interface {
	// Answered prepares a connection for its next request, or ends it if this was the last.
	Answered(c reactor.Conn, last bool)
	// CloseSocket ends a WebSocket with a Close frame. It calls LetGo of the hub.
	CloseSocket(c reactor.Conn, code websocket.Code, reason string)
	// TakeAnswers returns the answers that wait for a WebSocket. The hub must write them.
	TakeAnswers(c reactor.Conn) []byte
	// AnswerJoin makes object the answer to the sub for which a WebSocket waits; done: it
	// succeeded. asked is false if no sub waits.
	AnswerJoin(c reactor.Conn, object []byte, done bool) (answer []byte, asked bool)
	// Finish ends a connection to which everything was sent.
	Finish(c reactor.Conn)
	// Refuse answers with an error, and ends the connection.
	Refuse(c reactor.Conn, why *httplite.Error)
}

// counters are updated as things change.
type counters struct {
	Subscribers [frame.NumCounted]int64
	Behind      int64
	Delivered   uint64
	Replayed    uint64
	heartbeats  uint64
	lost        uint64
}

// Parts are what a hub shares with the other actors of its loop, and with its server.
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
	From    *handover.Reader // nil, or the hub that this one continues
}

// Open prepares a hub.
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

// Release frees the memory that the garbage collector does not manage.
func (h *Hub) Release() {
	h.Subs.release()
	h.Rosters.release()
}

// Busy reports whether a step of the turn has work left that need not wait for anything.
func (h *Hub) Busy() bool {
	return len(h.Scans.List) > 0 || len(h.Pumps.Busy) > 0 || len(h.Departed) > 0 || len(h.Replays.List) > 0
}

// Trim drops what the next turn does not need: the buffers in which something large was
// rendered, and the frame at which no connection is stuck any more.
func (h *Hub) Trim() {
	if h.Pumps.LastHeldFrame != nil && !h.Pumps.LastHeldFrame.Held() {
		h.Pumps.LastHeldFrame = nil
	}
	h.laterJoins.trim()
	h.Buffers.Trim()
	pool.Trimmed(&h.Batch.Buf, &h.Batch.Object, &h.Batch.Told)
}

// Figures are the counters of a hub.
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

// Figures returns the hub's counters. Only the loop's goroutine may call it.
func (h *Hub) Figures() Figures {
	t := &h.Tally
	return Figures{
		Subscribers: t.Subscribers, Behind: t.Behind, Delivered: t.Delivered, Replayed: t.Replayed, Heartbeats: t.heartbeats, Lost: t.lost,
		SubscriberSlab: h.Subs.Figures(), RosterSlab: h.Rosters.Figures(), RosterBuckets: h.Rosters.index.Figures(), CallbackSlabs: h.Subs.callbacks.Figures(),
	}
}
