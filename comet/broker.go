package comet

import (
	"time"

	"ccomet/reactor"
)

// broker has the channels whose home one loop is: their numbers, what they keep, how
// long they live, and which loops have subscribers of them. It knows of connections
// no more than their names, and hears of subscribers by mail.
type broker struct {
	*mailer
	loop      *reactor.Loop
	cfg       *brokerConfig
	homes     *homes
	totals    *totals
	tokens    *tokens
	snapshots *snapshots // nil: no state is kept

	names        names
	channels     reactor.Slab[channel]
	channelIndex *index
	epochs       epochs
	leases       *reactor.Wheel
	rates        column[int64] // buckets of publishes, by channel
	published    uint64        // messages, a broadcast once for each channel

	histories       histories
	historyBytes    int // of all channels
	historyMessages int
	historyHand     uint32 // the channel that was last looked at for history to let go of

	seats     reactor.Slab[seat]
	seatIndex *index

	walks        []walk
	walkLeft     int    // channels that broadcasts may still look at in this turn
	rollCalls    []mail // that wait for an answer
	sweep        sweep
	explanations []*explanation
	explained    uint32 // so far
}

// brokerConfig is what a broker is told; the server's Config explains it.
type brokerConfig struct {
	Tokens bool // a subscriber brings its channel's token
	Secret []byte

	MaxChannels, MaxSubscribersPerChannel int
	PublishRatePerChannel                 int
	ChannelBufferSize, ChannelBufferBytes int
	MaxHistoryBytes, HistoryMinimum       int
	Loops                                 int
	ChannelTimeout                        time.Duration
	PollMost                              int // bytes of messages that a poll is given at once
}

// open readies a broker, which has the loop of its mailer.
func (b *broker) open(m *mailer, loop *reactor.Loop, homes *homes, totals *totals, cfg *brokerConfig, snapshots *snapshots) error {
	b.mailer, b.loop, b.homes, b.totals, b.cfg, b.snapshots = m, loop, homes, totals, cfg, snapshots
	b.tokens, b.epochs = newTokens(cfg.Secret), newEpochs()
	homes.stores[b.id] = &b.names
	b.channelIndex = newIndex(
		func(i uint32) *uint32 { return &b.channels.At(i).link },
		func(i uint32) uint32 { return uint32(b.homes.hash(b.names.get(b.channels.At(i).name()))) })
	b.seatIndex = newIndex(
		func(i uint32) *uint32 { return &b.seats.At(i).link },
		func(i uint32) uint32 { k := b.seats.At(i); return b.hashSeat(k.channel, b.names.get(k.name())) })
	b.leases = reactor.NewWheel(0, func(i uint32) *reactor.Timer { return &b.channels.At(i).lease })
	if !b.channelIndex.usable() || !b.seatIndex.usable() {
		return errNoIndex
	}
	return nil
}

// release gives back the memory that the collector does not see.
func (b *broker) release() {
	b.names.release()
	b.channels.Release()
	b.channelIndex.release()
	b.seats.Release()
	b.seatIndex.release()
}

// busy says whether a step of the turn has something left to do, which does not wait
// for anything.
func (b *broker) busy() bool { return b.leases.Pending() || len(b.walks) > 0 || len(b.rollCalls) > 0 }

// due is how long a turn may be waited for; below zero there is no bound.
func (b *broker) due(now time.Time) time.Duration {
	wait := sooner(b.sweepDue(now), b.explanationsDue(now))
	if ticks, any := b.leases.Next(); any {
		wait = sooner(wait, time.Duration(ticks)*reactor.TickLength)
	}
	return wait
}

// brokerFigures are what a broker counts.
type brokerFigures struct {
	Published                     uint64
	Channels                      int
	HistoryBytes, HistoryMessages int

	ChannelSlab, ChannelBuckets, SeatSlab, SeatBuckets reactor.SlabFigures
	NameSlabs                                          [nameSizes]reactor.SlabFigures
}

func (b *broker) figures() brokerFigures {
	return brokerFigures{
		Published: b.published, Channels: int(b.channelIndex.count), HistoryBytes: b.historyBytes, HistoryMessages: b.historyMessages,
		ChannelSlab: b.channels.Figures(), ChannelBuckets: b.channelIndex.figures(),
		SeatSlab: b.seats.Figures(), SeatBuckets: b.seatIndex.figures(), NameSlabs: b.names.figures(),
	}
}
