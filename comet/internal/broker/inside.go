package broker

import (
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/reactor"
)

// Inside is what the tests of a whole server see and do at a broker, between two turns.
// Nothing else uses it, which a test holds.
type Inside struct{ b *Broker }

// Post mails the broker, as what is beyond the loops does.
func (in Inside) Post(m mail.Mail) { in.b.Inbox.Post(m) }

func (b *Broker) Inside() Inside { return Inside{b} }

// Make finds or makes a channel.
func (in Inside) Make(cname string) mail.Code {
	_, code := in.b.findOrMake([]byte(cname))
	return code
}

// Channel is a live channel's record; nil: there is none.
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

// Newest is the last message that a live channel keeps.
func (in Inside) Newest(cname string) *msg.Message {
	ch := in.Channel(cname)
	kept, _ := in.b.histories.from(ch, ch.Next-1)
	return kept.First
}

// Kept is what a channel keeps, and Oldest the number that begins with.
func (in Inside) Kept(ch *Channel) msg.Run {
	kept, _ := in.b.histories.from(ch, in.b.histories.oldest(ch))
	return kept
}
func (in Inside) Oldest(ch *Channel) int32 { return in.b.histories.oldest(ch) }

// Live counts channels, with those that are closed and not empty yet, and sessions.
func (in Inside) Live() (channels, sessions int) {
	return in.b.channels.Live(), in.b.sessions.Live()
}

// Records are one of each kind that a broker keeps in slabs.
func (Inside) Records() []any { return []any{Channel{}, session{}} }

// SameEpochs has the epochs begin where those of every test do.
func (in Inside) SameEpochs() { in.b.channels.epochs = 0 }

// Left is what a broker has left to do, which does not wait for anything.
func (in Inside) Left() map[string]int {
	return map[string]int{"broadcasts": len(in.b.broadcasts), "listings": len(in.b.Presence.listings)}
}

// Due is when the next of each kind is due that it waits for.
func (in Inside) Due(now time.Time) map[string]time.Duration {
	due := map[string]time.Duration{}
	for _, e := range in.b.Explanations.list {
		due["an explanation"] = e.Until.Sub(now)
	}
	if ticks, any := in.b.channels.leases.Next(); any {
		due["a lease"] = time.Duration(ticks) * reactor.TickLength
	}
	return due
}

// Explanations is how many are under way.
func (in Inside) Explanations() int { return len(in.b.Explanations.list) }
