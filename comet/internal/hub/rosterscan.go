package hub

import (
	"encoding/binary"
	"slices"
	"strconv"

	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// rosterScan walks one roster, for /explain: it counts the subscribers and lists the
// first ones. Others come and go meanwhile: one that comes is not counted, and one that
// leaves moves the scan on to the next (delist).
type rosterScan struct {
	home     uint8
	number   uint32 // number of the explanation at the home
	next     int32  // the channel's next message number
	At       uint32 // the next subscriber
	limit    int32  // how many more may be listed
	listed   int32
	Count    int
	behind   int
	by       [frame.NumCounted]int
	list     []byte
	sessions []byte // of the listed subscribers, 4 bytes each
}

// scanBudget is how many subscribers are scanned in a turn.
const scanBudget = 1024

// listPrice is how much of a turn's budget a listed subscriber takes, for a system call
// and some text.
const listPrice = 16

// scans are the scans of a loop that are under way.
type scans struct {
	*Hub
	List []rosterScan
}

// Start handles mail.ScanRoster.
func (k *scans) Start(m *mail.Mail) {
	v := rosterScan{home: m.From, number: m.Explanation(), next: m.Seq, limit: m.Listed()}
	if ri := k.Rosters.find(m.From, m.Ref); ri != 0 {
		v.At = k.Rosters.At(ri).Head
	}
	k.List = append(k.List, v)
}

// pass moves the scans past a subscriber that leaves.
func (k *scans) pass(i, next uint32) {
	for n := range k.List {
		if k.List[n].At == i {
			k.List[n].At = next
		}
	}
}

// Run continues the scans that are under way, within the turn's budget.
func (k *scans) Run() {
	budget := scanBudget
	for len(k.List) > 0 {
		v := &k.List[0]
		for v.At != 0 {
			if budget <= 0 {
				return
			}
			budget--
			i := v.At
			v.At = k.Subs.At(i).Next
			if k.count(v, i) {
				budget -= listPrice
			}
		}
		k.report(v)
		k.List = slices.Delete(k.List, 0, 1) // slices.Delete also clears it
	}
}

// count counts a subscriber, and reports whether it was listed.
func (k *scans) count(v *rosterScan, i uint32) bool {
	sub := k.Subs.At(i)
	kind := k.listensBy(i)
	v.Count++
	v.by[kind]++
	missing := max(v.next-sub.Cursor, 0)
	if missing > 0 {
		v.behind++
	}
	if v.limit == 0 {
		return false
	}
	v.limit--
	v.listed++
	k.describe(v, i, kind, missing)
	return true
}

// describe appends the description of one subscriber.
func (k *scans) describe(v *rosterScan, i uint32, kind frame.Transport, missing int32) {
	sub := k.Subs.At(i)
	c := k.loop.ConnAt(sub.Conn)
	t := v.list
	if v.listed > 1 {
		t = append(t, ',')
	}
	t = append(t, "\n   {\"peer\": \""...)
	switch peer, err := k.loop.Peer(c); {
	case err != nil:
		t = append(t, "gone"...)
	case !peer.Addr().IsValid():
		t = append(t, "unix"...)
	default:
		t = peer.AppendTo(t)
		if k.trusted.Has(peer.Addr()) {
			t = append(t, `", "proxy": "trusted`...)
		}
	}
	t = append(append(append(t, `", "transport": "`...), subscribersBy[kind]...), '"')
	cursor := sub.Cursor
	if sub.Transport.Row().Sessions {
		cursor-- // its numbers start at 0
		t = jsontext.AppendField(t, ", ", "session", int64(sub.session()))
		v.sessions = binary.NativeEndian.AppendUint32(v.sessions, sub.session())
	}
	t = jsontext.AppendField(t, ", ", "cursor", int64(cursor))
	t = jsontext.AppendField(t, ", ", "behind", int64(missing))
	t = jsontext.AppendField(t, ", ", "held", int64(k.loop.HeldOut(c)))
	if left, armed := k.loop.TimeLeft(c); armed {
		what := `, "noop_in": `
		switch {
		case k.drain.On():
			what = `, "leaves_in": `
		case k.loop.Blocked(c):
			what = `, "cut_in": `
		case sub.socket():
			what = `, "ping_in": `
		}
		t = jsontext.AppendSeconds(append(t, what...), left)
	}
	v.list = append(t, '}')
}

// report sends the result of a scan to the channel's home.
func (k *scans) report(v *rosterScan) {
	m := mail.OfExplanation(mail.RosterScanned, v.number)
	m.SetListed(v.listed)
	m.SetLeftOut(v.Count - int(v.listed))
	m.Buf = pool.NameBuffer(v.sessions)
	var t []byte
	if v.Count > 0 {
		t = jsontext.AppendField([]byte("{"), "", "loop", int64(k.ID))
		t = jsontext.AppendField(t, ", ", "subscribers", int64(v.Count))
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
		t = jsontext.AppendField(t, ", ", "behind", int64(v.behind))
		t = append(append(append(t, `, "list": [`...), v.list...), "]}"...)
	}
	m.Msg = msg.Of(0, 0, t)
	k.Send(v.home, m)
}

// subscribersBy are the names under which subscribers are counted.
var subscribersBy = frame.CountedNames()
