package broker

import (
	"slices"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// batchBudget is how many messages of batches are published in a turn, plus one mail. The rest
// waits, in order. The connection of a waiting batch is not read, so no later request overtakes
// it.
const batchBudget = 2048

// PublishBatch handles mail.PublishBatch.
func (b *Broker) PublishBatch(m *mail.Mail) {
	if len(b.batches) > 0 || b.batchLeft <= 0 {
		b.totals.Delivering.Add(int64(len(m.Buf.B))) // until it is published
		b.batches = append(b.batches, *m)
		m.Buf = nil // owned by the waiting batch
		return
	}
	b.publishBatch(m)
}

// RunBatches publishes waiting batches, within the turn's budget.
func (b *Broker) RunBatches() {
	n := 0
	for ; n < len(b.batches) && b.batchLeft > 0; n++ {
		b.totals.Delivering.Add(-int64(len(b.batches[n].Buf.B)))
		b.publishBatch(&b.batches[n])
		b.batches[n].Done()
	}
	if b.batches = slices.Delete(b.batches, 0, n); len(b.batches) == 0 {
		b.batches = pool.Emptied(b.batches) // the list may have grown long
	}
}

// publishBatch publishes the entries of a mail, in order.
func (b *Broker) publishBatch(m *mail.Mail) {
	r := m.Answer(mail.BatchPublished)
	r.Buf = pool.LargeBuffer()
	var next upcoming
	for rest := m.Buf.B; len(rest) > 0; {
		rest = next.take(rest)
		b.lookUp(&next)
		for n := range next.entries[:next.n] {
			if result, ok := b.publishEntry(m, &next.entries[n], next.channels[n]); ok {
				r.Buf.B = mail.AppendResult(r.Buf.B, result)
			}
		}
		b.batchLeft -= next.n
	}
	b.Send(m.From, r)
}

// upcoming is a group of entries of a batch, with the records of their channels; 0 if there was
// no channel at the time of the lookup. A channel's data is mostly in no processor cache. The
// lookups of a group follow each other directly, so that their cache misses overlap.
type upcoming struct {
	entries  [16]mail.Entry
	channels [16]uint32
	n        int
	near     uint8 // meaningless: it keeps the reads of upcoming data from being optimised away
}

// take decodes the first entries of a buffer, and returns the rest.
func (u *upcoming) take(buf []byte) (rest []byte) {
	for u.n = 0; u.n < len(u.entries) && len(buf) > 0; u.n++ {
		buf = u.entries[u.n].Next(buf)
	}
	return buf
}

// lookUp finds the channels of the entries, and loads the data that publishing needs into the
// cache.
func (b *Broker) lookUp(u *upcoming) {
	for n := range u.entries[:u.n] {
		e := &u.entries[n]
		u.channels[n] = b.channels.findHashed(e.Hash, e.Name)
	}
	for _, i := range u.channels[:u.n] {
		if i != 0 {
			u.near += b.histories.near(b.channels.At(i))
		}
	}
}

// publishEntry publishes an entry to the channel of record i, unless its key is known. With a
// shared log there is no result yet (ok is false): it comes with the number
// (remote.proposed). Such a log handles keys itself.
func (b *Broker) publishEntry(m *mail.Mail, e *mail.Entry, i uint32) (r mail.Result, ok bool) {
	r.Place = e.Place
	key := keyed{key: b.keys.own(e.Key)}
	if i == 0 { // an earlier entry may have created it
		i = b.channels.findHashed(e.Hash, e.Name)
	}
	if r.Seq, ok = b.keys.repeated(i, &key); ok {
		return r, true
	}
	i, code, seconds := b.channelFor(i, e.Name, true)
	switch {
	case i == 0:
		r.Code, r.Seconds = code, uint16(seconds)
		return r, true
	case b.remote != nil:
		b.remote.propose(proposalOf(m, e))
		return r, false
	}
	ch := b.channels.At(i)
	message := b.histories.newMessage(ch, msg.Data, ch.Next, e.Content)
	b.commit(i, message)
	r.Seq = message.Seq
	b.keys.keep(i, &key, r.Seq)
	return r, true
}

// proposalOf returns the proposal for an entry.
func proposalOf(m *mail.Mail, e *mail.Entry) *mail.Mail {
	one := m.Answer(mail.Publish)
	one.From, one.Op, one.Flag = m.From, mail.OpPublish, mail.FlagBatch
	one.Buf, one.Nlen = pool.NameBuffer(e.Name), uint8(len(e.Name))
	one.Buf.B = append(append(one.Buf.B, e.Key...), e.Content...)
	one.SetKeyLen(len(e.Key))
	one.SetPlace(e.Place)
	return &one
}
