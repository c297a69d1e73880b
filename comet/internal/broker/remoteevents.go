package broker

import (
	"slices"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// What concerns all channels of a partition goes through them some at a time, like a
// broadcast of this server's own. What comes from the log behind it waits meanwhile, so that
// each channel has it at its place in the log.

// eventScan is an event on its way through a loop's channels.
type eventScan struct {
	kind      mail.Kind // Announced, Unsettled
	missed    bool      // of Unsettled: messages may have been missed
	partition uint32
	index     uint32
	shared    *msg.Sharing // of Announced
	at, end   uint32       // records still to be looked at
}

// begin begins with an event, unless it has come already.
func (r *remote) begin(m *mail.Mail) {
	p := m.Partition()
	if int32(m.Index()-r.seen[p]) <= 0 {
		return
	}
	s := eventScan{kind: m.Kind, missed: m.Flag&mail.FlagMore != 0, partition: p, index: m.Index(), at: 1, end: r.b.channels.Used()}
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
		for i := r.b.nextLive(&s.at, s.end, &r.b.scanLeft); i != 0; i = r.b.nextLive(&s.at, s.end, &r.b.scanLeft) {
			if state := *r.attached.At(i); state&attached != 0 && r.Partition(r.b.names.Get(r.b.channels.At(i).Name())) == s.partition {
				r.reach(i, s)
			}
		}
		if s.at <= s.end {
			return
		}
		r.seen[s.partition] = s.index
		r.scans = slices.Delete(r.scans, 0, 1)
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

// reach has an event reach a channel.
func (r *remote) reach(i uint32, s *eventScan) {
	ch := r.b.channels.At(i)
	if upTo, is := r.ahead[i]; is {
		if int32(upTo-s.index) <= 0 {
			delete(r.ahead, i)
		}
		if int32(upTo-s.index) >= 0 {
			return // its number has seen it
		}
	}
	if r.attaching(i) {
		return // the answer has seen it, or is asked for again
	}
	switch state := r.attached.At(i); {
	case s.kind == mail.Announced && ch.Dialect != record.DialectOurs:
	case s.kind == mail.Announced && *state&unsettled != 0:
		r.attach(i, ch.Next) // which brings it
	case s.kind == mail.Announced:
		r.b.commit(i, s.shared.Message(msg.Broadcast, ch.Next))
	case s.missed && ch.subs > 0:
		r.attach(i, ch.Next)
	default:
		*state |= unsettled
	}
}
