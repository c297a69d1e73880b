package broker

import (
	"slices"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// broadcastScan is the progress of a broadcast through a loop's channels.
type broadcastScan struct {
	shared  *msg.Sharing // shares the content among this loop's channels
	at, end uint32       // next and last record to visit
}

// MaxBroadcasts limits the broadcasts that have not reached all channels. A broadcast counts
// once for each loop that has not finished it.
const MaxBroadcasts = 1024

// StartBroadcast handles mail.Broadcast. It starts before the next mail is handled, so that
// with few channels the messages of one backend keep their order.
func (b *Broker) StartBroadcast(m *mail.Mail) {
	if b.remote != nil {
		b.remote.propose(m) // it is numbered for all servers
		return
	}
	b.broadcasts = append(b.broadcasts, broadcastScan{shared: msg.NewSharing(m.Msg.Content()), at: 1, end: b.channels.Used()})
	b.RunBroadcasts()
}

// RunBroadcasts continues the current broadcasts, one after the other, within the turn's budget
// (scanLeft).
func (b *Broker) RunBroadcasts() {
	if b.remote != nil {
		b.attachments.serveOrphans()
		b.remote.runScans()
	}
	for len(b.broadcasts) > 0 {
		w := &b.broadcasts[0]
		for i := b.channels.next(&w.at, w.end, &b.scanLeft); i != 0; i = b.channels.next(&w.at, w.end, &b.scanLeft) {
			if ch := b.channels.At(i); ch.Dialect == record.DialectOurs {
				b.broadcastTo(i, w)
			}
		}
		if w.at <= w.end {
			return
		}
		b.totals.Broadcasts.Add(-1)
		b.totals.Delivering.Add(-int64(len(w.shared.Content())))
		b.broadcasts = slices.Delete(b.broadcasts, 0, 1) // Delete also clears the freed slot
	}
}

// broadcastTo publishes to one channel. All channels of the loop share the content.
func (b *Broker) broadcastTo(i uint32, w *broadcastScan) {
	b.commit(i, w.shared.Message(msg.Broadcast, b.channels.At(i).Next))
}

// Unnumbered reports whether accepted messages have no number yet: a broadcast has not reached
// all channels, or a proposal has not been answered.
func (b *Broker) Unnumbered() bool {
	return len(b.broadcasts) > 0 || b.remote != nil && b.remote.open > 0
}

// ScanBudget is how many channels each kind of scan visits in a turn.
const ScanBudget = 1024
