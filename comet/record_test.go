package comet

import (
	"fmt"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Waiting clients are kept in records without pointers, which the garbage collector does not
// scan.
func TestRecordsHoldNoPointers(t *testing.T) {
	for _, rec := range append(broker.Inside{}.Records(), hub.Subscriber{}, hub.Roster{}, record.Name{}, mail.Ref{}, reactor.Timer{}) {
		walkType(t, reflect.TypeOf(rec), reflect.TypeOf(rec).Name())
	}
}

func walkType(t *testing.T, typ reflect.Type, path string) {
	switch typ.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	case reflect.Array:
		walkType(t, typ.Elem(), path+"[]")
	case reflect.Struct:
		for i := range typ.NumField() {
			walkType(t, typ.Field(i).Type, path+"."+typ.Field(i).Name)
		}
	default:
		t.Errorf("%s is a %s", path, typ.Kind())
	}
}

// The budget of memory: what an idle subscriber costs, on a channel with many
// others, and on one of its own with a name of 16 bytes.
func TestMemoryBudget(t *testing.T) {
	const bucket = int(unsafe.Sizeof(uint32(0)))
	cn, sub := reactor.RecordSize, int(unsafe.Sizeof(hub.Subscriber{}))
	ch := int(unsafe.Sizeof(broker.Channel{})) + 16 + bucket
	list := int(unsafe.Sizeof(hub.Roster{})) + bucket
	t.Logf("connection %d, subscriber %d, channel with its name and index entry %d, roster with its index entry %d", cn, sub, ch, list)
	if cn > 40 || sub > 40 || ch+list > 110 || cn+sub+ch+list > 200 {
		t.Errorf("want at most 40, 40 and 110 bytes, and 200 in all")
	}
	if further := sub + ch + list; sub > 40 || further > 150 {
		t.Errorf("a further channel takes %d bytes, or %d if it is the connection's own: want at most 40 and 150", sub, further)
	}
}

// A further channel of a connection costs one subscriber's record, whatever the transport.
func TestFurtherChannelIsOneRecord(t *testing.T) {
	const clients, channels = 10, 4
	h := newHarness(t, Config{Loops: 2})
	waiting := int64(0)
	for _, path := range []string{"/stream?", "/sse?", "/iframe?", "/poll?", "/poll?cb=f&"} {
		for n := range clients {
			query := path
			for k := range channels {
				query += fmt.Sprintf("cname=%d&seq=1&", k)
			}
			h.connect(h.srv.shards[n%2], conn.Front, 0).get(query)
			waiting++
		}
	}
	h.settle()
	check(t, h.srv, true, "")
	records, subscribers := 0, h.srv.totals.Subscribers.Load()
	for _, s := range h.srv.shards {
		records += s.hub.Subs.Live()
	}
	if want := channels * waiting; int64(records) != want || subscribers != want {
		t.Errorf("%d records, %d subscribers, want %d", records, subscribers, want)
	}
}

// A waiting client has only records: no buffer, no parser, no pump. While nothing is due, it
// causes no system call and no work.
func TestWaitingOwnsNothing(t *testing.T) {
	h := newHarness(t, Config{Loops: 2})
	const clients = 200
	streams(h, "a", clients)
	for i := range clients {
		e := h.connect(h.srv.shards[i%2], conn.Front, 0)
		e.get("/poll?cname=b&seq=1&cb=f")
	}
	burst(h.connect(h.srv.shards[0], conn.Admin, 0), "a", 0, 10)
	h.settle()
	writes, mails := h.writes(), h.mails()
	for range 20 {
		h.now = h.now.Add(time.Second) // the first heartbeat is due after three quarters of 30 s
		h.settle()
	}
	if h.writes() != writes || h.mails() != mails {
		t.Errorf("%d writes and %d mails while nothing was due", h.writes()-writes, h.mails()-mails)
	}
	for _, s := range h.srv.shards {
		if n := s.loop.Stats().Held; n != 0 {
			t.Errorf("loop %d: %d connections hold a buffer", s.ID, n)
		}
		if n := len(s.hub.Pumps.Busy) + s.web.Figures().Partial; n > 0 {
			t.Errorf("loop %d: a buffer is still borrowed", s.ID)
		}
		if live := s.hub.Subs.Live(); live != clients {
			t.Errorf("loop %d: %d subscribers, want %d", s.ID, live, clients)
		}
	}
}
