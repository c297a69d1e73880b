// Package broker has channels: their numbers, their history, how long they live, which
// loops have subscribers of them. A broker belongs to one loop. It knows nothing of
// connections, requests and framings, and learns of subscribers by mail.
package broker

import (
	"time"

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
	homes     *record.Homes
	totals    *limit.Totals
	tokens    *token.Tokens
	snapshots *Snapshots // nil: no state is kept

	Names        record.Names
	Channels     reactor.Slab[Channel]
	channelIndex *record.Index
	Epochs       record.Epochs
	Leases       *reactor.Wheel
	rates        record.Column[int64] // buckets of publishes, by channel
	Published    uint64               // messages, a broadcast once for each channel

	histories       histories
	HistoryBytes    int // of all channels
	HistoryMessages int
	historyHand     uint32 // the channel that was last looked at for history to let go of

	Sessions     reactor.Slab[Session]
	sessionIndex *record.Index

	Broadcasts   []broadcastScan
	ScanLeft     int         // channels that broadcasts may still look at in this turn
	Listings     []mail.Mail // that wait for an answer
	sweep        sweep
	Explanations []*explanation
	explained    uint32 // so far
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
	Loops                                 int
	ChannelTimeout                        time.Duration
	PollMost                              int // bytes of messages that a poll is given at once
}

// Open readies a broker, which has the loop of its mailer.
func (b *Broker) Open(m *mail.Mailer, loop *reactor.Loop, homes *record.Homes, totals *limit.Totals, cfg *Config, snapshots *Snapshots) error {
	b.Mailer, b.loop, b.homes, b.totals, b.cfg, b.snapshots = m, loop, homes, totals, cfg, snapshots
	b.tokens, b.Epochs = token.New(cfg.Secret), record.NewEpochs()
	homes.Stores[b.Id] = &b.Names
	b.channelIndex = record.NewIndex(
		func(i uint32) *uint32 { return &b.Channels.At(i).link },
		func(i uint32) uint32 { return uint32(b.homes.Hash(b.Names.Get(b.Channels.At(i).Name()))) })
	b.sessionIndex = record.NewIndex(
		func(i uint32) *uint32 { return &b.Sessions.At(i).link },
		func(i uint32) uint32 { k := b.Sessions.At(i); return b.hashSession(k.Channel, b.Names.Get(k.Name())) })
	b.Leases = reactor.NewWheel(0, func(i uint32) *reactor.Timer { return &b.Channels.At(i).Lease })
	if !b.channelIndex.Usable() || !b.sessionIndex.Usable() {
		return record.ErrNoIndex
	}
	return nil
}

// Release gives back the memory that the collector does not see.
func (b *Broker) Release() {
	b.Names.Release()
	b.Channels.Release()
	b.channelIndex.Release()
	b.Sessions.Release()
	b.sessionIndex.Release()
}

// Busy says whether a step of the turn has something left to do, which does not wait
// for anything.
func (b *Broker) Busy() bool {
	return b.Leases.Pending() || len(b.Broadcasts) > 0 || len(b.Listings) > 0
}

// Due is how long a turn may be waited for; below zero there is no bound.
func (b *Broker) Due(now time.Time) time.Duration {
	wait := Sooner(b.sweepDue(now), b.explanationsDue(now))
	if ticks, any := b.Leases.Next(); any {
		wait = Sooner(wait, time.Duration(ticks)*reactor.TickLength)
	}
	return wait
}

// Figures are what a broker counts.
type Figures struct {
	Published                     uint64
	Channels                      int
	HistoryBytes, HistoryMessages int

	ChannelSlab, ChannelBuckets, SessionSlab, SessionBuckets reactor.SlabFigures
	NameSlabs                                                [record.NameSizes]reactor.SlabFigures
}

func (b *Broker) Figures() Figures {
	return Figures{
		Published: b.Published, Channels: int(b.channelIndex.Count), HistoryBytes: b.HistoryBytes, HistoryMessages: b.HistoryMessages,
		ChannelSlab: b.Channels.Figures(), ChannelBuckets: b.channelIndex.Figures(),
		SessionSlab: b.Sessions.Figures(), SessionBuckets: b.sessionIndex.Figures(), NameSlabs: b.Names.Figures(),
	}
}
