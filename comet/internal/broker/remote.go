package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
)

// remote is a broker's side of its authority.
//
// A channel is attached when somebody here asks for it, and detached when its record is
// freed. While it is attached, its next number is what the log's is, as far as this server
// has read it; what comes from the log in order is committed here as if it had been numbered
// here. What is asked of a channel meanwhile waits for the answer.
type remote struct {
	Authority
	b        *Broker
	attached record.Column[attachment]
	waiting  map[uint32][]mail.Mail // by channel that is being attached: what waits for that, in order
	open     int                    // proposals that have not come back
	seen     map[uint32]uint32      // by partition: the last event of all its channels that has come
	ahead    map[uint32]uint32      // by channel: the event up to which its number has seen what is still to come
	scans    []eventScan
	held     []mail.Mail // what came from the log behind an event that has not reached all channels
	Gaps     uint64      // numbers that were left out, counted once for each channel and gap
}

// attachment says what a broker knows of a channel's place.
type attachment uint8

const (
	attached  attachment = 1 << iota
	whole                // all that the log keeps is here
	unsettled            // its next number must be asked for, or comes with its next message
)

func newRemote(b *Broker, a Authority) *remote {
	return &remote{Authority: a, b: b, waiting: map[uint32][]mail.Mail{}, seen: map[uint32]uint32{}, ahead: map[uint32]uint32{}}
}

// propose hands a request to the authority, with the buffer that it is in.
func (r *remote) propose(m *mail.Mail) {
	r.open++
	proposal := *m
	proposal.Kind, proposal.Flag, m.Buf = mail.Committed, m.Flag|mail.FlagProposed, nil
	r.Propose(proposal)
}

// FromLog serves what the authority posts.
func (b *Broker) FromLog(m *mail.Mail) {
	r := b.remote
	switch {
	case m.Kind == mail.Counted:
		b.counted(m)
		return
	case m.Kind == mail.CountAsked:
		r.Counted(*m, r.subscribers(m.Cname()))
		m.Buf = nil
		return
	case m.Kind == mail.Committed && m.Flag&mail.FlagProposed != 0:
		r.proposed(m)
		return
	case len(r.scans) > 0:
		r.held = append(r.held, *m)
		m.Buf = nil
		return
	}
	r.take(m)
}

// subscribers is how many a channel has here.
func (r *remote) subscribers(cname []byte) uint32 {
	if i := r.b.find(cname); i != 0 {
		return r.b.channels.At(i).subs
	}
	return 0
}

// take serves what comes in the log's order.
func (r *remote) take(m *mail.Mail) {
	switch m.Kind {
	case mail.Attached:
		r.attachedTo(m)
		return
	case mail.Announced, mail.Unsettled:
		r.begin(m)
	case mail.Committed:
		if i := r.b.find(m.Cname()); i != 0 {
			r.follow(i, m)
		}
	}
	r.Taken(1)
}

// proposed serves the answer to a proposal.
func (r *remote) proposed(m *mail.Mail) {
	b := r.b
	m.Flag &^= mail.FlagProposed
	r.open--
	if m.Msg != nil {
		if i := b.find(m.Cname()); i != 0 && !r.attaching(i) && *r.attached.At(i)&(attached|unsettled) == attached && m.Msg.Seq == b.channels.At(i).Next {
			b.commit(i, m.Msg)
		}
	}
	switch {
	case m.Conn == 0:
		return // no request here waits for it
	case m.Code == mail.CodeOK && m.Op == mail.OpSign:
		b.signed(m)
		return
	}
	a := m.Answer(mail.Done)
	if a.Code, a.Seq = m.Code, m.Seq; m.Msg != nil {
		a.Seq = m.Msg.Seq
	}
	if m.Flag&mail.FlagBatch != 0 {
		result := m.Answer(mail.BatchPublished)
		result.Buf = pool.NameBuffer(nil)
		result.Buf.B = mail.AppendResult(result.Buf.B, mail.Result{Place: m.Place(), Seq: a.Seq, Code: a.Code})
		a = result
	}
	b.Send(m.From, a)
}

// follow takes a channel on to what the log says.
func (r *remote) follow(i uint32, m *mail.Mail) {
	if r.attaching(i) {
		r.waiting[i] = append(r.waiting[i], mail.Mail{Kind: mail.Committed, Msg: m.Msg, Op: m.Op})
		return
	}
	if state := *r.attached.At(i); state&attached == 0 {
		return
	}
	ch := r.b.channels.At(i)
	switch {
	case m.Op == mail.OpClear:
		r.b.dropHistory(ch)
	case m.Msg == nil:
	case m.Msg.Kind == msg.JoinNotice:
		r.b.commit(i, m.Msg)
	default:
		r.commit(i, m.Msg)
	}
}

// commit takes a message that has an explicit number, unless it is here already.
func (r *remote) commit(i uint32, message *msg.Message) {
	ch := r.b.channels.At(i)
	switch left := message.Seq - ch.Next; {
	case left < 0:
		return
	case left > 0:
		r.Gaps++
		ch.Next = message.Seq
	}
	*r.attached.At(i) &^= unsettled
	r.b.commit(i, message)
}

// attaching says whether a channel is being attached.
func (r *remote) attaching(i uint32) bool {
	_, is := r.waiting[i]
	return is
}

// attach asks for a channel's place, and what is kept from a number on (Authority.Attach).
// What is asked of it from now on waits.
func (r *remote) attach(i uint32, from int32) {
	ch := r.b.channels.At(i)
	r.waiting[i] = append(r.waiting[i], mail.Mail{})[:len(r.waiting[i])]
	r.Attach(mail.Ref{Index: i, Gen: ch.Gen}, r.b.names.Get(ch.Name()), from)
}

// parks keeps a request until its channel's place is known, and as much of what the log
// keeps as it asks for; it says whether it has.
func (b *Broker) parks(i uint32, m *mail.Mail) bool {
	r := b.remote
	if r == nil {
		return false
	}
	if !r.attaching(i) {
		state, from := *r.attached.At(i), r.wanted(i, m)
		switch {
		case state&attached == 0:
			r.attach(i, from)
		case from != 0 && state&whole == 0:
			r.attach(i, 1)
		case state&unsettled != 0:
			r.attach(i, b.channels.At(i).Next)
		default:
			return false
		}
	}
	r.waiting[i] = append(r.waiting[i], *m)
	m.Buf = nil
	if b.channels.At(i).subs == 0 {
		b.extend(i, b.cfg.ChannelTimeout)
	}
	return true
}

// wanted is from which number on a request may want what this server does not have: 0: there
// is none.
func (r *remote) wanted(i uint32, m *mail.Mail) int32 {
	ch := r.b.channels.At(i)
	switch {
	case m.Kind == mail.Control:
		return 0
	case m.Kind == mail.ReadHistory && m.Seq == 0:
		return 1 // the last ones
	case m.Flag&mail.FlagPlace != 0 && m.Epoch() != record.EpochNone && *r.attached.At(i)&attached != 0 && m.Epoch() != ch.Gen:
		return 1 // of another life: all that there is
	case *r.attached.At(i)&attached != 0 && m.Seq-r.b.oldest(ch) >= 0:
		return 0 // it is here
	}
	return m.Seq
}

// attachedTo serves mail.Attached: a channel has its place, and what has waited for that
// goes on.
func (r *remote) attachedTo(m *mail.Mail) {
	b, i := r.b, m.Ref.Index
	ch := b.channel(m.Ref)
	if ch == nil || !r.attaching(i) {
		return
	}
	p := r.Partition(b.names.Get(ch.Name()))
	if int32(m.Index()-r.seen[p]) < 0 {
		r.attach(i, 1) // it was read before what has come meanwhile
		return
	}
	if m.Index() != r.seen[p] {
		r.ahead[i] = m.Index()
	}
	if *r.attached.At(i)&attached == 0 {
		r.begun(i, m)
	} else {
		r.merge(i, m)
	}
	*r.attached.At(i) = attached
	if m.Flag&mail.FlagMore == 0 {
		*r.attached.At(i) |= whole
	}
	waiting := r.waiting[i]
	delete(r.waiting, i)
	for k := range waiting {
		r.goOn(i, &waiting[k])
		waiting[k].Done()
	}
}

// begun gives a channel its place, which it has not had yet.
func (r *remote) begun(i uint32, m *mail.Mail) {
	b, ch := r.b, r.b.channels.At(i)
	b.dropHistory(ch)
	for message, n := m.Msg, m.N; n > 0; n-- {
		next := message.Next // which keep sets
		b.keep(ch, message)
		message = next
	}
	ch.Next = m.Seq
	if epoch := m.AttachedEpoch(); epoch != record.EpochNone {
		ch.Gen = epoch
	}
}

// merge gives a channel that has its place already what the log keeps before what it has,
// and publishes what comes behind it.
func (r *remote) merge(i uint32, m *mail.Mail) {
	b, ch := r.b, r.b.channels.At(i)
	had, oldest := b.from(ch, b.oldest(ch))
	var older, newer []*msg.Message
	for message, n := m.Msg, m.N; n > 0; n-- {
		switch {
		case message.Seq-oldest < 0:
			older = append(older, message)
		case message.Seq-ch.Next >= 0:
			newer = append(newer, message)
		}
		message = message.After(n)
	}
	if len(older) > 0 {
		for message, n := had.First, int32(had.N); n > 0; message, n = message.After(n), n-1 {
			older = append(older, message)
		}
		b.dropHistory(ch)
		for _, message := range older {
			b.keep(ch, message)
		}
	}
	for _, message := range newer {
		r.commit(i, message)
	}
	if m.Seq-ch.Next > 0 {
		r.Gaps++
		ch.Next = m.Seq
	}
}

// goOn serves what has waited for a channel.
func (r *remote) goOn(i uint32, m *mail.Mail) {
	switch b := r.b; m.Kind {
	case mail.Committed:
		r.follow(i, m)
	case mail.Join:
		b.Join(m)
	case mail.ClaimSession:
		b.Claim(m)
	case mail.ReadHistory:
		b.ReadHistory(m)
	case mail.Control:
		b.signed(m)
	}
}

// detach lets the authority forget a channel whose record is freed.
func (b *Broker) detach(i uint32) {
	r := b.remote
	if r == nil || *r.attached.At(i)&attached == 0 {
		return
	}
	*r.attached.At(i) = 0
	delete(r.ahead, i)
	r.Detach(b.names.Get(b.channels.At(i).Name()))
}
