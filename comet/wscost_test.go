package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/httplite/websocket"
)

// An idle WebSocket takes the two records of an idle stream, whether it waits for one
// channel or for none, and one more for each further channel. Nothing else is kept, even
// after it was used.
func TestWebSocketTakesTwoRecords(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSPublish: true, WSDeflate: true})
	records := func(connections, subscribers int) {
		t.Helper()
		f := st.figures().Loops[0]
		if got := [2]int{f.Slabs[slabConnection].Live, f.Slabs[slabSubscriber].Live}; got != [2]int{connections, subscribers} {
			t.Errorf("%d records of connections, and of subscribers: want %d, %d", got, connections, subscribers)
		}
		if f.Sockets.Busy != 0 || f.Sockets.Bytes != 0 || f.Reactor.Held != 0 || f.Reactor.InputBytes != 0 {
			t.Errorf("something else is kept: %+v", f)
		}
	}
	one := st.websocket(0, "/ws?cname=a&seq=1")
	records(1, 1)
	none := st.websocket(0, "/ws")
	records(2, 2)
	none.ask(`{"op":"sub","cname":"a"}`, `{"type":"ok","cname":"a","seq":1}`)
	records(2, 2)
	none.ask(`{"op":"sub","cname":"b"}`, `{"type":"ok","cname":"b","seq":1}`)
	records(2, 3)
	st.websocket(0, "/ws?cname=a&cname=b&cname=c&seq=1", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	records(3, 6)
	none.ask(`{"op":"unsub","cname":"a"}`, `{"type":"ok","cname":"a"}`)
	records(3, 5)
	text := clientFrame(websocket.Text, `{"op":"pub","cname":"a","content":"x","id":1}`)
	one.send(text[:20])
	if f := st.figures().Loops[0].Sockets; f.Busy != 1 {
		t.Errorf("within a message: %+v", f)
	}
	one.send(text[20:])
	one.expect(`{"type":"ok","seq":1,"id":1}`, object("data", 1, "x"))
	for range 120 {
		st.later(time.Second)
		for _, p := range []*wsPlayer{one, none} {
			if p.hear() == "ping" {
				p.send(clientFrame(websocket.Pong, ""))
			}
		}
	}
	records(2, 2)
}

// A burst in one turn is one write for each client.
func TestWebSocketBurst(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSDeflate: true})
	plain, packed := st.websocket(0, "/ws?cname=a&seq=1"), st.websocket(0, "/ws?cname=a&seq=1", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	again := st.websocket(0, "/ws?cname=a&seq=1", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	publisher := st.enter(0, conn.Admin)
	before := st.srv.shards[0].loop.Stats().Writes
	burst, want := "", []string{}
	for n := range 50 {
		content := fmt.Sprintf("%d %s", n, strings.Repeat("compressible ", 80))
		burst += reqForm(1, "/push", "cname=a&content="+content)
		want = append(want, object("data", n+1, content))
	}
	publisher.send(burst)
	if n := st.srv.shards[0].loop.Stats().Writes - before; n != 4 { // including the publisher's
		t.Errorf("%d writes", n)
	}
	bytes := [3]int{}
	for i, p := range []*wsPlayer{plain, packed, again} {
		p.in = append(p.in, p.take()...)
		bytes[i] = len(p.in)
	}
	if string(packed.in) != string(again.in) || bytes[1]*4 > bytes[0] {
		t.Errorf("%d bytes are %d and %d when they are compressed", bytes[0], bytes[1], bytes[2])
	}
	for _, p := range []*wsPlayer{plain, packed, again} {
		p.expect(want...)
	}
}

// A client that subscribes to what it publishes gets the answers and the messages in one
// write.
func TestWebSocketAnswersLeaveWithMessages(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSPublish: true})
	p := st.websocket(0, "/ws?cname=a&seq=1")
	before := st.srv.shards[0].loop.Stats().Writes
	var texts, want []string
	for n := 1; n <= 20; n++ {
		texts = append(texts, fmt.Sprintf(`{"op":"pub","cname":"a","content":%d,"id":%d}`, n, n))
		want = append(want, fmt.Sprintf(`{"type":"ok","seq":%d,"id":%d}`, n, n))
	}
	for n := 1; n <= 20; n++ {
		want = append(want, object("data", n, fmt.Sprint(n)))
	}
	p.text(texts...)
	p.expect(want...)
	if n := st.srv.shards[0].loop.Stats().Writes - before; n != 1 {
		t.Errorf("%d writes", n)
	}
}

// A message that a client publishes and gets costs the message and its content, and nothing
// else.
func TestWebSocketPublishAllocatesOnlyTheMessage(t *testing.T) {
	skipUnderRace(t)
	st := newStage(t, Config{Loops: 1, WSPublish: true, WSRate: -1})
	p := st.websocket(0, "/ws?cname=a&seq=1")
	text, buf := []byte(clientFrame(websocket.Text, `{"op":"pub","cname":"a","content":"hello","id":1}`)), make([]byte, 4096)
	got := 0
	cycle := func() {
		if _, err := unix.Write(p.fd, text); err != nil {
			t.Fatal(err)
		}
		st.turn(0)
		for {
			n, err := unix.Read(p.fd, buf)
			if err != nil {
				return
			}
			got += n
		}
	}
	for range 300 {
		cycle()
	}
	if allocs := testing.AllocsPerRun(100, cycle); allocs > 1 {
		t.Errorf("%v allocations, want the message", allocs)
	}
	if got < 400*60 {
		t.Errorf("got %d bytes", got)
	}
	st.settle()
	check(t, st.srv, true, "")
}
