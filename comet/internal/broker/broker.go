// Package broker has channels: their numbers, their history, how long they live, which
// loops have subscribers of them. A broker belongs to one loop. It knows nothing of
// connections, requests and framings, and learns of subscribers by mail.
package broker

import (
	"errors"
	"time"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
	"ccomet/reactor"
)

// Broker has the channels whose home one loop is: their numbers, what they keep, how
// long they live, and which loops have subscribers of them. It knows of connections
// no more than their names, and hears of subscribers by mail.
type Broker struct {
	*mail.Mailer
	loop      *reactor.Loop
	cfg       *Config
	totals    *limit.Totals
	tokens    *token.Tokens
	snapshots *Snapshots // nil: no state is kept
	remote    *remote    // the log beyond the loop; nil: the broker's own log numbers messages
	judge     Judge      // nil: tokens alone decide which clients may subscribe

	names     record.Names // of channels, and of sessions
	channels  channels
	histories histories
	sessions  sessions
	rates     rates
	published uint64 // messages, a broadcast once for each channel
	pinned    pinned

	keys      publishKeys
	batches   []mail.Mail // that wait for a turn
	batchLeft int         // messages of them that the turn has left

	broadcasts []broadcastScan
	scanLeft   int // channels that broadcasts may still look at in this turn

	Presence     Presence
	Explanations Explanations
}

// Config is what a broker needs of the server's Config, which explains it.
type Config struct {
	Tokens bool // a subscriber brings its channel's token
	Secret []byte

	MaxChannels, MaxSubscribersPerChannel int
	PublishRatePerChannel                 int
	ChannelBufferSize, ChannelBufferBytes int
	MaxHistoryBytes, HistoryMinimum       int
	MaxDelivering                         int // bytes of messages on their way to subscribers
	MaxPublishKeys                        int // that all loops remember
	Loops                                 int
	ChannelTimeout                        time.Duration
	AttachTime                            time.Duration // that requests wait for a log beyond the loops
	PollMost                              int           // bytes of messages that a poll is given at once

	Authority func(loop uint8, home Inbox) Authority // nil: the broker's own log numbers messages
	Judge     func(Inbox) Judge                      // nil: tokens alone decide which clients may subscribe
}

// Open readies a broker, which has the loop of its mailer. from, if it is not nil, has the
// one that it goes on for.
func (b *Broker) Open(m *mail.Mailer, loop *reactor.Loop, homes *record.Homes, totals *limit.Totals, cfg *Config, snapshots *Snapshots, from *handover.Reader) error {
	b.Mailer, b.loop, b.totals, b.cfg, b.snapshots = m, loop, totals, cfg, snapshots
	b.tokens = token.New(cfg.Secret)
	homes.Stores[b.Id] = &b.names
	b.Presence.b, b.Explanations.b = b, b
	b.channels.open(loop, homes, &b.names)
	b.histories.open(cfg, totals, &b.channels)
	b.rates.ceiling = limit.Rate(cfg.PublishRatePerChannel)
	b.sessions.open(homes, &b.names)
	b.keys.open(cfg, totals, &b.channels)
	if cfg.Authority != nil {
		b.remote = newRemote(b, cfg.Authority(m.Id, m.Inbox))
	}
	if cfg.Judge != nil {
		b.judge = cfg.Judge(m.Inbox)
	}
	if from != nil {
		return b.resumeFrom(from)
	}
	arena := loop.Arena()
	b.names.In(arena)
	return errors.Join(b.channels.begin(arena), b.sessions.begin(arena), b.keys.begin(arena))
}

// Release gives back the memory that the collector does not see.
func (b *Broker) Release() {
	b.names.Release()
	b.channels.release()
	b.sessions.release()
	b.keys.release()
}

// BeginTurn gives what takes long the budget of another turn.
func (b *Broker) BeginTurn() {
	b.scanLeft, b.batchLeft = ScanBudget, batchBudget
	b.keys.expire(b.loop.Tick(), ScanBudget)
	b.histories.readOn()
}

// Published counts messages, a broadcast once for each channel; with a log beyond the loops those
// that were published here, a broadcast once.
func (b *Broker) Published() uint64 { return b.published }

// Busy says whether a step of the turn has something left to do, which does not wait
// for anything.
func (b *Broker) Busy() bool {
	return b.channels.leases.Pending() || len(b.broadcasts) > 0 || b.remote.busy() || len(b.Presence.listings) > 0 || len(b.batches) > 0 || b.histories.unread != nil
}

// Due is how long a turn may be waited for; below zero there is no bound.
func (b *Broker) Due(now time.Time) time.Duration {
	wait := Sooner(b.remote.due(now), Sooner(b.Presence.due(now), b.Explanations.due(now)))
	if ticks, any := b.channels.leases.Next(); any {
		wait = Sooner(wait, time.Duration(ticks)*reactor.TickLength)
	}
	return wait
}

// Figures are what a broker counts.
type Figures struct {
	Published, Repeated           uint64 // Repeated: publishes whose key was known
	Channels                      int
	HistoryBytes, HistoryMessages int

	ChannelSlab, ChannelBuckets, SessionSlab, SessionBuckets reactor.SlabFigures
	KeySlab, KeyBuckets                                      reactor.SlabFigures
	NameSlabs                                                [record.NameSizes]reactor.SlabFigures
}

// Figures are the broker's. Only the loop's goroutine may ask.
func (b *Broker) Figures() Figures {
	return Figures{
		Published: b.published, Repeated: b.keys.repeats, KeySlab: b.keys.records.Figures(), KeyBuckets: b.keys.index.Figures(),
		Channels: int(b.channels.index.Count), HistoryBytes: b.histories.bytes, HistoryMessages: b.histories.messages,
		ChannelSlab: b.channels.Figures(), ChannelBuckets: b.channels.index.Figures(),
		SessionSlab: b.sessions.Figures(), SessionBuckets: b.sessions.index.Figures(), NameSlabs: b.names.Figures(),
	}
}
