package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// StartListing serves mail.ListChannels.
func (b *Broker) StartListing(m *mail.Mail) { b.Listings = append(b.Listings, *m) }

// RunListings answers the requests for a list of channels (mail.ListChannels), within the
// turn's budget.
func (b *Broker) RunListings() {
	left, n := ScanBudget, 0
	for ; n < len(b.Listings) && left > 0; n++ {
		b.listChannels(&b.Listings[n], &left)
	}
	b.Listings = append(b.Listings[:0], b.Listings[n:]...)
}

func (b *Broker) listChannels(m *mail.Mail, left *int) {
	r, at := m.Answer(mail.ChannelsListed), m.Record()
	var lines []byte
	end := b.Channels.Used()
	for i := b.nextLive(&at, end, left); i != 0; i = b.nextLive(&at, end, left) {
		if ch := b.Channels.At(i); ch.Dialect == record.DialectOurs {
			lines = appendPresence(lines, true, b.Names.Get(ch.Name()))
		}
	}
	if len(lines) > 0 {
		r.Msg = &msg.Message{Content: lines}
	}
	r.SetRecord(at)
	if at > end {
		r.Flag |= mail.FlagEnd
	}
	b.Send(m.From, r)
}
