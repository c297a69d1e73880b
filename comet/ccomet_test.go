package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
)

// How CComet's dialect behaves, turn by turn.

func (st *stage) homeOfC() int { return int(st.srv.homes.Of([]byte("\x01c"))) }

// ccWait lets a client of a loop wait.
func (st *stage) ccWait(loop int, sname string, seqid int) *player {
	p := st.enter(loop, conn.CComet)
	p.send(reqGet(1, ccSubscribe(sname, seqid)))
	return p
}

// ccDo sends a request on a loop, and completes everything that it causes.
func (st *stage) ccDo(loop int, target string) string {
	p := st.enter(loop, conn.CComet)
	p.send(reqGet(0, target))
	defer p.leave()
	return p.body()
}

// A client replaces an earlier one with the same name. The connection of the earlier one
// is closed without an answer, a moment later, so that two clients with one name do not
// replace each other as fast as they can. This holds on any two loops.
func TestCCometReplacement(t *testing.T) {
	st := newStage(t, Config{Loops: 3})
	for a := range 3 {
		for b := range 3 {
			first, other := st.ccWait(a, "v", 0), st.ccWait(b, "w", 0)
			second := st.ccWait(b, "v", 0)
			if got := first.take(); got != "" || first.ended {
				t.Fatalf("from loop %d to %d: the first got %q at once, ended %v", a, b, got, first.ended)
			}
			st.later(2 * time.Second)
			if got := first.take(); got != "" || !first.ended {
				t.Fatalf("from loop %d to %d: the first got %q, ended %v", a, b, got, first.ended)
			}
			if got := second.take() + other.take(); got != "" || second.ended || other.ended {
				t.Fatalf("from loop %d to %d: the others got %q", a, b, got)
			}
			check(t, st.srv, true, "")
			st.ccDo(a, ccSign)
			want := "f('[" + ccMessage("SIGN", "SIGN", "u", 0) + "]')"
			same(t, second.body()+other.body(), want+want)
			check(t, st.srv, true, "")
		}
	}
	if n := st.srv.totals.Subscribers.Load(); n != 0 {
		t.Errorf("%d subscribers have no connection", n)
	}
}

// The same name on another channel is another client.
func TestCCometNamesAreOfTheirChannel(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	first := st.ccWait(0, "v", 0)
	second := st.enter(1, conn.CComet)
	second.send(reqGet(1, "/subscribe?channel=d&sname=v&seqid=0&callback=f"))
	if first.take(); first.ended {
		t.Error("a subscriber of another channel was closed")
	}
	check(t, st.srv, true, "")
}

// A client that is answered at once also replaces the earlier one: no two clients wait.
func TestCCometReplacementThatIsAnsweredAtOnce(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	st.ccDo(0, ccPublish("x0"))
	first := st.ccWait(0, "v", 1)
	second := st.ccWait(1, "v", 0)
	same(t, second.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')")
	st.later(2 * time.Second)
	if got := first.take(); got != "" || !first.ended {
		t.Errorf("the first got %q, ended %v", got, first.ended)
	}
	check(t, st.srv, true, "")
}

// A client's poll is answered while another client takes its name. It polls again on its
// connection before it can be told, so it is the last to come.
func TestCCometReplacementOfWhoAsksAgain(t *testing.T) {
	st := newStage(t, Config{Loops: 3})
	home := st.homeOfC()
	mine, others := (home+1)%3, (home+2)%3
	first := st.ccWait(mine, "v", 0)
	publisher, second := st.enter(home, conn.CComet), st.enter(others, conn.CComet)
	publisher.write(reqGet(0, ccPublish("x0")))
	st.turn(home) // mails the message
	second.write(reqGet(1, ccSubscribe("v", 1)))
	st.turn(others)
	st.turn(mine) // answers the first
	st.turn(home) // gives the second client the session, which the first has just left
	first.write(reqGet(1, ccSubscribe("v", 1)))
	st.turn(mine) // handles this request, and the mail that the session was lost
	st.settle()
	same(t, first.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')")
	st.later(2 * time.Second)
	if got := first.take() + second.take(); got != "" || first.ended || !second.ended {
		t.Fatalf("got %q; the first has ended: %v, the second: %v", got, first.ended, second.ended)
	}
	check(t, st.srv, true, "")
}

// A SIGN is sent to all waiting clients, on all loops. If a SIGN and a message come in the
// same turn, clients get the one that came first; the message reaches all of them.
func TestCCometSignIsAlone(t *testing.T) {
	sign, publish := reqGet(1, ccSign), reqGet(1, ccPublish("x0"))
	for name, requests := range map[string]string{"sign first": sign + publish, "message first": publish + sign} {
		for loops := 1; loops <= 3; loops++ {
			t.Run(fmt.Sprint(name, loops), func(t *testing.T) {
				st := newStage(t, Config{Loops: loops})
				var waiting []*player
				for n := range 3 * loops {
					waiting = append(waiting, st.ccWait(n%loops, fmt.Sprint("v", n), 0))
				}
				// All of it is mail in one turn, if possible from loops other than the
				// home.
				away := st.enter((st.homeOfC()+loops-1)%loops, conn.CComet)
				second := st.enter((st.homeOfC()+loops-1)%loops, conn.CComet)
				one, two, _ := strings.Cut(requests, "\r\n\r\n")
				away.write(one + "\r\n\r\n")
				second.write(two)
				st.settle()
				for n, p := range waiting {
					if name == "sign first" {
						same(t, p.body(), "f('["+ccMessage("SIGN", "SIGN", "u", 0)+"]')")
						p.send(reqGet(1, ccSubscribe(fmt.Sprint("v", n), 0)))
					}
					same(t, p.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')")
				}
				check(t, st.srv, true, "")
			})
		}
	}
}

// Two clients sign in at once: clients that waited hear of one of them, and one that came
// in between hears of the other.
func TestCCometSignsInOneTurn(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	home := st.homeOfC()
	old, other := st.ccWait(home, "old", 0), st.ccWait(1-home, "other", 0)
	// A turn of the home handles these in the order of their connections' events.
	a, between, b := st.enter(home, conn.CComet), st.enter(home, conn.CComet), st.enter(home, conn.CComet)
	a.write(reqGet(1, strings.Replace(ccSign, "=u", "=a", 1)))
	between.write(reqGet(1, ccSubscribe("between", 0)))
	b.write(reqGet(1, strings.Replace(ccSign, "=u", "=b", 1)))
	st.settle()
	same(t, old.body(), "f('["+ccMessage("SIGN", "SIGN", "a", 0)+"]')")
	same(t, other.body(), "f('["+ccMessage("SIGN", "SIGN", "a", 0)+"]')")
	same(t, between.body(), "f('["+ccMessage("SIGN", "SIGN", "b", 0)+"]')")
	check(t, st.srv, true, "")
}

// A long delivery of a SIGN does not delay other clients. It reaches all that waited, and
// none that comes later.
func TestCCometLongSign(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	var ends []*end
	for n := range hub.PumpBudget + 50 {
		e := h.connect(s, conn.CComet, 0)
		e.get(ccSubscribe(fmt.Sprint("v", n), 0))
		ends = append(ends, e)
	}
	h.settle()
	before := s.hub.Tally.Delivered
	h.connect(s, conn.CComet, 0).get(ccSign)
	h.turn(s)
	if got := s.hub.Tally.Delivered - before; got != hub.PumpBudget {
		t.Fatalf("%d deliveries in a turn, want the budget's %d", got, hub.PumpBudget)
	}
	late := h.connect(s, conn.CComet, 0)
	late.get(ccSubscribe("late", 0))
	h.connect(s, conn.CComet, 0).get(ccPublish("x0"))
	h.settle()
	for n, e := range ends {
		e.read()
		if !strings.HasSuffix(string(e.in), "f('["+ccMessage("SIGN", "SIGN", "u", 0)+"]')") {
			t.Fatalf("client %d got %q", n, e.in)
		}
	}
	late.read()
	if !strings.HasSuffix(string(late.in), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')") {
		t.Errorf("a client that came meanwhile got %q", late.in)
	}
	check(t, h.srv, true, "")
}

// Clients that come back after a restart, or after their channel has expired, bring
// numbers that the new channel has not given. None of them is refused, and none misses a
// message.
func TestCCometNumbersAfterARestart(t *testing.T) {
	for name, again := range map[string]func(t *testing.T, st *stage) *stage{
		"restart": func(t *testing.T, _ *stage) *stage { return newStage(t, Config{Loops: 2}) },
		"expiry":  func(_ *testing.T, st *stage) *stage { st.later(31 * time.Second); return st },
	} {
		for _, seqids := range [][]int{{5, 7, 6}, {7, 5, 0}, {0, 6, 7}} {
			for _, signed := range []bool{false, true} { // it makes no difference
				t.Run(fmt.Sprint(name, seqids, signed), func(t *testing.T) {
					st := newStage(t, Config{Loops: 2})
					for n := range 7 {
						st.ccDo(0, ccPublish(fmt.Sprint("x", n)))
					}
					comeBack(again(t, st), seqids, signed)
				})
			}
		}
	}
}

// comeBack lets clients wait on a channel that has no numbers yet.
func comeBack(st *stage, seqids []int, signed bool) {
	st.t.Helper()
	var waiting []*player
	for n, seqid := range seqids {
		waiting = append(waiting, st.ccWait(n%2, fmt.Sprint("v", n), seqid))
	}
	check(st.t.(*testing.T), st.srv, true, "")
	if signed {
		st.ccDo(1, ccSign)
		for n, p := range waiting {
			same(st.t, p.body(), "f('["+ccMessage("SIGN", "SIGN", "u", 7)+"]')")
			p.send(reqGet(1, ccSubscribe(fmt.Sprint("v", n), seqids[n])))
		}
	}
	st.ccDo(1, ccPublish("y"))
	for _, p := range waiting {
		same(st.t, p.body(), "f('["+ccMessage("MSG", "y", "u", 7)+"]')")
	}
	// A client that was not there also gets it.
	same(st.t, st.ccWait(0, "w", 7).body(), "f('["+ccMessage("MSG", "y", "u", 7)+"]')")
	check(st.t.(*testing.T), st.srv, true, "")
}

// Messages that come in one turn are one array.
func TestCCometBurst(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	p := st.ccWait(0, "v", 0)
	a, b := st.enter(1, conn.CComet), st.enter(1, conn.CComet)
	a.write(reqGet(1, ccPublish("x0")))
	b.write(reqGet(1, ccPublish("x1")))
	st.settle()
	same(t, p.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+","+ccMessage("MSG", "x1", "u", 1)+"]')")
}

// A backend may be faster than the clients after a restart, or after a channel has
// expired. No client is told that its number does not exist while the channel is young.
func TestCCometPublishBeforeClientsComeBack(t *testing.T) {
	st := newStage(t, Config{Loops: 2, ChannelTimeout: time.Hour})
	st.ccDo(0, ccPublish("x0"))
	for loop, seqid := range []int{57, 60} { // the message is new to them, and they continue from its number
		p := st.ccWait(loop, fmt.Sprint("v", seqid), seqid)
		same(t, p.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')")
		p.send(reqGet(1, ccSubscribe(fmt.Sprint("v", seqid), 1)))
		same(t, p.take(), "")
	}
	st.later(4 * time.Minute)
	late := st.ccWait(0, "late", 2)
	same(t, late.body(), ccBeyond)
	next := st.ccWait(0, "next", 1)
	same(t, next.take(), "")
	// The channel does not become young again: its messages are not new to any client.
	for minutes := range 260 {
		st.later(time.Minute)
		p := st.ccWait(0, fmt.Sprint("v", minutes), 2)
		same(t, p.body(), ccBeyond)
		p.leave()
	}
}

// A client waits across the number to which its channel is set in the same turn.
func TestCCometGapInOneTurn(t *testing.T) {
	st := newStage(t, Config{Loops: 1, ChannelBufferSize: -1})
	old := st.ccWait(0, "old", 1)
	p := st.enter(0, conn.CComet)
	p.write(reqGet(1, ccPublish("x1")))
	q := st.enter(0, conn.CComet)
	q.write(reqGet(1, ccSubscribe("q", 50)))
	r := st.enter(0, conn.CComet)
	r.write(reqGet(1, ccPublish("x50")))
	st.settle()
	if got := old.body() + q.body(); strings.Count(got, "x1") != 1 || strings.Count(got, "x50") < 1 {
		t.Errorf("got %q", got)
	}
}
