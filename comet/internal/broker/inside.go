package broker

import (
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Inside lets the tests of a whole server inspect and change a broker between two turns.
// Nothing else uses it; a test enforces that.
type Inside struct{ b *Broker }

// Post mails the broker, as an authority does.
func (in Inside) Post(m mail.Mail) { in.b.Inbox.Post(m) }

func (b *Broker) Inside() Inside { return Inside{b} }

// Make finds or creates a channel.
func (in Inside) Make(cname string) mail.Code {
	_, code := in.b.findOrMake([]byte(cname))
	return code
}

// Channel returns the record of a live channel, or nil.
func (in Inside) Channel(cname string) *Channel {
	if i := in.b.channels.find([]byte(cname)); i != 0 {
		return in.b.channels.At(i)
	}
	return nil
}

// Publish publishes to a live channel.
func (in Inside) Publish(cname string, content []byte) {
	i := in.b.channels.find([]byte(cname))
	ch := in.b.channels.At(i)
	in.b.commit(i, in.b.histories.newMessage(ch, msg.Data, ch.Next, content))
}

// Close closes a live channel.
func (in Inside) Close(cname string) {
	i := in.b.channels.find([]byte(cname))
	ch := in.b.channels.At(i)
	in.b.commit(i, in.b.histories.newMessage(ch, msg.Close, ch.Next, nil))
}

// Newest returns the last stored message of a live channel.
func (in Inside) Newest(cname string) *msg.Message {
	ch := in.Channel(cname)
	kept, _ := in.b.histories.from(ch, ch.Next-1)
	return kept.First
}

// Kept returns the stored messages of a channel, Oldest the number of the first.
func (in Inside) Kept(ch *Channel) msg.Run {
	kept, _ := in.b.histories.from(ch, in.b.histories.oldest(ch))
	return kept
}
func (in Inside) Oldest(ch *Channel) int32 { return in.b.histories.oldest(ch) }

// Live counts the channels, including closed ones with subscribers left, and the sessions.
func (in Inside) Live() (channels, sessions int) {
	return in.b.channels.Live(), in.b.sessions.Live()
}

// Records returns one record of each kind that a broker keeps in slabs.
func (Inside) Records() []any { return []any{Channel{}, session{}} }

// SameEpochs makes the epochs the same in each test run: they are counted from a number on.
func (in Inside) SameEpochs(from uint32) { in.b.channels.epochs = record.Epochs(from) }

// Left counts the work that need not wait for an event.
func (in Inside) Left() map[string]int {
	return map[string]int{"broadcasts": len(in.b.broadcasts), "listings": len(in.b.Presence.listings)}
}

// Due returns the time until the next deadline of each kind.
func (in Inside) Due(now time.Time) map[string]time.Duration {
	due := map[string]time.Duration{}
	for _, e := range in.b.Explanations.list {
		due["an explanation"] = e.until.Sub(now)
	}
	if ticks, any := in.b.channels.leases.Next(); any {
		due["a lease"] = time.Duration(ticks) * reactor.TickLength
	}
	return due
}

// Explanations returns the number of reports in progress.
func (in Inside) Explanations() int { return len(in.b.Explanations.list) }
