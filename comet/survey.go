package comet

import (
	"encoding/binary"
	"strconv"
)

// survey is a walk through one roster, for /explain: it counts the subscribers,
// and lists the first of them. Others come and go meanwhile; who comes is not
// counted, and who goes takes the walk on with him (delist).
type survey struct {
	home   uint8
	number uint32 // of the home's explanation
	next   int32  // the channel's next number
	at     uint32 // the next subscriber
	limit  int32  // how many may still be listed
	listed int32
	count  int
	behind int
	by     [numListens]int
	list   []byte
	seats  []byte // of those who are listed, 4 bytes each
}

// surveyBudget is how many subscribers are looked at in a turn.
const surveyBudget = 1024

// listPrice is what one who is listed takes of a turn's budget: a call to the
// kernel, and some text.
const listPrice = 16

// startSurvey serves mailSurvey.
func (h *hub) startSurvey(m *mail) {
	v := survey{home: m.from, number: m.slot, next: m.seq, limit: m.n}
	if ri := h.findRoster(m.from, m.ref); ri != 0 {
		v.at = h.rosters.At(ri).head
	}
	h.surveys = append(h.surveys, v)
}

// passSurveys takes the walks past a subscriber that leaves.
func (h *hub) passSurveys(i, next uint32) {
	for n := range h.surveys {
		if h.surveys[n].at == i {
			h.surveys[n].at = next
		}
	}
}

// runSurveys goes on with what is under way, within the turn's budget.
func (h *hub) runSurveys() {
	budget := surveyBudget
	for len(h.surveys) > 0 {
		v := &h.surveys[0]
		for v.at != 0 {
			if budget <= 0 {
				return
			}
			budget--
			i := v.at
			v.at = h.subs.At(i).next
			if h.surveyOne(v, i) {
				budget -= listPrice
			}
		}
		h.report(v)
		h.surveys = append(h.surveys[:0], h.surveys[1:]...)
	}
}

// surveyOne counts a subscriber, and says whether it has been listed.
func (h *hub) surveyOne(v *survey, i uint32) bool {
	sub := h.subs.At(i)
	kind := h.listensBy(i)
	v.count++
	v.by[kind]++
	missing := max(v.next-sub.cursor, 0)
	if missing > 0 {
		v.behind++
	}
	if v.limit == 0 {
		return false
	}
	v.limit--
	v.listed++
	h.listOne(v, i, kind, missing)
	return true
}

// listOne writes down one subscriber.
func (h *hub) listOne(v *survey, i uint32, kind transport, missing int32) {
	sub := h.subs.At(i)
	c := h.loop.ConnAt(sub.conn)
	t := v.list
	if v.listed > 1 {
		t = append(t, ',')
	}
	t = append(t, "\n   {\"peer\": \""...)
	switch peer, err := h.loop.Peer(c); {
	case err != nil:
		t = append(t, "gone"...)
	case !peer.Addr().IsValid():
		t = append(t, "unix"...)
	default:
		t = peer.AppendTo(t)
		if h.trusted.Has(peer.Addr()) {
			t = append(t, `", "proxy": "trusted`...)
		}
	}
	t = append(append(append(t, `", "transport": "`...), subscribersBy[kind]...), '"')
	cursor := sub.cursor
	if sub.transport.row().sessions {
		cursor-- // it counts from 0
		t = appendField(t, ", ", "seat", int64(sub.noop))
		v.seats = binary.NativeEndian.AppendUint32(v.seats, uint32(sub.noop))
	}
	t = appendField(t, ", ", "cursor", int64(cursor))
	t = appendField(t, ", ", "behind", int64(missing))
	t = appendField(t, ", ", "held", int64(h.loop.HeldOut(c)))
	if left, armed := h.loop.TimeLeft(c); armed {
		what := `, "noop_in": `
		switch {
		case h.drain.on():
			what = `, "leaves_in": `
		case h.loop.Blocked(c):
			what = `, "cut_in": `
		}
		t = appendSeconds(append(t, what...), left)
	}
	v.list = append(t, '}')
}

// report tells the channel's home what a survey has come to.
func (h *hub) report(v *survey) {
	m := mail{kind: mailSurveyed, slot: v.number, n: v.listed, lost: int32(v.count) - v.listed, msg: &message{}}
	m.buf = nameBuffer(v.seats)
	if v.count > 0 {
		t := appendField([]byte("{"), "", "loop", int64(h.id))
		t = appendField(t, ", ", "subscribers", int64(v.count))
		t = append(t, `, "transports": `...)
		between := "{"
		for kind, n := range v.by {
			if n > 0 {
				t = append(append(append(t, between...), '"'), subscribersBy[kind]...)
				t = strconv.AppendInt(append(t, `": `...), int64(n), 10)
				between = ", "
			}
		}
		t = append(t, '}')
		t = appendField(t, ", ", "behind", int64(v.behind))
		t = append(append(append(t, `, "list": [`...), v.list...), "]}"...)
		m.msg.content = t
	}
	h.send(v.home, m)
}

// subscribersBy names how subscribers are counted.
var subscribersBy = listenNames()
