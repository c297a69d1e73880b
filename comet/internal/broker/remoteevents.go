package broker

import (
	"slices"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// An event that concerns all channels of a partition goes through them with a budget for
// each turn, like a broadcast of this server alone. What the log sends after it waits
// meanwhile, so that each channel gets everything in the order of the log. For a channel
// whose place is being asked for, the event waits for the answer, which may include it.

// eventScan is an event on its way through the channels of a loop.
type eventScan struct {
	event   mail.Mail    // Announced, Unsettled
	shared  *msg.Sharing // of Announced
	at, end uint32       // records still to be looked at
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
			if r.waiting.answers[i] == nil && !r.is(i, attached) || r.Partition(r.b.channels.name(r.b.channels.At(i))) != partition {
				continue
			}
			event := s.event
			if event.Msg = nil; event.Kind == mail.Announced {
				event.Msg = s.shared.Message(msg.Broadcast, r.b.channels.At(i).Next)
			}
			if !r.waiting.hold(i, event) {
				r.applyEvent(i, &event)
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

// takeHeld serves what has waited for a scan, up to the next event.
func (r *remote) takeHeld() {
	n := 0
	for ; n < len(r.held) && len(r.scans) == 0; n++ {
		r.takeOrdered(&r.held[n])
		r.held[n].Done()
	}
	r.held = slices.Delete(r.held, 0, n)
}

// applyEvent applies an event to a channel, unless the channel's number includes it
// already.
func (r *remote) applyEvent(i uint32, event *mail.Mail) {
	ch, a := r.b.channels.At(i), r.attached.At(i)
	if a.state&attached == 0 || int32(event.Index()-a.index) <= 0 {
		return
	}
	a.index = event.Index()
	switch missed := event.Flag&mail.FlagMore != 0; {
	case event.Kind == mail.Announced && ch.Dialect != record.DialectOurs:
	case event.Kind == mail.Announced && a.state&unsettled == 0:
		message := event.Msg
		if message.Seq != ch.Next { // other messages were committed while it waited
			message = message.Shared().Message(msg.Broadcast, ch.Next)
		}
		r.b.commit(i, message)
	case event.Kind == mail.Unsettled && !missed:
		a.state |= unsettled
	case ch.subs > 0:
		r.attach(i, ch.Next, true) // the answer has what was missed
	default: // messages may be missing before the next one
		r.b.histories.drop(ch)
		a.state = a.state&^whole | unsettled
	}
	r.serveReached(i, event.Kind == mail.Unsettled)
}
