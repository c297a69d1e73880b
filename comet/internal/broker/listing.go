package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// StartListing serves mail.ListChannels.
func (b *Broker) StartListing(m *mail.Mail) { b.listings = append(b.listings, *m) }

// RunListings answers the requests for a list of channels (mail.ListChannels), within the
// turn's budget.
func (b *Broker) RunListings() {
	left, n := ScanBudget, 0
	for ; n < len(b.listings) && left > 0; n++ {
		b.listChannels(&b.listings[n], &left)
	}
	b.listings = append(b.listings[:0], b.listings[n:]...)
}

func (b *Broker) listChannels(m *mail.Mail, left *int) {
	r, at := m.Answer(mail.ChannelsListed), m.Record()
	var lines []byte
	end := b.channels.Used()
	for i := b.channels.next(&at, end, left); i != 0; i = b.channels.next(&at, end, left) {
		if ch := b.channels.At(i); ch.Dialect == record.DialectOurs {
			lines = appendPresence(lines, true, b.channels.name(ch))
		}
	}
	if len(lines) > 0 {
		r.Msg = msg.Of(0, 0, lines)
	}
	r.SetRecord(at)
	if at > end {
		r.Flag |= mail.FlagEnd
	}
	b.Send(m.From, r)
}
