package comet

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// shard is one loop's part of the server: the channels that have their home
// here, the subscribers whose connections are here, and their rosters. All of
// it belongs to the loop's goroutine.
type shard struct {
	srv    *Server
	cfg    *Config
	homes  *homes
	totals *totals
	loop   *reactor.Loop
	*mailer
	*conns
	*heads
	rng   *spread
	wait  time.Duration // how long the loop may sleep, as it was told last
	debug bool

	// As a home of channels.
	names           names
	channels        reactor.Slab[channel]
	channelIndex    *index
	epochs          epochs
	leases          *reactor.Wheel
	histories       histories
	historyBytes    int // of all channels
	historyMessages int
	historyHand     uint32         // the channel that was last looked at for history to let go of
	rates           column[int64]  // buckets of publishes, by channel
	clients         column[uint64] // whose connections are counted, by connection
	roomHand        uint32         // the connection that was last looked at for one that may go
	seats           reactor.Slab[seat]
	seatIndex       *index
	walks           []walk
	walkLeft        int    // channels that broadcasts may still look at in this turn
	rollCalls       []mail // that wait for an answer
	sweep           sweep
	explanations    []*explanation
	explained       uint32 // so far

	// As a home of connections.
	subs        reactor.Slab[subscriber]
	callbacks   names // of JSONP
	rosters     reactor.Slab[roster]
	rosterIndex *index
	departed    []uint32 // rosters that somebody left in this turn
	pumps       []*pump  // [0] is nobody's
	busyPumps   []uint32
	idlePumps   []uint32
	laterJoins  map[uint32][]mail // of polls of several channels, by owner: what is still to be asked
	unfinished  []uint32          // pumps that this turn has not brought to an end
	replays     []replayer        // to be asked for in their turn
	replayLeft  int               // bytes that the turn has left for them
	cut         *reactor.Frame    // the last one that a short write has cut
	halves      halves
	pipes       []*pipe // [0] is nobody's
	idlePipes   []uint32
	answering   []uint32 // pipes that have something to write
	handlings   []*handling
	presence    presence
	drain       *drain
	canary      canary
	surveys     []survey
	tokens      *tokens
	published   uint64
	delivered   uint64
	figures     figures
	tally       Tally
	watchers    watchers
	warm        uint32

	// What is rendered is rendered here, and copied by nobody.
	goodHost    string // the last Host that was found to be this one
	req         *httplite.Request
	exchange    exchange
	args        []byte // decoded parameters
	wants       []want
	asked       ccometQuery
	scratch     []byte // a response, or what is about to be written
	object      []byte // one JSON object
	body        []byte
	msgs        []*message
	batch       batch
	ok          []byte
	okSecond    int64
	statsText   []byte
	statsSecond int64
}

// trim lets go of what the turn has used and the next one does not need: the buffers
// that something large was rendered in, the frame that nobody is stuck at any more,
// and the last request's input.
func (s *shard) trim() {
	if s.cut != nil && !s.cut.Held() {
		s.cut = nil
	}
	s.req.Reset()
	clear(s.wants)
	s.wants, s.exchange, s.asked = s.wants[:0], exchange{}, ccometQuery{}
	for _, b := range [...]*[]byte{&s.scratch, &s.object, &s.body, &s.args, &s.batch.buf, &s.batch.object, &s.batch.told} {
		if cap(*b) > keepBuffer {
			*b = nil
		}
	}
}

func newShard(srv *Server, id uint8) (*shard, error) {
	s := &shard{
		srv:    srv,
		cfg:    &srv.cfg,
		homes:  srv.homes,
		totals: &srv.totals,
		debug:  srv.cfg.Log.Debug().Enabled(),
		pumps:  make([]*pump, 1),
		pipes:  make([]*pipe, 1),
		req:    new(httplite.Request),
		tokens: newTokens(srv.cfg.Secret),

		laterJoins: map[uint32][]mail{},
		rng:        newSpread(),
		epochs:     newEpochs(),
	}
	s.presence.s = s
	s.channelIndex = newIndex(
		func(i uint32) *uint32 { return &s.channels.At(i).link },
		func(i uint32) uint32 { return uint32(srv.homes.hash(s.names.get(s.channels.At(i).name()))) })
	s.rosterIndex = newIndex(
		func(i uint32) *uint32 { return &s.rosters.At(i).link },
		func(i uint32) uint32 { r := s.rosters.At(i); return hashRef(r.home, r.index) })
	s.seatIndex = newIndex(
		func(i uint32) *uint32 { return &s.seats.At(i).link },
		func(i uint32) uint32 { k := s.seats.At(i); return s.hashSeat(k.channel, s.names.get(k.name())) })
	if !s.channelIndex.usable() || !s.rosterIndex.usable() || !s.seatIndex.usable() {
		s.release()
		return nil, errors.New("no memory for the indexes of channels and subscribers")
	}
	s.leases = reactor.NewWheel(0, func(i uint32) *reactor.Timer { return &s.channels.At(i).lease })
	var err error
	s.loop, err = reactor.NewLoop(s, reactor.Config{
		MaxInput: srv.limits.publish.MaxInput() + 64<<10,
		Admit:    s.admit,
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
		s.release()
		return nil, err
	}
	s.conns = &conns{loop: s.loop}
	s.heads = &heads{loop: s.loop, compat: &srv.cfg.Compat, cors: &srv.cors}
	s.drain = &drain{drainClock: &srv.drainClock, loop: s.loop, rng: s.rng}
	s.homes.stores[id] = &s.names
	s.mailer = newMailer(srv.mailers, id, s.loop, s.receive)
	return s, nil
}

// refusal is what a connection is told that there is no room for.
func refusal(why error) []byte {
	reason := "no memory left for another connection"
	full := new(fullError)
	switch {
	case errors.As(why, full):
		reason = full.Error()
	case errors.Is(why, syscall.EMFILE), errors.Is(why, syscall.ENFILE):
		reason = "no descriptors left for another connection"
	case errors.Is(why, syscall.ENOSPC):
		reason = "fs.epoll.max_user_watches allows no other connection"
	}
	reason += "\n"
	dst := httplite.AppendStatus(nil, 503)
	dst = httplite.AppendHeader(dst, "Content-Type", typeText)
	dst = httplite.AppendHeader(dst, "X-Content-Type-Options", "nosniff")
	dst = retryAfter(dst, refusedSeconds)
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(reason)))
	dst = httplite.AppendHeader(dst, "Connection", "close")
	return append(httplite.EndHeaders(dst), reason...)
}

// fullError is that max-connections is met.
type fullError int

func (n fullError) Error() string {
	return fmt.Sprintf("too many connections: max-connections is %d", int(n))
}

// release gives back the memory that the collector does not see.
func (s *shard) release() {
	s.names.release()
	s.callbacks.release()
	s.channels.Release()
	s.channelIndex.buckets.Release()
	s.seats.Release()
	s.seatIndex.buckets.Release()
	s.subs.Release()
	s.rosters.Release()
	s.rosterIndex.buckets.Release()
}
