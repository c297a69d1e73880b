package comet

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

var messageObject = regexp.MustCompile(`"type":"(\w+)","cname":"\w*","seq":(\d+),"content":"([^"]*)"`)

// objects returns the messages that a client has got since the last call, with any transport, as
// "type seq content".
func (e *end) objects() (list []string) {
	e.t.Helper()
	e.read()
	for _, parts := range messageObject.FindAllSubmatch(e.in, -1) {
		list = append(list, fmt.Sprintf("%s %s %s", parts[1], parts[2], parts[3]))
	}
	e.in = nil
	return list
}

func wantObjects(t *testing.T, e *end, note string, want ...string) {
	t.Helper()
	if got := e.objects(); !slices.Equal(got, want) {
		t.Errorf("%s: a client was sent %q, want %q", note, got, want)
	}
}

// other lets another server publish.
func (l *lateLog) other(h *harness, name, content string) {
	l.channel(name)
	h.srv.home(name).Post(ordered(name, l.number(name, msg.Data, []byte(content))))
}

// unsettle is a master that takes another's place, with numbers far ahead; missed: it, or its
// readers, may have lost some.
func (l *lateLog) unsettle(missed bool) {
	for _, ch := range l.channels {
		ch.next += gap
	}
	l.index++
	m := mail.OfPartition(mail.Unsettled, 0, l.index)
	if missed {
		m.Flag = mail.FlagMore
	}
	for _, home := range l.homes {
		home.Post(m)
	}
}

const gap = 1 << 16

// attachAll lets the log answer for all channels for which it was asked.
func (l *lateLog) attachAll() {
	for len(l.attaches) > 0 {
		l.attach()()
	}
}

// TestLateGap: if numbers of a live channel are skipped, its subscribers with every transport
// continue after the gap, and those that asked to be told are told. All are counted.
func TestLateGap(t *testing.T) {
	for _, path := range []string{
		"/stream?cname=a&seq=1", "/iframe?cname=a&seq=1", "/sse?cname=a&seq=1", "/poll?cname=a&seq=1", "/poll?cname=a&seq=1&cb=f",
		"/stream?cname=a&seq=1&cname=b&seq=1", "/sse?cname=a&seq=1&cname=b&seq=1", "/poll?cname=a&seq=1&cname=b&seq=1", "/sse?cname=a&seq=1&epoch=", "/ws?cname=a&seq=1",
	} {
		testLateGap(t, path, false)
		testLateGap(t, path+"&lost=1", true)
	}
}

func testLateGap(t *testing.T, path string, told bool) {
	h, log := newLate(t, Config{})
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	ask := func(seq int32) {
		target := strings.Replace(path, "seq=1", fmt.Sprintf("seq=%d", seq), 1)
		if strings.HasPrefix(path, "/ws") {
			e.write(handshake(target))
		} else {
			e.get(target)
		}
		for range 2 { // a poll of several channels asks for one, and then for the others
			h.settle()
			log.attachAll()
			h.settle()
		}
	}
	ask(1)
	e.objects()
	poll := strings.HasPrefix(path, "/poll")
	log.other(h, "a", "m1")
	h.settle()
	wantObjects(t, e, path, "data 1 m1")
	if poll {
		ask(2)
	}
	log.channel("a").next += gap
	log.other(h, "a", "m2")
	log.other(h, "a", "m3")
	log.channel("a").next += 10
	log.other(h, "a", "m4")
	h.settle()
	want := []string{"data 65538 m2", "data 65539 m3"}
	if told {
		want = slices.Insert(want, 0, "lost 65538 2-65537")
	}
	if poll {
		wantObjects(t, e, path, want...)
		ask(65540)
		want = nil
	}
	if told {
		want = append(want, "lost 65550 65540-65549")
	}
	wantObjects(t, e, path, append(want, "data 65550 m4")...)
	if lost := h.lost(); lost != 1+10 {
		t.Errorf("%s: %d messages are counted as lost", path, lost)
	}
	if n := h.srv.totals.SlowClosed.Load(); n != 0 || e.ended {
		t.Errorf("%s: cut: %d", path, n)
	}
	check(t, h.srv, true, path)
}

func (h *harness) lost() (n uint64) {
	for _, s := range h.srv.shards {
		n += s.hub.Figures().Lost
	}
	return n
}

// TestLateGapBehind: the same for a reader that was stuck before the gap.
func TestLateGapBehind(t *testing.T) {
	h, log := newLate(t, Config{})
	e := h.connect(h.srv.shards[0], conn.Front, 4096)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	log.attachAll()
	h.settle()
	const messages = 40
	for n := range messages {
		log.other(h, "a", fmt.Sprintf("m%d%s", n, strings.Repeat(".", 1000)))
		if n == messages-2 {
			log.channel("a").next += gap
		}
	}
	h.settle()
	got := 0
	for range 100 {
		events, _ := e.events()
		got += len(events)
		h.settle()
	}
	if n := h.srv.totals.SlowClosed.Load(); got != messages || n != 0 {
		t.Errorf("%d messages arrived, %d readers were cut", got, n)
	}
	check(t, h.srv, true, "at the end")
}

// TestLateEvents: an event for all channels reaches each one at its place in the log, whether the
// channel was attached before it, meanwhile, or after it.
func TestLateEvents(t *testing.T) {
	for _, missed := range []bool{false, true} {
		h, log := newLate(t, Config{})
		join := func(name string, seq int) *end {
			e := h.connect(h.srv.shards[0], conn.Front, 0)
			e.get(fmt.Sprintf("/stream?cname=%s&seq=%d", name, seq))
			h.settle()
			return e
		}
		a := join("a", 1)
		log.attachAll()
		h.settle()
		log.other(h, "a", "m1")
		h.settle()
		b := join("b", 1) // it asks before the broadcast, and the answer is from before it
		before := log.attach()
		c := join("c", 1) // it asks before it, and the answer is from after it
		log.channel("c")
		log.announce("all")()
		log.other(h, "b", "m2")
		log.other(h, "a", "m2")
		h.settle()
		before()
		log.attachAll()
		h.settle()
		wantObjects(t, a, "a", "data 1 m1", "broadcast 2 all", "next_seq 3 ", "data 3 m2")
		wantObjects(t, b, "b", "broadcast 1 all", "next_seq 2 ", "data 2 m2")
		wantObjects(t, c, "c", "broadcast 1 all", "next_seq 2 ")

		log.unsettle(missed)
		h.settle()
		if missed != (len(log.attaches) == 3) {
			t.Errorf("missed %t: %d channels were requested", missed, len(log.attaches))
		}
		log.attachAll()
		h.settle()
		log.other(h, "a", "m3")
		log.announce("again")()
		h.settle()
		log.attachAll()
		h.settle()
		wantObjects(t, a, "a", "data 65540 m3", "broadcast 65541 again", "next_seq 65542 ")
		wantObjects(t, b, "b", "broadcast 65539 again", "next_seq 65540 ")
		wantObjects(t, c, "c", "broadcast 65538 again", "next_seq 65539 ")
		check(t, h.srv, true, "at the end")
	}
}

// TestLateEventOfMany: while a broadcast goes through many channels, some in a turn, later entries
// of the log wait.
func TestLateEventOfMany(t *testing.T) {
	h, log := newLate(t, Config{})
	const channels = 5000
	log.prompt = true
	p := h.connect(h.srv.shards[0], conn.Front, 0)
	for n := range channels {
		p.get(fmt.Sprintf("/history?cname=c%d&seq=1", n))
		if n%10 == 9 {
			h.settle()
			p.read()
		}
	}
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get(fmt.Sprintf("/stream?cname=c%d&seq=1&cname=c0&seq=1", channels-1))
	h.settle()
	log.taken = 0
	log.announce("all")()
	last := fmt.Sprintf("c%d", channels-1)
	log.other(h, last, "m2")
	log.other(h, "c0", "m2")
	s := h.srv.shards[h.srv.homes.Of([]byte(last))]
	h.turn(s)
	if got := e.objects(); len(got) > 2 || log.taken > 0 {
		t.Errorf("after one turn %d channels have it: %q; %d mails were handled", channels, got, log.taken)
	}
	h.settle()
	want := []string{"broadcast 1 all", "next_seq 2 ", "data 2 m2"}
	for _, name := range []string{"c0", last} {
		ch := h.srv.home(name).Channel(name)
		if ch.Next != 3 {
			t.Errorf("%s continues with %d", name, ch.Next)
		}
	}
	if got := e.objects(); len(got) != 2*len(want) && len(got) != 4 {
		t.Errorf("a client was sent %q", got)
	}
	if log.taken != 2+2 { // the broadcast on both loops, and two messages
		t.Errorf("%d mails were handled", log.taken)
	}
	check(t, h.srv, true, "at the end")
}

// TestLateHandOver: a server that takes over knows the position of each channel, also one
// that has been requested, and the requests that wait for it.
func TestLateHandOver(t *testing.T) { ways(t, testLateHandOver) }

func testLateHandOver(t *testing.T, handOver func(*harness, func(*Config))) {
	h, log := newLate(t, Config{Inheritable: true})
	join := func(path string) *end {
		e := h.connect(h.srv.shards[0], conn.Front, 0)
		e.get(path)
		h.settle()
		return e
	}
	a, unsettled := join("/stream?cname=a&seq=1"), join("/sse?cname=u&seq=1")
	log.attachAll()
	h.settle()
	log.other(h, "a", "m1")
	log.other(h, "u", "m1")
	h.settle()
	a.objects()
	unsettled.objects()
	log.unsettle(true)
	h.settle()
	log.attach()() // one of the two
	h.settle()
	log.other(h, "a", "m2")
	log.other(h, "u", "m2")
	waits := join("/poll?cname=w&seq=3&lost=1")
	h.settle()
	for range 4 {
		log.number("w", msg.Data, []byte("w"))
	}
	attached := log.attached["a"] + log.attached["u"]
	log.homes, h.waits = nil, true
	handOver(h, func(*Config) { log.attaches, log.homes = nil, nil })
	if n := log.attached["a"] + log.attached["u"]; attached != 2 || n < 4 { // those of the rehearsal, and of each server
		t.Errorf("the channels were attached %d times, and are %d", attached, n)
	}
	h.settle()
	log.attachAll()
	h.settle()
	log.other(h, "a", "m3")
	log.other(h, "u", "m3")
	h.settle()
	for _, e := range []*end{a, unsettled} {
		wantObjects(t, e, "a stream", "data 65538 m2", "data 65539 m3")
	}
	wantObjects(t, waits, "a poll", "data 3 w", "data 4 w")
	check(t, h.srv, true, "at the end")
}

// TestLateAhead: a client that has later numbers from another server is not moved back: the
// log is asked.
func TestLateAhead(t *testing.T) {
	for _, path := range []string{"/poll?cname=a&seq=4", "/poll?cname=a&seq=4&epoch=", "/stream?cname=a&seq=4&lost=1", "/sse?cname=a&seq=4"} {
		h, log := newLate(t, Config{})
		first := h.connect(h.srv.shards[0], conn.Front, 0)
		first.get("/stream?cname=a&seq=1")
		h.settle()
		log.attachAll()
		h.settle()
		first.objects()
		var late []mail.Mail
		for range 3 { // that have not come yet
			late = append(late, ordered("a", log.number("a", msg.Data, []byte("m"))))
		}
		e := h.connect(h.srv.shards[1], conn.Front, 0)
		e.get(path)
		h.settle()
		log.attachAll()
		h.settle()
		for _, m := range late {
			h.srv.home("a").Post(m)
		}
		log.other(h, "a", "m")
		h.settle()
		wantObjects(t, first, path, "data 1 m", "data 2 m", "data 3 m", "data 4 m")
		wantObjects(t, e, path, "data 4 m")
		check(t, h.srv, true, path)
		// A number that nobody has given does not exist, after a while.
		none := h.connect(h.srv.shards[1], conn.Front, 0)
		none.get("/poll?cname=a&seq=100")
		h.settle()
		log.attachAll()
		h.settle()
		wantObjects(t, none, path)
		h.now = h.now.Add(h.srv.cfg.RequestTimeout/2 + time.Second)
		h.settle()
		h.settle()
		wantObjects(t, none, path, "next_seq 5 ")
	}
}

// TestLateAheadOfMaster: a client that has numbers of a new master from another server is
// not moved back by a server that still asks the old master. Its request waits until this
// server knows the new master, or has reached those numbers.
func TestLateAheadOfMaster(t *testing.T) {
	for _, path := range []string{"/poll?cname=a&seq=65540", "/stream?cname=a&seq=65540&lost=1", "/sse?cname=a&seq=65540", "/history?cname=a&seq=65540", "/ws?cname=a&seq=65540"} {
		for _, missed := range []bool{false, true} {
			h, log := newLate(t, Config{})
			log.prompt = true
			first := h.connect(h.srv.shards[0], conn.Front, 0)
			first.get("/stream?cname=a&seq=1")
			log.other(h, "a", "m1")
			h.settle()
			wantObjects(t, first, path, "data 1 m1")
			e := h.connect(h.srv.shards[1], conn.Front, 0)
			if strings.HasPrefix(path, "/ws") {
				e.write(handshake(path))
			} else {
				e.get(path)
			}
			h.settle()
			wantObjects(t, e, path)
			log.other(h, "a", "m2") // accepted by the old master
			h.settle()
			wantObjects(t, first, path, "data 2 m2")
			wantObjects(t, e, path)
			log.unsettle(missed)
			var numbers []int32
			for range 3 {
				numbers = append(numbers, log.number("a", msg.Data, []byte("new")).Seq)
			}
			h.settle()
			if numbers[2] != 65541 {
				t.Fatalf("numbers %d", numbers)
			}
			h.settle()
			want := []string{"data 65540 new", "data 65541 new"}
			wantObjects(t, e, path, want...)
			check(t, h.srv, true, path)
		}
	}
}
