package comet

// walk is a broadcast on its way through a loop's channels.
type walk struct {
	content []byte   // JSON-escaped, of all loops
	shared  *sharing // by this loop's channels
	at, end uint32   // records still to be looked at
}

// maxWalks bounds the broadcasts that have not yet been round, counted on each
// loop.
const maxWalks = 1024

// startWalk serves mailBroadcast. It is on its way before the next mail is looked
// at, so that where the channels are few, what one backend publishes keeps its
// order.
func (b *broker) startWalk(m *mail) {
	b.walks = append(b.walks, walk{content: m.msg.content, shared: newSharing(m.msg.content), at: 1, end: b.channels.Used()})
	b.runWalks()
}

// runWalks goes on with what is under way, one after the other, within the
// turn's budget (walkLeft).
func (b *broker) runWalks() {
	for len(b.walks) > 0 {
		w := &b.walks[0]
		for i := b.nextLive(&w.at, w.end, &b.walkLeft); i != 0; i = b.nextLive(&w.at, w.end, &b.walkLeft) {
			if ch := b.channels.At(i); ch.dialect == dialectOurs {
				b.add(i, &message{kind: kindBroadcast, seq: ch.next, content: w.content, shared: w.shared})
			}
		}
		if w.at <= w.end {
			return
		}
		b.totals.walks.Add(-1)
		b.walks = append(b.walks[:0], b.walks[1:]...)
	}
}

// nextLive is the next live channel from record at on, 0 when the end is reached
// or the budget.
func (b *broker) nextLive(at *uint32, end uint32, budget *int) uint32 {
	for *at <= end && *budget > 0 {
		*budget--
		*at++
		if i := *at - 1; b.channels.At(i).state == channelLive {
			return i
		}
	}
	return 0
}

// walkBudget is how many channels are looked at in a turn, by each walk.
const walkBudget = 1024
