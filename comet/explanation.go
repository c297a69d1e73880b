package comet

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"

	"ccomet/reactor"
)

// What there is to know of one channel, for whoever wonders why a client hears
// nothing (/explain):
//
//  1. The loop that is asked mails the channel's home (explain).
//  2. The home writes down what it knows (startExplaining), and asks the loops
//     that may have subscribers, one after the other, each for as many as are
//     still to be listed (askNext).
//  3. Each goes through its roster, some subscribers a turn (survey.go).
//  4. The home puts it together (surveyed) and has the request answered
//     (explained). A loop that keeps it waiting is left out, and named.
type explanation struct {
	number  uint32
	asker   asker // on loop from
	from    uint8
	ref     ref
	text    []byte
	loops   uint64 // still to be asked
	loop    int    // that is being asked
	limit   int32  // subscribers that may still be listed
	leftOut int
	parts   int
	seats   []uint32 // of those who are listed
	until   time.Time
}

const (
	MaxExplained     = 1000 // subscribers that /explain lists
	defaultExplained = 100
	maxExplanations  = 8           // under way, by the channels' homes
	surveyTime       = time.Second // that a loop may take for its part
)

// startExplaining serves mailExplain.
func (b *broker) startExplaining(m *mail) {
	r := mail{kind: mailExplained, conn: m.conn, slot: m.slot}
	i := b.find(m.cname())
	switch {
	case i == 0:
		r.code = codeNone
	case len(b.explanations) >= maxExplanations:
		r.code = codeBusy
	default:
		b.explained++
		e := &explanation{number: b.explained, asker: asker{m.conn, m.slot}, from: m.from, limit: m.n}
		b.describeChannel(e, i)
		b.explanations = append(b.explanations, e)
		b.askNext(e)
		return
	}
	b.send(m.from, r)
}

// describeChannel writes down what a channel's home knows of it.
func (b *broker) describeChannel(e *explanation, i uint32) {
	ch := b.channels.At(i)
	e.ref, e.loops = ref{i, ch.gen}, uint64(ch.loops[1])<<32|uint64(ch.loops[0])
	cname, dialect, auth, first := b.names.get(ch.name()), "icomet", "none", int32(0)
	if b.cfg.Tokens {
		auth = "token"
	}
	if ch.dialect != dialectOurs {
		cname, dialect, auth, first = cname[1:], "ccomet", "none", 1
	}
	kept, keptBytes := 0, 0
	if ch.history != 0 {
		h := b.histories.at(ch.history)
		kept, keptBytes = int(h.n), h.bytes
	}
	t := appendEscaped(append(e.text, `{"cname": "`...), cname)
	t = append(append(append(t, `", "dialect": "`...), dialect...), `", "auth": "`...)
	t = append(append(t, auth...), `",`...)
	t = appendField(t, "\n ", "loop", int64(b.id))
	t = appendField(t, ", ", "next", int64(ch.next-first))
	t = appendField(t, ", ", "oldest", int64(b.oldest(ch)-first))
	t = appendField(t, ", ", "kept", int64(kept))
	t = appendField(t, ", ", "kept_bytes", int64(keptBytes))
	t = append(t, `, "lease": `...)
	if ch.lease.Armed() {
		t = appendSeconds(t, time.Duration(int32(ch.lease.Due()-b.loop.Tick()))*reactor.TickLength)
	} else {
		t = append(t, "null"...)
	}
	t = appendField(t, ",\n ", "subscribers", int64(ch.subs))
	e.text = append(t, ", \"loops\": ["...)
}

// askNext asks the next loop, or is done.
func (b *broker) askNext(e *explanation) {
	ch := b.channel(e.ref)
	if e.loops == 0 || ch == nil { // nil: it is gone by now
		b.finishExplaining(e)
		return
	}
	e.loop = bits.TrailingZeros64(e.loops)
	e.loops &^= 1 << e.loop
	e.until = b.loop.Now().Add(surveyTime)
	b.send(uint8(e.loop), mail{kind: mailSurvey, slot: e.number, ref: e.ref, seq: ch.next, n: e.limit})
}

// surveyed serves mailSurveyed: a loop has told of its subscribers.
func (b *broker) surveyed(m *mail) {
	for _, e := range b.explanations {
		if e.number != m.slot || e.loop != int(m.from) {
			continue // it comes too late
		}
		e.limit -= m.n
		e.leftOut += int(m.lost)
		e.add(m.msg.content)
		for seats := m.content(); len(seats) > 0; seats = seats[4:] {
			e.seats = append(e.seats, binary.NativeEndian.Uint32(seats))
		}
		b.askNext(e)
		return
	}
}

// add puts one loop's part behind the others.
func (e *explanation) add(part []byte) {
	if len(part) == 0 {
		return
	}
	if e.parts++; e.parts > 1 {
		e.text = append(e.text, ',')
	}
	e.text = append(append(e.text, "\n  "...), part...)
}

// expireExplanations goes on without the loops that keep others waiting.
func (b *broker) expireExplanations(now time.Time) {
	for n := 0; n < len(b.explanations); {
		e := b.explanations[n]
		if e.until.After(now) {
			n++
			continue
		}
		e.add(append(strconv.AppendInt([]byte(`{"loop": `), int64(e.loop), 10), `, "answered": false}`...))
		b.askNext(e) // which may end it
	}
}

// explanationsDue is how long a loop that was asked may still take: below zero, none
// was.
func (b *broker) explanationsDue(now time.Time) time.Duration {
	wait := time.Duration(-1)
	for _, e := range b.explanations {
		wait = sooner(wait, max(e.until.Sub(now), 0))
	}
	return wait
}

// finishExplaining has the request answered.
func (b *broker) finishExplaining(e *explanation) {
	e.text = append(e.text, ']')
	if len(e.seats) > 0 {
		b.nameSeats(e)
	}
	e.text = append(appendField(e.text, ",\n ", "left_out", int64(e.leftOut)), "}\n"...)
	for n, other := range b.explanations {
		if other == e {
			b.explanations = append(b.explanations[:n], b.explanations[n+1:]...)
			break
		}
	}
	b.send(e.from, mail{kind: mailExplained, conn: e.asker.conn, slot: e.asker.slot, msg: &message{content: e.text}})
}

// nameSeats tells the names of those who are listed with their seats.
func (b *broker) nameSeats(e *explanation) {
	before := ",\n \"seats\": {\""
	for _, i := range e.seats {
		if k := b.seats.At(i); k.channel == e.ref.index && k.conn != 0 { // else its subscriber has left
			e.text = strconv.AppendUint(append(e.text, before...), uint64(i), 10)
			e.text = append(appendEscaped(append(e.text, `": "`...), b.names.get(k.name())), '"')
			before = `, "`
		}
	}
	if before == `, "` {
		e.text = append(e.text, '}')
	}
}

// sooner is the shorter of two waits, of which a negative one is no bound.
func sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}
