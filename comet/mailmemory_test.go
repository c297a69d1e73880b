package comet

import (
	"runtime"
	"strings"
	"testing"
	"weak"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
	"ccomet/httplite/websocket"
)

// TestPublishToLoopThatDoesNotTurn: publishes to channels whose home does not turn wait in
// its mail, which is bounded. Publishes beyond the bound are refused with its name; those to
// channels of other loops are not. When the home turns again, all accepted messages are
// published.
func TestPublishToLoopThatDoesNotTurn(t *testing.T) {
	const held, size, publishers, each = 8 << 20, 20_000, 8, 100
	st := newStage(t, Config{Loops: 2, MaxHeldBytes: held, WSPublish: true})
	awake, stuck := st.srv.shards[0], st.srv.shards[1]
	name, other := st.homed(1), st.homed(0)
	request := reqGet(1, "/push?cname="+name+"&content="+strings.Repeat("x", size))
	var players []*player
	socket := st.websocket(0, "/ws?cname="+other+"&seq=1")
	for range publishers {
		players = append(players, st.enter(0, conn.Admin))
	}
	most := 0
	for range each {
		for _, p := range players {
			p.write(request)
		}
		for range 3 {
			st.turn(0)
			most = max(most, awake.Waiting(1))
		}
	}
	if slop := 2 * publishers * size; most > held/2+slop || most < held/2-slop {
		t.Errorf("%d bytes waited, want about %d", most, held/2)
	}
	if n := st.srv.totals.Hits[limit.Held].Times.Load(); n == 0 {
		t.Error("no publish was refused")
	}
	socket.write(clientFrame(websocket.Text, `{"op":"pub","cname":"`+name+`","content":"x"}`))
	st.turn(0)
	if got := socket.take(); !strings.Contains(got, `"type":"503"`) {
		t.Errorf("a publish on a WebSocket is answered %q", got)
	}
	if got := st.admin(0, "/push?content=m&cname="+other); !strings.Contains(got, `{"type":"ok"}`) {
		t.Errorf("it did not get another loop's channel: %q", got)
	}
	st.turn(1)
	st.settle()
	taken, refused := 0, 0
	for _, p := range players {
		got := p.take()
		taken += strings.Count(got, `{"type":"ok"}`)
		refused += strings.Count(got, "too much is on its way to subscribers: max-held-bytes is")
	}
	if numbered := int(stuck.broker.Inside().Newest(name).Seq); taken+refused != publishers*each || taken != numbered {
		t.Errorf("of %d publishes, %d were accepted and %d refused; %d have a number", publishers*each, taken, refused, numbered)
	}
	for _, s := range st.srv.shards {
		if n := s.Borrowed(); n != 0 {
			t.Errorf("loop %d counts %d bytes of mail, but there is none", s.ID, n)
		}
	}
}

// TestLastMailKeepsNothingAlive: a sleeping loop keeps no mail that it has read. A message
// there would keep all messages alive that are published after it.
func TestLastMailKeepsNothingAlive(t *testing.T) {
	const messages = 100
	st := newStage(t, Config{Loops: 2, ChannelBufferSize: 10})
	home, asleep := st.srv.shards[0], st.srv.shards[1]
	name := st.homed(0)
	st.admin(0, "/push?content=first&cname="+name)
	p := st.enter(1, conn.Front)
	p.write(reqGet(1, "/poll?seq=1&cname="+name))
	st.turn(1) // it asks
	st.turn(0) // the home answers
	st.turn(1) // it reads the answer, and sleeps
	if got := p.take(); !strings.Contains(got, "first") {
		t.Fatalf("the poll is answered %q", got)
	}
	var published []weak.Pointer[msg.Message]
	for range messages {
		home.broker.Inside().Publish(name, []byte("later"))
		published = append(published, weak.Make(home.broker.Inside().Newest(name)))
	}
	st.turn(0)
	runtime.GC()
	if alive := places(published); alive > 10+10/4 {
		t.Fatalf("the channel keeps 10 messages, and %d are alive", alive)
	}
	runtime.KeepAlive(asleep)
}

// A broadcast counts as being on its way until each loop has brought it to its channels.
func TestBroadcastOnItsWayIsCounted(t *testing.T) {
	st := newStage(t, Config{Loops: 2, MaxHeldBytes: 1000})
	st.admin(0, "/sign?cname="+st.homed(0))
	onTheirWay := func(want int64) {
		t.Helper()
		if n := st.srv.totals.Delivering.Load(); n != want {
			t.Errorf("%d bytes are on their way, want %d", n, want)
		}
	}
	p := st.enter(0, conn.Admin)
	p.write(reqGet(1, "/broadcast?content="+strings.Repeat("x", 600)))
	st.turn(0)
	onTheirWay(600)
	p.write(reqGet(1, "/broadcast?content="+strings.Repeat("x", 600)))
	st.turn(0)
	p.write(reqGet(1, "/broadcast?content=x"))
	st.turn(0)
	if got := p.take(); strings.Count(got, "HTTP/1.1 200 ") != 2 || !strings.Contains(got, "max-held-bytes is 1000") {
		t.Errorf("answered %q", got)
	}
	st.turn(1)
	st.settle()
	onTheirWay(0)
}

// TestUnreadRunKeepsLittleAlive: if a loop does not turn after it was sent stored messages,
// they keep the messages alive that are published after them, up to a bound. Beyond it
// publishes are refused. When the loop has read them, publishes are accepted again.
func TestUnreadRunKeepsLittleAlive(t *testing.T) {
	const size = 50_000
	st := newStage(t, Config{Loops: 2, ChannelBufferSize: 10})
	name := st.homed(0)
	st.admin(0, "/push?content=first&cname="+name)
	p := st.enter(1, conn.Front)
	p.write(reqGet(1, "/poll?seq=1&cname="+name))
	st.turn(1) // it asks, and is stuck from then on
	publisher := st.enter(0, conn.Admin)
	publish := func() (published int) {
		for range 2 * broker.PinnedBytes / size {
			publisher.write(reqGet(1, "/push?cname="+name+"&content="+strings.Repeat("x", size)))
			st.turn(0)
			st.turn(0)
			if got := publisher.take(); strings.Contains(got, "503 ") {
				break
			}
			published += size
		}
		return published
	}
	if n := publish(); n < broker.PinnedBytes || n > broker.PinnedBytes+broker.PinnedBytes/4 {
		t.Errorf("%d bytes were published while a loop did not read, want about %d", n, broker.PinnedBytes)
	}
	st.turn(1)
	if n := publish(); n < 2*broker.PinnedBytes-size {
		t.Errorf("%d bytes were published after it had read", n)
	}
}
