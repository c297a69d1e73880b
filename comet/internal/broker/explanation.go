package broker

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// explanation is the report of /explain on one channel, for a user whose client receives
// nothing:
//
//  1. The loop that serves the request mails the channel's home.
//  2. The home describes the channel (Start). Then it asks the loops that may have subscribers,
//     one after the other, to list as many as the limit still permits (askNext).
//  3. Each loop scans its roster, some subscribers in a turn (rosterscan.go of the hub).
//  4. The home collects the parts (RosterScanned) and answers the request (finish). A loop that
//     does not answer in time is reported as such.
type explanation struct {
	number   uint32
	replyTo  mail.ReplyTo // the request, on loop from
	from     uint8
	ref      mail.Ref
	text     []byte
	loops    uint64 // bit set of the loops still to be asked
	loop     int    // the loop being asked
	limit    int32  // subscribers that may still be listed
	leftOut  int
	parts    int
	sessions []uint32 // of the listed subscribers
	until    time.Time
}

const (
	MaxExplained     = 1000 // maximum number of subscribers that /explain lists
	DefaultExplained = 100
	MaxExplanations  = 8           // concurrent reports at one home
	ScanTime         = time.Second // time limit of a loop's part
)

// Explanations are the reports that a home is working on.
type Explanations struct {
	b     *Broker
	list  []*explanation
	begun uint32 // number of the last report
}

// Start handles mail.Explain.
func (x *Explanations) Start(m *mail.Mail) {
	b := x.b
	r := m.Answer(mail.Explained)
	i := b.channels.find(m.Cname())
	switch {
	case i == 0:
		r.Code = mail.CodeNone
	case len(x.list) >= MaxExplanations:
		r.Code = mail.CodeBusy
	default:
		x.begun++
		e := &explanation{number: x.begun, replyTo: m.ReplyTo(), from: m.From, limit: m.Listed()}
		e.describe(b, i)
		x.list = append(x.list, e)
		x.askNext(e)
		return
	}
	b.Send(m.From, r)
}

// describe adds what the home knows of the channel.
func (e *explanation) describe(b *Broker, i uint32) {
	ch := b.channels.At(i)
	e.ref, e.loops = b.channels.ref(i), uint64(ch.loops[1])<<32|uint64(ch.loops[0])
	cname, dialect, auth := b.channels.name(ch), &record.Dialects[ch.Dialect], "none"
	if dialect.Marked {
		cname = cname[1:]
	}
	if dialect.Tokens && b.cfg.Tokens {
		auth = "token"
	}
	kept, keptBytes := b.histories.kept(ch)
	t := jsontext.AppendEscaped(append(e.text, `{"cname": "`...), cname)
	t = append(append(append(t, `", "dialect": "`...), dialect.Name...), `", "auth": "`...)
	t = append(append(t, auth...), `",`...)
	t = jsontext.AppendField(t, "\n ", "loop", int64(b.ID))
	t = jsontext.AppendField(t, ", ", "next", int64(ch.Next-dialect.First))
	t = jsontext.AppendField(t, ", ", "oldest", int64(b.histories.oldest(ch)-dialect.First))
	t = jsontext.AppendField(t, ", ", "kept", int64(kept))
	t = jsontext.AppendField(t, ", ", "kept_bytes", int64(keptBytes))
	t = append(t, `, "lease": `...)
	if left, leased := b.channels.left(ch); leased {
		t = jsontext.AppendSeconds(t, left)
	} else {
		t = append(t, "null"...)
	}
	t = jsontext.AppendField(t, ",\n ", "subscribers", int64(ch.subs))
	e.text = append(t, ", \"loops\": ["...)
}

// askNext asks the next loop, or finishes the report.
func (x *Explanations) askNext(e *explanation) {
	b := x.b
	ch := b.channels.of(e.ref)
	if e.loops == 0 || ch == nil { // nil: the channel is gone
		x.finish(e)
		return
	}
	e.loop = bits.TrailingZeros64(e.loops)
	e.loops &^= 1 << e.loop
	e.until = b.loop.Now().Add(ScanTime)
	m := mail.OfExplanation(mail.ScanRoster, e.number)
	m.Ref, m.Seq = e.ref, ch.Next
	m.SetListed(e.limit)
	b.Send(uint8(e.loop), m)
}

// RosterScanned handles mail.RosterScanned: a loop has described its subscribers.
func (x *Explanations) RosterScanned(m *mail.Mail) {
	for _, e := range x.list {
		if e.number != m.Explanation() || e.loop != int(m.From) {
			continue // it is too late
		}
		e.limit -= m.Listed()
		e.leftOut += m.LeftOut()
		e.add(m.Msg.Content())
		for list := m.Content(); len(list) > 0; list = list[4:] {
			e.sessions = append(e.sessions, binary.NativeEndian.Uint32(list))
		}
		x.askNext(e)
		return
	}
}

// add appends one loop's part.
func (e *explanation) add(part []byte) {
	if len(part) == 0 {
		return
	}
	if e.parts++; e.parts > 1 {
		e.text = append(e.text, ',')
	}
	e.text = append(append(e.text, "\n  "...), part...)
}

// Expire continues without the loops that have not answered in time.
func (x *Explanations) Expire(now time.Time) {
	for n := 0; n < len(x.list); {
		e := x.list[n]
		if e.until.After(now) {
			n++
			continue
		}
		e.add(append(strconv.AppendInt([]byte(`{"loop": `), int64(e.loop), 10), `, "answered": false}`...))
		x.askNext(e) // this may finish the report
	}
}

// due returns the time until the next deadline of a loop, or a negative value if none is asked.
func (x *Explanations) due(now time.Time) time.Duration {
	wait := time.Duration(-1)
	for _, e := range x.list {
		wait = Sooner(wait, max(e.until.Sub(now), 0))
	}
	return wait
}

// finish answers the request.
func (x *Explanations) finish(e *explanation) {
	e.text = append(e.text, ']')
	if len(e.sessions) > 0 {
		e.nameSessions(x.b)
	}
	e.text = append(jsontext.AppendField(e.text, ",\n ", "left_out", int64(e.leftOut)), "}\n"...)
	n := slices.Index(x.list, e)
	x.list = slices.Delete(x.list, n, n+1)
	m := mail.OfRequest(mail.Explained, e.replyTo)
	m.Msg = msg.Of(0, 0, e.text)
	x.b.Send(e.from, m)
}

// nameSessions adds the names of the listed subscribers that have sessions.
func (e *explanation) nameSessions(b *Broker) {
	before := ",\n \"sessions\": {\""
	for _, i := range e.sessions {
		if k := b.sessions.At(i); k.channel == e.ref.Index && k.conn != 0 { // else its subscriber has left
			e.text = strconv.AppendUint(append(e.text, before...), uint64(i), 10)
			e.text = append(jsontext.AppendEscaped(append(e.text, `": "`...), b.sessions.name(k)), '"')
			before = `, "`
		}
	}
	if before == `, "` {
		e.text = append(e.text, '}')
	}
}

// Sooner returns the shorter of two waits. A negative wait means no limit.
func Sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}
