package comet

import (
	"maps"
	"testing"
	"time"

	"ccomet/comet/internal/drain"
)

// checkSleep holds how long a loop would sleep after a turn against what it has left
// to do, and against each time that something of it is due.
func checkSleep(t testing.TB, s *shard, now time.Time) {
	t.Helper()
	wait := s.wait
	if wait == 0 {
		return
	}
	left := s.broker.Inside().Left()
	maps.Copy(left, map[string]int{
		"mail to itself": len(s.Out[s.ID]), "roster scans": len(s.hub.Scans.List), "answers": s.web.Answers(), "deliveries": len(s.hub.Pumps.Busy),
		"lines": len(s.web.Presence.Lines), "subscribers that left": len(s.hub.Departed), "replays": len(s.hub.Replays.List),
	})
	for what, n := range left {
		if n > 0 {
			t.Fatalf("loop %d would sleep (%v) and has %d left: %s", s.ID, wait, n, what)
		}
	}
	for to, mails := range s.Out {
		if len(mails) > 0 {
			t.Fatalf("loop %d would sleep (%v) with %d mails for loop %d", s.ID, wait, len(mails), to)
		}
	}
	due := s.broker.Inside().Due(now)
	if len(s.web.Probe.Askers) > 0 {
		due["a probe"] = s.web.Probe.Deadline.Sub(now)
	}
	if phase := s.drain.Phase; phase > drain.None && phase < drain.Ending {
		due["the end of the drain"] = s.drain.Left(now)
	}
	for what, left := range due {
		if wait < 0 || wait > left {
			t.Fatalf("loop %d would sleep (%v) past %s, due in %v", s.ID, wait, what, left)
		}
	}
}
