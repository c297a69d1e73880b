package comet

import (
	"context"
	"sync/atomic"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
	"ccomet/reactor"
)

// How the figures of a server are collected. Each loop is asked for its own:
//
//  1. Figures adds itself to each shard's list of watchers. The first one on the list sends a mail.
//     So a loop that does not answer is asked once, however many calls are made.
//  2. The shard answers all of them in the same turn (tellFigures). Its actors count as things
//     change, so nothing is walked.
//  3. If a loop has not answered in time, Figures returns what is known without it.

// Figures are all figures of a server. Those of a loop are from one of its turns.
type Figures struct {
	Stats
	Draining bool
	Walks    int64 // broadcasts that have not reached all channels, counted once for each loop that has not finished
	// OnTheirWay is the bytes of messages that are on their way to subscribers, counted once for
	// each loop that has some.
	OnTheirWay int64
	Limits     []LimitFigures
	State      *StateFigures // nil: there is no state file
	Loops      []LoopFigures
}

// limitValues returns the configured limits, 0 for none.
func (srv *Server) limitValues() [limit.NumLimits]int {
	cfg := &srv.cfg
	return [limit.NumLimits]int{
		cfg.MaxChannels, cfg.MaxSubscribersPerChannel, cfg.MaxConnections, cfg.MaxConnectionsPerAddress,
		cfg.MaxHistoryBytes, cfg.MaxHeldBytes, cfg.PublishRatePerChannel, cfg.PublishRatePerAddress,
		cfg.WSMaxMessage, cfg.WSRate, cfg.WSMaxChannels,
		cfg.MaxPublishKeys,
	}
}

// LimitFigures are the figures of one limit, under the name of its setting.
type LimitFigures struct {
	Name  string
	Value int64 // 0: no limit
	Met   int64 // how often it was hit since the start
}

// StateFigures are the figures of the state file.
type StateFigures struct {
	Written  time.Time     // when the last successful write was; zero: never
	Took     time.Duration // duration of the last successful write
	Bytes    int64
	Failures int64 // failed writes
}

// LoopFigures are the figures of a loop, as of the turn in which it answered. If Answered is false,
// it did not answer in time: then only Mailbox, Most, MailboxBytes and Reactor.Stats are set.
type LoopFigures struct {
	Answered      bool
	Reactor       reactor.Figures
	Mailbox, Most int // mail in the queue, and the most of it since the last call of Figures
	MailboxBytes  int // bytes of the names and contents in that mail

	Counters
	Mails           uint64 // mail received, including that from itself
	Published       uint64 // messages numbered here; a broadcast counts once for each channel
	Repeated        uint64 // publishes that were answered with an earlier message with the same key
	Delivered       uint64 // messages written to live subscribers
	Channels        int    // channels whose home is this loop
	HistoryBytes    int    // that these channels keep
	HistoryMessages int
	Slabs           [slabs]reactor.SlabFigures // by SlabNames
}

// Counters are counted as things change. The first three are current values, the rest count since
// the start.
type Counters struct {
	Connections [conn.NumSides][conn.NumStates]int64 // by SideNames and StateNames
	Subscribers [frame.NumCounted]int64              // by TransportNames; a connection counts once for each of its channels
	Behind      int64                                // stuck subscribers: they lack messages that their channels keep

	Requests   uint64
	Broadcasts uint64 // received on this loop
	Replayed   uint64 // messages from the history, for subscribers that came back or were no longer stuck
	Batches    uint64 // requests to /publish received on this loop
	Histories  uint64 // answers to /history with the kept messages
	Unchanged  uint64 // answers to /history that there is nothing new
	Heartbeats uint64
	Lost       uint64 // messages that a subscriber wanted and that were no longer kept

	Sockets web.SocketFigures // of WebSockets, by OpNames, CloserNames and CloseNames
}

// SideNames, StateNames, TransportNames and SlabNames name the elements of the arrays in a loop's
// figures; OpNames, CloserNames and CloseNames those of WebSockets.
var (
	SideNames      = conn.SideNames
	StateNames     = conn.StateNames
	TransportNames = frame.CountedNames()
	OpNames        = web.OpNames
	CloserNames    = web.CloserNames
	CloseNames     = web.CloseNames()
	SlabNames      = [slabs]string{
		slabConnection: "connection", slabSubscriber: "subscriber", slabRoster: "roster", slabRosterBucket: "roster_bucket",
		slabChannel: "channel", slabChannelBucket: "channel_bucket", slabSession: "session", slabSessionBucket: "session_bucket",
		slabKey: "publish_key", slabKeyBucket: "publish_key_bucket",
		slabNames: "name_16", "name_24", "name_32", "name_48", "name_64", "name_128", "name_256",
	}
)

// Indexes of LoopFigures.Slabs.
const (
	slabConnection = iota
	slabSubscriber
	slabRoster
	slabRosterBucket
	slabChannel
	slabChannelBucket
	slabSession
	slabSessionBucket
	slabKey
	slabKeyBucket
	slabNames // one for each size
	slabs     = slabNames + record.NameSizes
)

// watcher is a call of Figures that waits for a shard's answer.
type watcher struct {
	next *watcher
	n    int // length of the list from this one on
	to   chan<- loopAnswer
}

type loopAnswer struct {
	loop uint8
	LoopFigures
}

// watchers is a shard's list of watchers.
type watchers struct{ list atomic.Pointer[watcher] }

// maxWatchers bounds the calls of Figures that wait for a loop that does not answer.
const maxWatchers = 16

// Figures asks all loops, and waits for their answers until ctx is done. Any goroutine may call it,
// several at once, too.
func (srv *Server) Figures(ctx context.Context) Figures {
	answers, asked := srv.askLoops()
	return srv.collect(ctx, answers, asked)
}

// askLoops asks the loops. It returns the channel for their answers, and how many loops were asked.
func (srv *Server) askLoops() (to <-chan loopAnswer, asked int) {
	answers := make(chan loopAnswer, len(srv.shards)) // it has room for all: no loop waits
	for _, s := range srv.shards {
		added, first := s.watchers.add(answers)
		if added {
			asked++
		}
		if first {
			s.Inbox.Post(mail.Mail{Kind: mail.TellFigures})
		}
	}
	return answers, asked
}

// add adds a watcher. It reports whether there was room, and whether it is the first: then the loop
// must be told.
func (a *watchers) add(to chan<- loopAnswer) (added, first bool) {
	for {
		next := a.list.Load()
		one := &watcher{next: next, n: 1, to: to}
		if next != nil {
			if one.n = next.n + 1; one.n > maxWatchers {
				return false, false
			}
		}
		if a.list.CompareAndSwap(next, one) {
			return true, next == nil
		}
	}
}

func (srv *Server) collect(ctx context.Context, answers <-chan loopAnswer, asked int) Figures {
	f := Figures{Stats: srv.Stats(), Draining: srv.Deadline.Load() != 0, Walks: srv.totals.Broadcasts.Load(), OnTheirWay: srv.totals.Delivering.Load(), Loops: make([]LoopFigures, len(srv.shards))}
	if srv.state.kept() {
		f.State = srv.state.figures()
	}
	for i, value := range srv.limitValues() {
		f.Limits = append(f.Limits, LimitFigures{limit.Names[i], int64(value), srv.totals.Hits[i].Times.Load()})
	}
	for i := range f.Loops {
		f.Loops[i].Reactor.Stats = srv.shards[i].loop.Stats()
	}
	for range asked {
		a, ok := next(ctx, answers)
		if !ok {
			break
		}
		f.Loops[a.loop] = a.LoopFigures
	}
	for i := range f.Loops {
		f.Loops[i].Mailbox, f.Loops[i].Most = srv.shards[i].Inbox.Depth()
		f.Loops[i].MailboxBytes = int(srv.shards[i].Borrowed())
	}
	return f
}

// next returns the next answer, if it comes before ctx is done.
func next(ctx context.Context, answers <-chan loopAnswer) (a loopAnswer, ok bool) {
	select {
	case a = <-answers:
		return a, true
	default:
	}
	select {
	case a = <-answers:
		return a, true
	case <-ctx.Done():
		return a, false
	}
}

// tellFigures answers all watchers.
func (s *shard) tellFigures() {
	list := s.watchers.list.Swap(nil)
	if list == nil {
		return
	}
	answer := loopAnswer{s.ID, s.loopFigures()}
	for ; list != nil; list = list.next {
		list.to <- answer
	}
}

func (s *shard) loopFigures() LoopFigures {
	r, w, h, b := s.loop.Figures(), s.web.Figures(), s.hub.Figures(), s.broker.Figures()
	f := LoopFigures{
		Answered: true, Reactor: r, Mails: s.Mails,
		Published: b.Published, Repeated: b.Repeated, Delivered: h.Delivered, Channels: b.Channels, HistoryBytes: b.HistoryBytes, HistoryMessages: b.HistoryMessages,
		Counters: Counters{
			Connections: w.Connections, Subscribers: h.Subscribers, Behind: h.Behind, Requests: w.Requests, Broadcasts: w.Broadcasts,
			Batches: w.Batches, Histories: w.Histories, Unchanged: w.Unchanged,
			Replayed: h.Replayed, Heartbeats: h.Heartbeats, Lost: h.Lost,
			Sockets: w.Sockets,
		},
		Slabs: [slabs]reactor.SlabFigures{
			slabConnection: r.Records, slabSubscriber: h.SubscriberSlab, slabRoster: h.RosterSlab, slabRosterBucket: h.RosterBuckets,
			slabChannel: b.ChannelSlab, slabChannelBucket: b.ChannelBuckets, slabSession: b.SessionSlab, slabSessionBucket: b.SessionBuckets,
			slabKey: b.KeySlab, slabKeyBucket: b.KeyBuckets,
		},
	}
	for i, names := range b.NameSlabs { // including JSONP callbacks
		callbacks := h.CallbackSlabs[i]
		names.Live += callbacks.Live
		names.Room += callbacks.Room
		names.Mapped += callbacks.Mapped
		f.Slabs[slabNames+i] = names
	}
	return f
}
