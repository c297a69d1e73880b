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
func (s *shard) startWalk(m *mail) {
	s.walks = append(s.walks, walk{content: m.msg.content, shared: newSharing(m.msg.content), at: 1, end: s.channels.Used()})
	s.runWalks()
}

// runWalks goes on with what is under way, one after the other, within the
// turn's budget (walkLeft).
func (s *shard) runWalks() {
	for len(s.walks) > 0 {
		w := &s.walks[0]
		for i := s.nextLive(&w.at, w.end, &s.walkLeft); i != 0; i = s.nextLive(&w.at, w.end, &s.walkLeft) {
			if ch := s.channels.At(i); ch.dialect == dialectOurs {
				s.add(i, &message{kind: kindBroadcast, seq: ch.next, content: w.content, shared: w.shared})
			}
		}
		if w.at <= w.end {
			return
		}
		s.totals.walks.Add(-1)
		s.walks = append(s.walks[:0], s.walks[1:]...)
	}
}

// nextLive is the next live channel from record at on, 0 when the end is reached
// or the budget.
func (s *shard) nextLive(at *uint32, end uint32, budget *int) uint32 {
	for *at <= end && *budget > 0 {
		*budget--
		*at++
		if i := *at - 1; s.channels.At(i).state == channelLive {
			return i
		}
	}
	return 0
}
