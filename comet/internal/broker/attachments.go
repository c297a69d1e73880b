package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// attachments holds what a broker knows of its channels in a shared log, and the requests that
// wait for the log.
//
// A channel is attached to the log when a request first needs it, and detached when its record
// is freed. While it is attached, its next number is that of the log, as far as this server has
// read the log. Messages that the log sends in order are committed here as if this broker had
// numbered them. A request waits if its channel is not attached, or if it wants messages that
// this server does not have (parking.go).
type attachments struct {
	b       *Broker
	log     Authority
	states  record.Column[attachment]
	waiting waiting
	serving uint32 // a channel whose waiting requests are being handled; 0: none
	skipped uint64 // how often numbers of a channel were skipped
}

// attachment is the state of a channel's connection to the log.
type attachment struct {
	index uint32 // of the last event of its partition that its next number includes
	state attachmentState
}

type attachmentState uint8

const (
	attached  attachmentState = 1 << iota
	whole                     // this server has every message that the log stores
	unsettled                 // its next number must be requested, or comes with its next message
	alive                     // it is signed, or has had subscribers here
)

func newAttachments(b *Broker, log Authority) *attachments {
	t := &attachments{b: b, log: log, waiting: newWaiting()}
	b.histories.short = func(channel uint32) { t.states.At(channel).state &^= whole } // the log may have more
	return t
}

// is reports whether a channel is in all of these states.
func (t *attachments) is(i uint32, states attachmentState) bool {
	return t.states.At(i).state&states == states
}

// lives reports whether an attached channel is signed, at any server, or has had subscribers.
// If the receiver is nil, every channel lives.
func (t *attachments) lives(i uint32) bool { return t == nil || t.is(i, alive) }

// detach detaches a channel whose name has been removed.
func (t *attachments) detach(i uint32) {
	if t.waiting.answers[i] != nil || t.is(i, attached) {
		if n := t.waiting.orphan(i); n > 0 {
			t.log.Taken(n)
		}
		t.log.Detach(t.b.channels.name(t.b.channels.At(i)))
	}
	*t.states.At(i) = attachment{}
}

// apply applies an entry of the log to its channel.
func (t *attachments) apply(i uint32, m *mail.Mail) {
	switch {
	case !t.is(i, attached):
	case m.Op == mail.OpClear:
		t.dropBefore(i, m.Seq)
	case m.Msg == nil:
	case m.Msg.Kind == msg.JoinNotice:
		t.b.commit(i, m.Msg)
	default:
		t.commit(i, m.Msg)
		t.serveReached(i, false)
	}
}

// commit commits a message that the log has numbered, unless this server has it already.
func (t *attachments) commit(i uint32, message *msg.Message) {
	ch := t.b.channels.At(i)
	if message.Seq-ch.Next < 0 {
		return
	}
	t.skipTo(ch, message.Seq)
	t.states.At(i).state &^= unsettled
	t.b.commit(i, message)
}

// skipTo sets the next number of a channel to next if that is higher.
func (t *attachments) skipTo(ch *Channel, next int32) {
	if next-ch.Next > 0 {
		t.skipped++
		ch.Next = next
	}
}

// dropBefore drops the messages of a channel below a number.
func (t *attachments) dropBefore(i uint32, before int32) {
	t.b.histories.dropBefore(t.b.channels.At(i), before)
	t.states.At(i).state |= whole
}

// applyEvent applies an event to a channel, unless the channel's number includes it already.
func (t *attachments) applyEvent(i uint32, event *mail.Mail) {
	ch, a := t.b.channels.At(i), t.states.At(i)
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
		t.b.commit(i, message)
	case event.Kind == mail.Unsettled && !missed:
		a.state |= unsettled
	case ch.subs > 0:
		t.attach(i, ch.Next, true) // the answer has the messages that were missed
	default: // messages before the next one may be missing
		t.b.histories.drop(ch)
		a.state = a.state&^whole | unsettled
	}
	t.serveReached(i, event.Kind == mail.Unsettled)
}
