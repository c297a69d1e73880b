package mail

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/reactor"
)

// TestEntries: the entries and the results of a batch are read as they were written.
func TestEntries(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 255)
	want := []Entry{
		{Place: 0, Hash: 1, Name: []byte("a"), Key: []byte{}, Content: []byte{}},
		{Place: math.MaxUint32, Hash: math.MaxUint32, Name: long, Key: long, Content: bytes.Repeat(long, 300)},
		{Place: 2, Hash: 3, Name: []byte{0}, Key: []byte("k"), Content: []byte("content")},
	}
	var buf []byte
	for i := range want {
		buf = AppendEntry(buf, &want[i])
	}
	for i := range want {
		var got Entry
		if buf = got.Next(buf); !reflect.DeepEqual(got, want[i]) {
			t.Errorf("entry %d: %.80v, want %.80v", i, got, want[i])
		}
	}
	if len(buf) != 0 {
		t.Errorf("%d bytes are left after the last entry", len(buf))
	}

	results := []Result{{}, {math.MaxUint32, math.MaxInt32, CodeNoLog, math.MaxUint16}, {Place: 7, Seq: -1, Code: CodeTooFast, Seconds: 9}}
	for _, r := range results {
		buf = AppendResult(buf, r)
	}
	for i, want := range results {
		var got Result
		if got, buf = NextResult(buf); got != want {
			t.Errorf("result %d: %v, want %v", i, got, want)
		}
	}
	if len(buf) != 0 {
		t.Errorf("%d bytes are left after the last result", len(buf))
	}
}

// office has the mailers of some loops, whose turns a test ends by hand.
type office struct {
	t       *testing.T
	mailers []*Mailer
	got     [][]string // by loop: the mail that it has received since the last call of received
}

func newOffice(t *testing.T, loops int) *office {
	o := &office{t: t, mailers: make([]*Mailer, loops), got: make([][]string, loops)}
	for id := range loops {
		loop, err := reactor.NewLoop(nil, reactor.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(loop.Release)
		NewMailer(o.mailers, uint8(id), loop, func(m *Mail) { o.receive(id, m) })
	}
	return o
}

// receive notes a mail. A mail about a channel from record 100 on is answered with one about a
// record 100 lower.
func (o *office) receive(id int, m *Mail) {
	o.got[id] = append(o.got[id], fmt.Sprintf("%d from %d", m.Record(), m.From))
	if n := m.Record(); n >= 100 {
		o.mailers[id].Send(m.From, FromRecord(Snapshot, n-100))
	}
	m.Done()
}

func (o *office) received(id int, want ...string) {
	o.t.Helper()
	if got := o.got[id]; !slices.Equal(got, want) {
		o.t.Errorf("loop %d has received %q, want %q", id, got, want)
	}
	o.got[id] = nil
}

// TestOrder: mail of one loop to another leaves when the turn ends, and arrives in order. Mail
// of a loop to itself arrives in the same turn, with the mail that this causes.
func TestOrder(t *testing.T) {
	o := newOffice(t, 3)
	first, second := o.mailers[0], o.mailers[1]
	for n := range uint32(3) {
		first.Send(1, FromRecord(Snapshot, n))
	}
	first.Send(0, FromRecord(Snapshot, 207))
	second.SendAll(FromRecord(Snapshot, 9))
	second.Take()
	o.received(1)
	if !first.Pending() || o.mailers[2].Pending() {
		t.Error("mail of a loop to itself is not pending, or mail of another loop is")
	}
	first.TakeOwn()
	o.received(0, "207 from 0", "107 from 0", "7 from 0")
	first.Flush()
	second.Take()
	o.received(1, "0 from 0", "1 from 0", "2 from 0")
	second.TakeOwn()
	o.received(1, "9 from 1")
	second.Flush()
	first.Take()
	o.mailers[2].Take()
	o.received(0, "9 from 1")
	o.received(2, "9 from 1")
}

// TestWaiting: what mail has borrowed is counted from the time at which it is sent until it is
// read, and nothing is left of it then.
func TestWaiting(t *testing.T) {
	o := newOffice(t, 2)
	first, second := o.mailers[0], o.mailers[1]
	named := func(name string) Mail {
		return Mail{Kind: Publish, Buf: pool.NameBuffer([]byte(name)), Nlen: uint8(len(name))}
	}
	first.Send(1, FromRecord(Snapshot, 1)) // borrows nothing
	first.Send(1, named("room"))
	first.Send(0, named("a longer room"))
	want := Bytes + len("room")
	if got := first.Waiting(1); got != want {
		t.Errorf("before the turn ends, %d bytes wait, want %d", got, want)
	}
	if got := second.Waiting(1); got != 0 {
		t.Errorf("another loop counts %d bytes that have not left", got)
	}
	first.Flush()
	if got := second.Borrowed(); got != int64(want) {
		t.Errorf("in the inbox, %d bytes wait, want %d", got, want)
	}
	if got, want := first.AllWaiting(), want+Bytes+len("a longer room"); got != want {
		t.Errorf("at all loops, %d bytes wait, want %d", got, want)
	}
	second.Take()
	first.TakeOwn()
	if got := first.AllWaiting(); got != 0 {
		t.Errorf("after all was read, %d bytes wait", got)
	}
}

// TestLastRun: a loop knows whether another one has read the last run of messages that it has
// sent there.
func TestLastRun(t *testing.T) {
	o := newOffice(t, 2)
	first, second := o.mailers[0], o.mailers[1]
	if at, left := first.LastRun(1); !left || !first.HasRead(1, at) {
		t.Error("before the first run, one is said to be on its way")
	}
	first.Send(1, Mail{Kind: Deliver, Msg: msg.New(msg.Data, 1, nil), N: 1})
	if _, left := first.LastRun(1); left {
		t.Error("a run has left before the turn has ended")
	}
	first.Flush()
	at, left := first.LastRun(1)
	if !left || first.HasRead(1, at) {
		t.Error("after the turn, the run has not left, or is read already")
	}
	first.Send(1, FromRecord(Snapshot, 1)) // no run
	first.Flush()
	if now, _ := first.LastRun(1); now != at {
		t.Errorf("mail without a run moves the last run from %d to %d", at, now)
	}
	second.Take()
	if !first.HasRead(1, at) {
		t.Error("the run was not read")
	}
}

// TestQuiet: a loop is quiet if no mail is on its way that another program would need.
func TestQuiet(t *testing.T) {
	o := newOffice(t, 2)
	first, second := o.mailers[0], o.mailers[1]
	for _, c := range []struct {
		kind  Kind
		quiet bool
	}{{Snapshot, true}, {TellFigures, true}, {Publish, false}, {Leave, false}} {
		first.Send(1, Mail{Kind: c.kind})
		if first.Quiet() {
			t.Errorf("kind %d: the sender is quiet before the mail has left", c.kind)
		}
		first.Flush()
		if got := second.Quiet(); got != c.quiet || !first.Quiet() {
			t.Errorf("kind %d: the receiver is quiet: %v, want %v; the sender: %v", c.kind, got, c.quiet, first.Quiet())
		}
		second.Take()
	}
}

// TestNumber: the numbers of a run are those of its messages, then that of the mail.
func TestNumber(t *testing.T) {
	first, last := msg.New(msg.Data, 5, nil), msg.New(msg.Data, 9, nil)
	first.Link(last)
	m := Mail{Msg: first, N: 2, Seq: 12}
	for k, want := range []int32{5, 9, 12} {
		if got := m.Number(int32(k)); got != want {
			t.Errorf("message %d of the run has number %d, want %d", k, got, want)
		}
	}
	if a, b := m.Behind(first, 2), m.Behind(last, 1); a != 9 || b != 12 {
		t.Errorf("after the messages, numbers %d and %d follow, want 9 and 12", a, b)
	}
}
