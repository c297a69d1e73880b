// Package broker owns channels: their numbers, their history, their leases, and the set of
// loops that have subscribers of them. A broker belongs to one loop. It knows nothing of
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

// Broker owns the channels whose home is one loop. It belongs to the loop's goroutine.
type Broker struct {
	*mail.Mailer
	loop        *reactor.Loop
	cfg         *Config
	totals      *limit.Totals
	tokens      *token.Tokens
	snapshots   *Snapshots   // nil: no state file
	remote      *remote      // the shared log; nil: the broker's own log numbers messages
	attachments *attachments // of the channels to the shared log; nil: there is none
	judge       Judge        // nil: tokens alone decide which clients may subscribe

	names     record.Names // of channels, and of sessions
	channels  channels
	histories histories
	sessions  sessions
	rates     rates
	published uint64 // published messages; a broadcast counts once for each channel
	pinned    pinned

	keys      publishKeys
	batches   []mail.Mail // waiting for their turn
	batchLeft int         // messages of batches that this turn may still publish

	broadcasts []broadcastScan
	scanLeft   int // channels that broadcasts may still visit in this turn

	Presence     Presence
	Explanations Explanations
}

// Config configures a broker. The comments of the server's Config explain its fields.
type Config struct {
	Tokens bool // a subscriber must send its channel's token
	Secret []byte

	MaxChannels, MaxSubscribersPerChannel int
	PublishRatePerChannel                 int
	ChannelBufferSize, ChannelBufferBytes int
	MaxHistoryBytes, HistoryMinimum       int
	MaxDelivering                         int // bytes of messages on their way to subscribers, on all loops
	MaxPublishKeys                        int // on all loops
	Loops                                 int
	ChannelTimeout                        time.Duration
	AttachTime                            time.Duration // how long requests wait for the shared log
	PollMost                              int           // bytes of messages in one answer to a poll

	Authority func(loop uint8, home Inbox) Authority // nil: the broker's own log numbers messages
	Judge     func(Inbox) Judge                      // nil: tokens alone decide which clients may subscribe
}

// Open initialises a broker, which belongs to the loop of its mailer. If from is not nil, the
// broker continues the state of another program's broker.
func (b *Broker) Open(m *mail.Mailer, loop *reactor.Loop, homes *record.Homes, totals *limit.Totals, cfg *Config, snapshots *Snapshots, from *handover.Reader) error {
	b.Mailer, b.loop, b.totals, b.cfg, b.snapshots = m, loop, totals, cfg, snapshots
	b.tokens = token.New(cfg.Secret)
	homes.Stores[b.ID] = &b.names
	b.Presence.b, b.Explanations.b = b, b
	b.channels.open(loop, homes, &b.names)
	b.histories.open(cfg, totals, &b.channels)
	b.rates.ceiling = limit.Rate(cfg.PublishRatePerChannel)
	b.sessions.open(homes, &b.names)
	b.keys.open(cfg, totals, &b.channels)
	if cfg.Authority != nil {
		log := cfg.Authority(m.ID, m.Inbox)
		b.remote, b.attachments = &remote{Authority: log, b: b}, newAttachments(b, log)
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

// Release frees the memory that is outside the Go heap.
func (b *Broker) Release() {
	b.names.Release()
	b.channels.release()
	b.sessions.release()
	b.keys.release()
}

// BeginTurn sets the budgets of a new turn.
func (b *Broker) BeginTurn() {
	b.scanLeft, b.batchLeft = ScanBudget, batchBudget
	b.keys.expire(b.loop.Tick(), ScanBudget)
	b.histories.readOn()
}

// Published returns the number of published messages. A broadcast counts once for each channel.
// With a shared log it counts the messages published at this server, and a broadcast once.
func (b *Broker) Published() uint64 { return b.published }

// Busy reports whether the next turn has work that need not wait for an event.
func (b *Broker) Busy() bool {
	return b.channels.leases.Pending() || len(b.broadcasts) > 0 || b.remote.busy() || len(b.Presence.listings) > 0 || len(b.batches) > 0 || b.histories.unread != nil
}

// Due returns how long the loop may sleep; a negative value means no limit.
func (b *Broker) Due(now time.Time) time.Duration {
	wait := Sooner(b.attachments.due(now), Sooner(b.Presence.due(now), b.Explanations.due(now)))
	if ticks, any := b.channels.leases.Next(); any {
		wait = Sooner(wait, time.Duration(ticks)*reactor.TickLength)
	}
	return wait
}

// Figures are the counters of a broker.
type Figures struct {
	Published, Repeated           uint64 // Repeated: publishes with a known key
	Channels                      int
	HistoryBytes, HistoryMessages int

	ChannelSlab, ChannelBuckets, SessionSlab, SessionBuckets reactor.SlabFigures
	KeySlab, KeyBuckets                                      reactor.SlabFigures
	NameSlabs                                                [record.NameSizes]reactor.SlabFigures
}

// Figures returns the counters. Only the loop's goroutine may call it.
func (b *Broker) Figures() Figures {
	return Figures{
		Published: b.published, Repeated: b.keys.repeats, KeySlab: b.keys.records.Figures(), KeyBuckets: b.keys.index.Figures(),
		Channels: int(b.channels.index.Count), HistoryBytes: b.histories.bytes, HistoryMessages: b.histories.messages,
		ChannelSlab: b.channels.Figures(), ChannelBuckets: b.channels.index.Figures(),
		SessionSlab: b.sessions.Figures(), SessionBuckets: b.sessions.index.Figures(), NameSlabs: b.names.Figures(),
	}
}
