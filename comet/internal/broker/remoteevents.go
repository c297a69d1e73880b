package broker

import (
	"slices"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

// An event for all channels of a partition is applied to them by a scan, with a budget for each
// turn, like a broadcast without a shared log. Entries of the log that come after the event
// wait meanwhile, so that each channel gets everything in the order of the log. If the position
// of a channel has been requested, its event waits for the answer, which may include it.

// eventScan applies an event to the channels of a loop.
type eventScan struct {
	event   mail.Mail    // Announced or Unsettled
	shared  *msg.Sharing // if Announced
	at, end uint32       // records that are still to be scanned
}

// beginScan starts to apply an event to the channels.
func (r *remote) beginScan(m *mail.Mail) {
	s := eventScan{event: *m, at: 1, end: r.b.channels.Used()}
	if m.Msg != nil {
		s.shared = msg.NewSharing(m.Msg.Content())
	}
	r.scans = append(r.scans, s)
	r.runScans()
}

// runScans continues the scans within the turn's budget.
func (r *remote) runScans() {
	for len(r.scans) > 0 {
		s := &r.scans[0]
		partition := s.event.Partition()
		for i := r.b.channels.next(&s.at, s.end, &r.b.scanLeft); i != 0; i = r.b.channels.next(&s.at, s.end, &r.b.scanLeft) {
			if r.b.attachments.waiting.answers[i] == nil && !r.b.attachments.is(i, attached) || r.Partition(r.b.channels.name(r.b.channels.At(i))) != partition {
				continue
			}
			event := s.event
			if event.Msg = nil; event.Kind == mail.Announced {
				event.Msg = s.shared.Message(msg.Broadcast, r.b.channels.At(i).Next)
			}
			if !r.b.attachments.waiting.hold(i, event) {
				r.b.attachments.applyEvent(i, &event)
			}
		}
		if s.at <= s.end {
			return
		}
		r.scans = slices.Delete(r.scans, 0, 1)
		r.Taken(1)
		r.takeHeld()
	}
}

// takeHeld handles the entries that have waited for a scan, up to the next event.
func (r *remote) takeHeld() {
	n := 0
	for ; n < len(r.held) && len(r.scans) == 0; n++ {
		r.takeOrdered(&r.held[n])
		r.held[n].Done()
	}
	r.held = slices.Delete(r.held, 0, n)
}
