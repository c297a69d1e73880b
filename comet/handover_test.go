package comet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/limit"
)

// TestRandomHandOvers: random operations, during which the server is handed over now and
// then.
func TestRandomHandOvers(t *testing.T) {
	seeded(t, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		w.handOvers = true
		w.run(600)
		if n := w.srv.handOvers.Total; n == 0 {
			t.Error("the server was never handed over")
		}
	})
}

// goOn has another server go on for the world's, every other time with any number of loops.
func (w *world) goOn() {
	loops := len(w.srv.shards)
	if w.byName = w.rng.IntN(2) == 0; w.byName {
		loops = 1 + w.rng.IntN(4)
		w.got[fmt.Sprintf("from %d loops to %d", len(w.srv.shards), loops)]++
	}
	w.handOver(func(cfg *Config) { cfg.Loops = loops })
	for _, c := range w.clients {
		c.shard = w.srv.shards[int(c.shard.ID)%loops]
	}
	check(w.t, w.srv, false, w.note)
}

// TestHandOverCounts: figures, tokens, the hash of names, and pages of other origins are
// handed over.
func TestHandOverCounts(t *testing.T) { ways(t, testHandOverCounts) }

func testHandOverCounts(t *testing.T, handOver func(*harness, func(*Config))) {
	h := newHarness(t, Config{
		Loops: 2, Inheritable: true, Auth: AuthToken, MaxConnectionsPerAddress: 100, CORSOrigins: []string{"https://a.example"}, MaxChannels: 2,
	})
	admin := h.connect(h.srv.shards[0], conn.Admin, 0)
	token := h.sign(admin, "news")
	sub := h.connect(h.srv.shards[1], conn.Front, 0)
	sub.write("GET /poll?cname=news&token=" + token + " HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n")
	h.settle()
	for _, path := range []string{"/push?cname=news&content=1", "/push?cname=other&content=1", "/push?cname=third&content=1"} {
		admin.get(path)
	}
	h.settle()
	hits := h.srv.totals.Hits[limit.Channels].Times.Load()
	sub.read()
	if !strings.Contains(string(sub.in), "Access-Control-Allow-Origin: https://a.example\r\n") || hits == 0 {
		t.Fatalf("the poll got %q; the limit of channels was hit %d times", sub.in, hits)
	}
	sub.in = nil
	sub.get("/poll?cname=news&seq=2&token=" + token) // of no page
	h.settle()
	before := h.srv.Stats()
	handOver(h, func(cfg *Config) { cfg.PollingTimeout = 20 * time.Second })
	after := h.srv.Stats()
	before.ResidentBytes, after.ResidentBytes, before.Uptime, after.Uptime = 0, 0, 0, 0
	if before != after {
		t.Errorf("figures were %+v, and are %+v", before, after)
	}
	if now := h.srv.totals.Hits[limit.Channels].Times.Load(); now != hits {
		t.Errorf("the limit of channels was hit %d times, and now %d times", hits, now)
	}
	if again := h.sign(admin, "news"); again != token {
		t.Errorf("the channel's token was %s, and is %s", token, again)
	}
	admin.get("/push?cname=news&content=2")
	h.settle()
	sub.read()
	if !strings.Contains(string(sub.in), `"seq":2,"content":"2"`) || strings.Contains(string(sub.in), "a.example") {
		t.Errorf("a poll that waited is answered %q", sub.in)
	}
}

// sign asks for a channel's token.
func (h *harness) sign(admin *end, cname string) string {
	h.t.Helper()
	admin.read()
	admin.in = nil
	admin.get("/sign?cname=" + cname)
	h.settle()
	admin.read()
	_, rest, _ := strings.Cut(string(admin.in), `"token":"`)
	token, _, ok := strings.Cut(rest, `"`)
	if !ok {
		h.t.Fatalf("answer %q", admin.in)
	}
	admin.in = nil
	return token
}

// TestHandOverMidway: input that is half read, output that is half written, and unanswered
// requests are handed over.
func TestHandOverMidway(t *testing.T) { ways(t, testHandOverMidway) }

func testHandOverMidway(t *testing.T, handOver func(*harness, func(*Config))) {
	h := newHarness(t, Config{Loops: 2, Inheritable: true})
	h.watchRecords = true
	home := h.srv.shards[0]
	slow := h.connect(home, conn.Admin, 0)
	slow.write("POST /push?cname=a&ack=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	bytewise := h.connect(home, conn.Front, 0)
	bytewise.write("GET /po")
	psub := h.connect(home, conn.Admin, 0)
	psub.get("/psub?now=1")
	gone := h.connect(home, conn.Front, 0)
	gone.get("/stream?cname=a")
	stuck := h.connect(home, conn.Admin, 4608)
	for range 60 {
		stuck.get("/push?cname=b&ack=1&content=" + strings.Repeat("x", 100))
		stuck.get("/explain?cname=b")
	}
	h.settle()
	slow.read()
	if got := string(slow.in); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("after a request to continue: %q", got)
	}
	slow.in = nil
	slow.write("he")
	h.settle()
	h.park()
	gone.close() // it is told of when the next one reads
	slow.write("l")
	handOver(h, nil)
	slow.write("lo")
	bytewise.write("ll?cname=a&seq=1 HTTP/1.1\r\nHost: x\r\n\r\n")
	h.settle()
	for _, want := range []struct {
		of   *end
		text string
	}{{slow, `{"type":"ok","seq":1`}, {bytewise, `"seq":1,"content":"hello"`}, {psub, "1 a\n"}} {
		want.of.read()
		if !strings.Contains(string(want.of.in), want.text) || strings.Contains(string(want.of.in), "100 Continue") {
			t.Errorf("want %s, got %q", want.text, want.of.in)
		}
	}
	for range 200 {
		stuck.read()
		h.settle()
	}
	if got := strings.Count(string(stuck.in), "HTTP/1.1 200 OK\r\n"); got != 120 {
		t.Errorf("a client that was stuck got %d of 120 answers", got)
	}
	if n := h.srv.totals.Subscribers.Load(); n != 0 {
		t.Errorf("%d subscribers are left after the only one has gone", n)
	}
	check(t, h.srv, true, "")
}

// TestHandOverRefused: a setting that must not change over a hand-over is an error, and the old server
// continues unchanged.
func TestHandOverRefused(t *testing.T) {
	h := newHarness(t, Config{Loops: 2, Inheritable: true, Secret: []byte("first")})
	sub := h.connect(h.srv.shards[0], conn.Front, 0)
	sub.get("/stream?cname=a&seq=1")
	h.settle()
	p := h.park()
	file := h.written(p)
	for want, change := range map[string]func(*Config){
		"3 loops are configured": func(cfg *Config) { cfg.Loops = 3 },
		"the state file is":      func(cfg *Config) { cfg.StateFile = t.TempDir() + "/state" },
		"the secret is not the":  func(cfg *Config) { cfg.Secret = []byte("second") },
	} {
		from, err := ReadHandOver(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(h.successor(from, change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for _, s := range h.srv.shards {
		s.hold(false)
	}
	admin := h.connect(h.srv.shards[1], conn.Admin, 0)
	admin.get("/push?cname=a&content=on")
	h.settle()
	if sub.read(); !strings.Contains(string(sub.in), `"content":"on"`) {
		t.Errorf("the server that continues delivered %q", sub.in)
	}
}

// TestHandOverUnsound: an inconsistent hand-over is an error that says what is inconsistent,
// and of which loop.
func TestHandOverUnsound(t *testing.T) {
	h := newHarness(t, Config{Loops: 2, Inheritable: true})
	p, file := h.park(), h.memoryFile()
	w := handover.NewWriter(file)
	w.Part(1).Raw("histories", []byte{0}) // of no place
	if err := p.handOver(w); err != nil {
		t.Fatal(err)
	}
	from, err := ReadHandOver(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(h.successor(from, nil)); err == nil || !strings.Contains(err.Error(), "loop 1: the handed-over messages of channels are incomplete") {
		t.Errorf("got %v", err)
	}
}

// TestReadHandOver: a file that is not a hand-over, or has another layout, is an error.
func TestReadHandOver(t *testing.T) {
	h := newHarness(t, Config{Loops: 1, Inheritable: true})
	h.connect(h.srv.shards[0], conn.Front, 0)
	h.settle()
	var good bytes.Buffer
	if err := h.park().HandOver(&good); err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(good.Bytes(), []byte(Layout()), []byte("0123456789abcdef"), 1)
	for name, content := range map[string][]byte{"nothing": nil, "a text": []byte("hello"), "half of it": good.Bytes()[:good.Len()/2], "a byte wrong": other} {
		fd, err := unix.MemfdCreate("handover", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(fd), "handover")
		if _, err := io.Copy(file, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadHandOver(file); err == nil {
			t.Errorf("%s is recognized as a server", name)
		}
		file.Close()
	}
}

// TestPark: a server that has publishes under way stops, and continues when it is released.
// A server that must not be parked is not.
func TestPark(t *testing.T) {
	srv, err := New(Config{Front: []string{"127.0.0.1:0"}, Admin: []string{"127.0.0.1:0"}, Loops: 2, Inheritable: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer func() {
		srv.Stop()
		if err := srv.Wait(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 20 {
		p, err := srv.Park(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := srv.Park(ctx); !errors.Is(err, errParking) {
			t.Errorf("Park twice: %v", err)
		}
		if err := p.HandOver(io.Discard); err != nil {
			t.Error(err)
		}
		p.Release()
		if f := srv.Figures(ctx); !f.Loops[0].Answered || !f.Loops[1].Answered {
			t.Error("a loop does not go on")
		}
	}
	over, end := context.WithCancel(ctx)
	end()
	if _, err := srv.Park(over); !errors.Is(err, errNeverQuiet) {
		t.Errorf("Park after the deadline: %v", err)
	}
	srv.Drain(time.Minute)
	if _, err := srv.Park(ctx); !errors.Is(err, errDraining) {
		t.Errorf("Park while the server ends: %v", err)
	}
}

// TestParkTimeLimits: if a server continues after it was parked, the timeouts of its clients
// do not include that time.
func TestParkTimeLimits(t *testing.T) {
	h := newHarness(t, Config{Loops: 2, Inheritable: true})
	half := h.connect(h.srv.shards[0], conn.Admin, 0)
	half.write("POST /push?cname=a&ack=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
	poll := h.connect(h.srv.shards[1], conn.Front, 0)
	poll.get("/poll?cname=a&seq=1")
	h.settle()
	h.park()
	h.now = h.now.Add(time.Hour)
	h.settle()
	for _, s := range h.srv.shards {
		s.hold(false)
	}
	half.write("llo")
	h.settle()
	half.read()
	poll.read()
	if !strings.HasPrefix(string(half.in), "HTTP/1.1 200 ") || !strings.Contains(string(poll.in), `"content":"hello"`) {
		t.Errorf("an incomplete request was answered %q, and a waiting poll %q", half.in, poll.in)
	}
}

// TestHandOverKnowsServer: each field that the loops share is listed with how it is handed
// over. A new field must be added.
func TestHandOverKnowsServer(t *testing.T) {
	for of, known := range map[reflect.Type]string{
		reflect.TypeFor[Server](): "cfg:given site:cfg homes:Key shards:parts mailers:parts group:Sockets front:cfg admin:cfg ccomet:cfg totals:Totals " +
			"baseBytes:BaseBytes started:Started Clock:none,as-it-does-not-drain state:StateFile handedOver:no randomSecret:cfg parking:no early:no leftBehind:no handOvers:HandOvers",
		reflect.TypeFor[shard](): "Mailer:empty srv:new loop:part broker:part hub:part web:part drain:none holding:no early:no writes:no wait:0 watchers:ask-again figures:of-actors",
		reflect.TypeFor[limit.Totals](): "Channels:yes Subscribers:yes Refused:yes SlowClosed:yes Listening:yes Broadcasts:0 Delivering:0 Handling:0 Admitted:yes " +
			"Hits:yes Gap:Gapped Log:new",
	} {
		names := map[string]bool{}
		for _, word := range strings.Fields(known) {
			name, _, _ := strings.Cut(word, ":")
			names[name] = true
		}
		for i := range of.NumField() {
			if name := of.Field(i).Name; !names[name] {
				t.Errorf("%v.%s: decide whether it is handed over", of, name)
			}
		}
		if len(names) != of.NumField() {
			t.Errorf("%v has %d fields, and %d are known: %s", of, of.NumField(), len(names), fmt.Sprint(names))
		}
	}
}

// TestHandOverPollingTimeout: WebSockets whose clients only answer pings stay open when the
// polling timeout changes.
func TestHandOverPollingTimeout(t *testing.T) {
	h := newHarness(t, Config{Loops: 2, Inheritable: true})
	var clients []*end
	for n := range 8 {
		e := h.connect(h.srv.shards[n%2], conn.Front, 0)
		e.write("GET /ws?cname=a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		clients = append(clients, e)
	}
	for round := range 12 {
		for range 90 {
			h.now = h.now.Add(time.Second)
			h.settle()
			for _, e := range clients {
				if e.read(); strings.HasSuffix(string(e.in), "\x89\x00") { // a ping
					e.in = nil
					e.write("\x8a\x80\x00\x00\x00\x00")
				}
			}
		}
		for n, e := range clients {
			if e.ended {
				t.Fatalf("client %d was cut in round %d", n, round)
			}
		}
		h.byName = round%3 == 2
		h.handOver(func(cfg *Config) { cfg.PollingTimeout = time.Duration(7+round*11%37) * time.Second })
	}
}
