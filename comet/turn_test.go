package comet

import (
	"testing"
	"time"

	"ccomet/comet/internal/drain"
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
		"mail to itself": len(s.Out[s.Id]), "broadcasts": len(s.broker.Broadcasts), "listings": len(s.broker.Listings), "roster scans": len(s.hub.Scans),
		"answers": s.web.Answers(), "deliveries": len(s.hub.BusyPumps), "lines": len(s.web.Presence.Lines), "leavers": len(s.hub.Departed), "replays": len(s.hub.Replays),
	} {
		if left > 0 {
			t.Fatalf("loop %d would sleep (%v) and has %d left: %s", s.Id, wait, left, what)
		}
	}
	for to, mails := range s.Out {
		if len(mails) > 0 {
			t.Fatalf("loop %d would sleep (%v) with %d mails for loop %d", s.Id, wait, len(mails), to)
		}
	}
	due := map[string]time.Duration{}
	for _, e := range s.broker.Explanations {
		due["an explanation"] = e.Until.Sub(now)
	}
	if len(s.web.Probe.Askers) > 0 {
		due["a probe"] = s.web.Probe.Deadline.Sub(now)
	}
	if ticks, any := s.broker.Leases.Next(); any {
		due["a lease"] = time.Duration(ticks) * reactor.TickLength
	}
	if phase := s.drain.Phase; phase > drain.None && phase < drain.Ending {
		due["the end of the drain"] = s.drain.Left(now)
	}
	for what, left := range due {
		if wait < 0 || wait > left {
			t.Fatalf("loop %d would sleep (%v) past %s, due in %v", s.Id, wait, what, left)
		}
	}
}
