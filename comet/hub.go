package comet

import (
	"ccomet/httplite"
	"ccomet/reactor"
	"time"
)

// hub has the subscribers whose connections are on one loop: their cursors, the
// rosters that they stand in, and what is on its way to them. It asks channels'
// homes by mail, and knows nothing of requests: what becomes of a connection that
// waits no longer is for its owner to say.
type hub struct {
	*mailer
	*conns
	*heads
	buffers
	loop    *reactor.Loop
	cfg     *hubConfig
	homes   *homes
	totals  *totals
	drain   *drain
	web     connOwner
	rng     *spread
	trusted *Addresses // proxies

	subs       reactor.Slab[subscriber]
	callbacks  names             // of JSONP
	laterJoins map[uint32][]mail // of polls of several channels, by owner: what is still to be asked

	rosters     reactor.Slab[roster]
	rosterIndex *index
	departed    []uint32 // rosters that somebody left in this turn

	pumps        []*pump // [0] is nobody's
	busyPumps    []uint32
	idlePumps    []uint32
	unfinished   []uint32       // pumps that this turn has not brought to an end
	cut          *reactor.Frame // the last one that a short write has cut
	replays      []replayer     // to be asked for in their turn
	replayLeft   int            // bytes that the turn has left for them
	surveys      []survey
	msgs         []*message
	batch        batch
	prefetchSink uint32 // where records are read to that are to be in the cache; nobody reads it
	tally        hubTally
}

// hubConfig is what a hub is told; the server's Config explains it.
type hubConfig struct {
	Tokens         bool // a subscriber brings its channel's token
	PollingTimeout time.Duration
	RequestTimeout time.Duration
	RetryTime      time.Duration
	PollMost       int // bytes of messages that a poll is given at once
}

// connOwner is whose connections they are: it goes on with one that waits no longer.
type connOwner interface {
	// answered readies a connection for its next request, or ends it.
	answered(c reactor.Conn, last bool)
	// finish ends a connection that has been told all.
	finish(c reactor.Conn)
	// refuse answers that a rule or a limit was broken, and ends the connection.
	refuse(c reactor.Conn, why *httplite.Error)
}

// hubTally is what is counted as things change.
type hubTally struct {
	subscribers [numListens]int64
	behind      int64
	delivered   uint64
	replayed    uint64
	heartbeats  uint64
	lost        uint64
}

// hubParts are what a hub shares with the others of its loop and its server.
type hubParts struct {
	Mailer  *mailer
	Conns   *conns
	Heads   *heads
	Loop    *reactor.Loop
	Homes   *homes
	Totals  *totals
	Drain   *drain
	Web     connOwner
	Trusted *Addresses
}

// open readies a hub.
func (h *hub) open(p hubParts, cfg *hubConfig) error {
	h.mailer, h.conns, h.heads, h.loop, h.homes, h.totals, h.drain = p.Mailer, p.Conns, p.Heads, p.Loop, p.Homes, p.Totals, p.Drain
	h.web, h.trusted, h.cfg, h.rng = p.Web, p.Trusted, cfg, newSpread()
	h.pumps = make([]*pump, 1)
	h.laterJoins = map[uint32][]mail{}
	h.rosterIndex = newIndex(
		func(i uint32) *uint32 { return &h.rosters.At(i).link },
		func(i uint32) uint32 { r := h.rosters.At(i); return hashRef(r.home, r.index) })
	if !h.rosterIndex.usable() {
		return errNoIndex
	}
	return nil
}

// release gives back the memory that the collector does not see.
func (h *hub) release() {
	h.callbacks.release()
	h.subs.Release()
	h.rosters.Release()
	h.rosterIndex.release()
}

// busy says whether a step of the turn has something left to do, which does not wait
// for anything.
func (h *hub) busy() bool {
	return len(h.surveys) > 0 || len(h.busyPumps) > 0 || len(h.departed) > 0 || len(h.replays) > 0
}

// trim lets go of what the turn has used and the next one does not need: the buffers
// that something large was rendered in, and the frame that nobody is stuck at any more.
func (h *hub) trim() {
	if h.cut != nil && !h.cut.Held() {
		h.cut = nil
	}
	h.buffers.trim()
	trimmed(&h.batch.buf, &h.batch.object, &h.batch.told)
}

// hubFigures are what a hub counts.
type hubFigures struct {
	Subscribers [numListens]int64
	Behind      int64
	Delivered   uint64
	Replayed    uint64
	Heartbeats  uint64
	Lost        uint64

	SubscriberSlab, RosterSlab, RosterBuckets reactor.SlabFigures
	CallbackSlabs                             [nameSizes]reactor.SlabFigures
}

func (h *hub) figures() hubFigures {
	t := &h.tally
	return hubFigures{
		Subscribers: t.subscribers, Behind: t.behind, Delivered: t.delivered, Replayed: t.replayed, Heartbeats: t.heartbeats, Lost: t.lost,
		SubscriberSlab: h.subs.Figures(), RosterSlab: h.rosters.Figures(), RosterBuckets: h.rosterIndex.figures(), CallbackSlabs: h.callbacks.figures(),
	}
}
