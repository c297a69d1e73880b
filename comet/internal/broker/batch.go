package broker

import (
	"slices"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// batchBudget is how many messages of batches are published in a turn, and one mail of them.
// The rest waits, in order; a connection whose batch waits is not read on, so that nothing
// that it asks for overtakes it.
const batchBudget = 2048

// PublishBatch serves mail.PublishBatch.
func (b *Broker) PublishBatch(m *mail.Mail) {
	if len(b.batches) > 0 || b.batchLeft <= 0 {
		b.totals.Delivering.Add(int64(len(m.Buf.B))) // until it is published
		b.batches = append(b.batches, *m)
		m.Buf = nil // it is the batch's that waits
		return
	}
	b.publishBatch(m)
}

// RunBatches continues with the batches that wait, within the turn's budget.
func (b *Broker) RunBatches() {
	n := 0
	for ; n < len(b.batches) && b.batchLeft > 0; n++ {
		b.totals.Delivering.Add(-int64(len(b.batches[n].Buf.B)))
		b.publishBatch(&b.batches[n])
		b.batches[n].Done()
	}
	if b.batches = slices.Delete(b.batches, 0, n); len(b.batches) == 0 {
		b.batches = pool.Emptied(b.batches) // it may have been many
	}
}

// publishBatch publishes what a mail has, in its order.
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

// upcoming are the messages of a batch that come next, with the records of their channels; 0:
// there was none when it was looked for. What a channel has is mostly in none of the
// processor's caches, and is waited for. Of several channels that are looked up one right
// after the other, all is waited for together.
type upcoming struct {
	entries  [16]mail.Entry
	channels [16]uint32
	n        int
	near     uint8 // says nothing, and is what reading what comes next is for
}

// take takes the first entries off a buffer, and returns the rest.
func (u *upcoming) take(buf []byte) (rest []byte) {
	for u.n = 0; u.n < len(u.entries) && len(buf) > 0; u.n++ {
		buf = u.entries[u.n].Next(buf)
	}
	return buf
}

// lookUp finds the channels of what comes next, and has what is needed of them come nearer.
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

// publishEntry publishes a message of a batch to the channel of record i, unless it has been
// already. Where a log beyond the loop numbers it, there is no result yet: it comes when the
// number does (remote.proposed). Such a log knows keys itself.
func (b *Broker) publishEntry(m *mail.Mail, e *mail.Entry, i uint32) (r mail.Result, ok bool) {
	r.Place = e.Place
	key := keyed{key: b.keys.own(e.Key)}
	if i == 0 { // one before it may have made it
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

// proposalOf is what has the message of an entry numbered elsewhere.
func proposalOf(m *mail.Mail, e *mail.Entry) *mail.Mail {
	one := m.Answer(mail.Publish)
	one.From, one.Op, one.Flag = m.From, mail.OpPublish, mail.FlagBatch
	one.Buf, one.Nlen = pool.NameBuffer(e.Name), uint8(len(e.Name))
	one.Buf.B = append(append(one.Buf.B, e.Key...), e.Content...)
	one.SetKeyLen(len(e.Key))
	one.SetPlace(e.Place)
	return &one
}
