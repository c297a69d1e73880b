package broker

import (
	"slices"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// What concerns all channels of a partition goes through them some at a time, like a
// broadcast of this server's own. What comes from the log behind it waits meanwhile, so that
// each channel has it at its place in the log. A channel whose place is being asked for has it
// behind the answer, unless that has seen it.

// eventScan is an event on its way through a loop's channels.
type eventScan struct {
	event   mail.Mail    // Announced, Unsettled
	shared  *msg.Sharing // of Announced
	at, end uint32       // records still to be looked at
}

// begin begins with an event.
func (r *remote) begin(m *mail.Mail) {
	s := eventScan{event: *m, at: 1, end: r.b.channels.Used()}
	if m.Msg != nil {
		s.shared = msg.NewSharing(m.Msg.Content())
	}
	r.scans = append(r.scans, s)
	r.runEvents()
}

// runEvents goes on with what is under way, within the turn's budget.
func (r *remote) runEvents() {
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
				r.reach(i, &event)
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

// takeHeld takes what has waited, up to the next event.
func (r *remote) takeHeld() {
	n := 0
	for ; n < len(r.held) && len(r.scans) == 0; n++ {
		r.take(&r.held[n])
		r.held[n].Done()
	}
	r.held = slices.Delete(r.held, 0, n)
}

// reach has an event reach a channel, whose number has not seen it.
func (r *remote) reach(i uint32, event *mail.Mail) {
	ch, a := r.b.channels.At(i), r.attached.At(i)
	if a.state&attached == 0 || int32(event.Index()-a.index) <= 0 {
		return
	}
	a.index = event.Index()
	switch missed := event.Flag&mail.FlagMore != 0; {
	case event.Kind == mail.Announced && ch.Dialect != record.DialectOurs:
	case event.Kind == mail.Announced && a.state&unsettled == 0:
		message := event.Msg
		if message.Seq != ch.Next { // it has waited
			message = message.Shared().Message(msg.Broadcast, ch.Next)
		}
		r.b.commit(i, message)
	case event.Kind == mail.Unsettled && !missed:
		a.state |= unsettled
	case ch.subs > 0:
		r.attach(i, ch.Next, true) // which brings it
	default: // what is kept here may lack something before the next message
		r.b.histories.drop(ch)
		a.state = a.state&^whole | unsettled
	}
	r.reached(i, event.Kind == mail.Unsettled)
}
