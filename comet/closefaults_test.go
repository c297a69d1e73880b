//go:build faults

package comet

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// cutting is a stage on which the next write to one connection can be made short. The home
// of channel "away" is on another loop than the clients, that of "here" on theirs.
type cutting struct {
	*stage
	away, here string
	fd         int // descriptor of the connection whose next write is short
}

func newCutting(t *testing.T) *cutting {
	st := &cutting{stage: newStage(t, Config{Loops: 2})}
	st.away, st.here = st.homed(1), st.homed(0)
	f := reactor.NewFaults(1)
	t.Cleanup(f.Remove)
	f.Choose = func(call string, fd int) unix.Errno {
		if call != "write" || fd != st.fd {
			return 0
		}
		st.fd = 0
		return reactor.Short
	}
	return st
}

// named puts the names of the channels into a text.
func (st *cutting) named(text string) string {
	return strings.NewReplacer("AWAY", st.away, "HERE", st.here).Replace(text)
}

// cut sends a request for channel away. The write to the client that this causes is short.
func (st *cutting) cut(p *player, target string) {
	st.t.Helper()
	backend := st.enter(1, conn.Admin)
	backend.write(reqGet(1, target))
	st.turn(1)
	st.fd = st.srv.shards[0].loop.Fd(p.conn)
	st.turn(0)
	if st.fd != 0 || !st.srv.shards[0].loop.Blocked(p.conn) {
		st.t.Fatal("the test does not reach what it tests: the write was complete")
	}
}

// A client that has read that a channel is closed has left it, even if the message was cut
// by a short write: its next request is not answered as if it still had the channel.
func TestCutCloseFaults(t *testing.T) {
	for _, target := range []string{"/ws?cname=AWAY&seq=1", "/ws?cname=HERE&seq=1&cname=AWAY&seq=1", "/ws?cname=AWAY&seq=1&cname=HERE&seq=1"} {
		for op, want := range map[string]string{
			"sub":   `{"type":"ok","cname":"AWAY","seq":1}`,
			"unsub": `{"type":"404","content":"not subscribed to this channel"}`,
		} {
			st := newCutting(t)
			p := st.websocket(0, st.named(target))
			st.cut(p.player, st.named("/close?cname=AWAY"))
			st.turn(0) // and the channel's home has none either
			p.expect(objectOf(st.away, "close", 1, ""))
			p.write(clientFrame(websocket.Text, st.named(`{"op":"`+op+`","cname":"AWAY"}`)))
			st.settle()
			p.expect(st.named(want))
			check(t, st.srv, true, target)
		}
	}
}

// The id of an event says which channels are closed, so that a browser that comes back
// with it leaves them.
func TestCutCloseIDFaults(t *testing.T) {
	st := newCutting(t)
	p := st.enter(0, conn.Front)
	p.send(reqGet(1, st.named("/sse?cname=AWAY&seq=1&cname=HERE&seq=1")))
	p.take()
	st.cut(p, st.named("/close?cname=AWAY"))
	st.turn(0)
	st.enter(0, conn.Admin).write(reqGet(1, st.named("/push?cname=HERE&content=x")))
	st.turn(0)
	st.turn(0)
	same(t, p.take(), piece(1, "id: closed,0."+life(1)+"\ndata: "+objectOf(st.away, "close", 1, "")+"\n\n")+
		piece(1, "id: closed,1."+life(1)+"\ndata: "+objectOf(st.here, "data", 1, "x")+"\n\n"))
	st.settle()
	check(t, st.srv, true, "")
}

// A message that a client gets later is counted once, even if the response ends with a
// close.
func TestReplayedCloseFaults(t *testing.T) {
	for _, target := range []string{"/ws?cname=AWAY&seq=1", "/ws?cname=HERE&seq=1&cname=AWAY&seq=1"} {
		st := newCutting(t)
		p := st.websocket(0, st.named(target))
		st.cut(p.player, st.named("/push?cname=AWAY&content=x"))
		st.enter(1, conn.Admin).write(reqGet(1, st.named("/close?cname=AWAY")))
		st.turn(1)
		st.settle()
		p.expect(objectOf(st.away, "data", 1, "x"), objectOf(st.away, "close", 2, ""))
		if n := st.srv.shards[0].hub.Tally.Replayed; n != 1 {
			t.Errorf("%s: %d messages are counted", target, n)
		}
		check(t, st.srv, true, target)
	}
}
