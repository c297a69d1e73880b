package comet

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
)

func TestReady(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		srv := startWire(t, Config{Loops: loops})
		more := []string{closing}
		if minor == 0 {
			more = nil
		}
		same(t, srv.talk(conn.Admin, reqGet(minor, "/readyz", closing)), answer(ok200, asText, "ok", more...))
		head := answer(ok200, asText, "ok", more...)
		same(t, srv.talk(conn.Admin, strings.Replace(reqGet(minor, "/readyz", closing), "GET", "HEAD", 1)), head[:len(head)-len("ok")])
		same(t, srv.talk(conn.Front, reqGet(minor, "/readyz", closing)), answer(gone, asText, "no such path: /readyz: the admin side has it\n", more...))
	})
}

// A client that asks on any loop, between other requests, is answered in order.
func TestReadyInOrder(t *testing.T) {
	srv := startWire(t, Config{Loops: 3})
	const asks = 50
	var conns []*wireConn
	for range 8 {
		c := srv.dial(conn.Admin)
		c.send(strings.Repeat(reqGet(1, "/readyz")+reqGet(1, "/push?cname=a&content=x"), asks))
		conns = append(conns, c)
	}
	for _, c := range conns {
		c.expect(strings.Repeat(answer(ok200, asText, "ok")+answer(ok200, asJSON, done), asks))
		c.Close()
	}
}

// Loops that do not turn are named, and clients of other loops are answered in
// time.
func TestNotReady(t *testing.T) {
	const loops = 4
	unready := func(text string) string { return answer("503 Service Unavailable", asText, text+"\n") }
	for _, r := range []struct {
		stuck []int
		want  string
	}{
		{[]int{2}, "loop 2 did not answer within 1s"},
		{[]int{1, 3}, "loops 1, 3 did not answer within 1s"},
		{[]int{1, 2, 3}, "loops 1, 2, 3 did not answer within 1s"},
	} {
		st := newStage(t, Config{Loops: loops})
		turns := func() {
			for range 6 {
				for loop := range loops {
					if !slices.Contains(r.stuck, loop) {
						st.turn(loop)
					}
				}
			}
		}
		p, q, gone := st.enter(0, conn.Admin), st.enter(0, conn.Admin), st.enter(0, conn.Admin)
		p.write(reqGet(1, "/readyz") + reqGet(1, "/healthz"))
		gone.write(reqGet(1, "/readyz"))
		turns()
		st.now = st.now.Add(web.ReadyTime - time.Millisecond)
		gone.leave()
		q.write(reqGet(1, "/readyz"))
		turns()
		if got := p.take() + q.take(); got != "" {
			t.Fatalf("before the time is up: %q", got)
		}
		st.now = st.now.Add(time.Millisecond)
		turns()
		late := dated(st, unready(r.want))
		same(t, p.take(), late+answer(ok200, asText, "ok"))
		same(t, q.take(), late)
		// Late mail does not belong to any round under way.
		p.write(reqGet(1, "/readyz"))
		st.turn(0)
		st.settle()
		same(t, p.take(), dated(st, answer(ok200, asText, "ok")))
	}
}

// dated is an answer with the time of the stage.
func dated(st *stage, answer string) string {
	return strings.ReplaceAll(answer, "12:00:00", st.now.Format("15:04:05"))
}

func TestReadyWhileDraining(t *testing.T) {
	const draining = "draining"
	for _, before := range []bool{true, false} {
		st := newStage(t, Config{Loops: 2, AdminIdleTimeout: 2 * time.Hour})
		p := st.enter(0, conn.Admin)
		if before { // the request comes first, and another loop does not turn
			p.write(reqGet(1, "/readyz"))
			st.turn(0)
		}
		st.srv.Drain(time.Minute)
		st.turn(0)
		if !before {
			p.write(reqGet(1, "/readyz"))
		}
		st.settle()
		same(t, p.take(), answer("503 Service Unavailable", asText, draining))
		st.later(time.Hour) // nothing is served any more
		p.write(reqGet(1, "/readyz"))
		st.settle()
		same(t, p.take(), dated(st, answer("503 Service Unavailable", asText, draining)))
	}
}
