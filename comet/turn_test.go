package comet

import (
	"testing"
	"time"

	"ccomet/reactor"
)

// checkSleep holds how long a loop would sleep after a turn against what it has left
// to do, and against each time that something of it is due.
func checkSleep(t testing.TB, s *shard, now time.Time) {
	t.Helper()
	wait := s.wait
	if wait == 0 {
		return
	}
	for what, left := range map[string]int{
		"mail to itself": len(s.out[s.id]), "broadcasts": len(s.broker.walks), "roll calls": len(s.broker.rollCalls), "surveys": len(s.hub.surveys),
		"answers": len(s.web.answering), "deliveries": len(s.hub.busyPumps), "lines": len(s.web.presence.lines), "leavers": len(s.hub.departed), "replays": len(s.hub.replays),
	} {
		if left > 0 {
			t.Fatalf("loop %d would sleep (%v) and has %d left: %s", s.id, wait, left, what)
		}
	}
	for to, mails := range s.out {
		if len(mails) > 0 {
			t.Fatalf("loop %d would sleep (%v) with %d mails for loop %d", s.id, wait, len(mails), to)
		}
	}
	due := map[string]time.Duration{}
	for _, e := range s.broker.explanations {
		due["an explanation"] = e.until.Sub(now)
	}
	if len(s.web.canary.askers) > 0 {
		due["a probe"] = s.web.canary.deadline.Sub(now)
	}
	if ticks, any := s.broker.leases.Next(); any {
		due["a lease"] = time.Duration(ticks) * reactor.TickLength
	}
	if phase := s.drain.phase; phase > drainNone && phase < drainEnding {
		due["the end of the drain"] = s.drain.left(now)
	}
	for what, left := range due {
		if wait < 0 || wait > left {
			t.Fatalf("loop %d would sleep (%v) past %s, due in %v", s.id, wait, what, left)
		}
	}
}
