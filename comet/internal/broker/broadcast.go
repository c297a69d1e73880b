package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// walk is a broadcast on its way through a loop's channels.
type broadcastScan struct {
	content []byte       // JSON-escaped, of all loops
	shared  *msg.Sharing // by this loop's channels
	at, end uint32       // records still to be looked at
}

// maxWalks bounds the broadcasts that have not yet been round, counted on each
// loop.
const MaxBroadcasts = 1024

// startWalk serves mailBroadcast. It is on its way before the next mail is looked
// at, so that where the channels are few, what one backend publishes keeps its
// order.
func (b *Broker) StartBroadcast(m *mail.Mail) {
	b.Broadcasts = append(b.Broadcasts, broadcastScan{content: m.Msg.Content, shared: msg.NewSharing(m.Msg.Content), at: 1, end: b.Channels.Used()})
	b.RunBroadcasts()
}

// runWalks goes on with what is under way, one after the other, within the
// turn's budget (walkLeft).
func (b *Broker) RunBroadcasts() {
	for len(b.Broadcasts) > 0 {
		w := &b.Broadcasts[0]
		for i := b.nextLive(&w.at, w.end, &b.ScanLeft); i != 0; i = b.nextLive(&w.at, w.end, &b.ScanLeft) {
			if ch := b.Channels.At(i); ch.Dialect == record.DialectOurs {
				b.add(i, &msg.Message{Kind: msg.Broadcast, Seq: ch.Next, Content: w.content, Shared: w.shared})
			}
		}
		if w.at <= w.end {
			return
		}
		b.totals.Broadcasts.Add(-1)
		b.Broadcasts = append(b.Broadcasts[:0], b.Broadcasts[1:]...)
	}
}

// nextLive is the next live channel from record at on, 0 when the end is reached
// or the budget.
func (b *Broker) nextLive(at *uint32, end uint32, budget *int) uint32 {
	for *at <= end && *budget > 0 {
		*budget--
		*at++
		if i := *at - 1; b.Channels.At(i).State == ChannelLive {
			return i
		}
	}
	return 0
}

// walkBudget is how many channels are looked at in a turn, by each walk.
const ScanBudget = 1024
