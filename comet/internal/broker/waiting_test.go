package broker

import (
	"testing"
	"time"

	"ccomet/comet/internal/mail"
)

var (
	start    = time.Unix(1_000_000, 0)
	patience = 5 * time.Second
)

// request is a subscription that wants a number.
func request(seq int32) *mail.Mail { return &mail.Mail{Kind: mail.Join, Seq: seq} }

// overdueOf are the channels whose waits expire.
func overdueOf(q *waiting, now time.Time) (list []uint32) {
	q.expire(now, patience, func(i uint32, w *wait) {
		list = append(list, i)
		w.since = noRequests
	})
	return list
}

// TestWaitingExpires: a wait expires when its first request has waited for long enough, not
// before, and only once; one that was answered does not.
func TestWaitingExpires(t *testing.T) {
	q := newWaiting()
	if q.due(start, patience) >= 0 {
		t.Error("a deadline exists, but nothing waits")
	}
	q.add(1, q.forAnswer(1), request(1), start)
	q.add(1, q.forAnswer(1), request(1), start.Add(4*time.Second))
	q.add(2, q.forNumber(2), request(9), start.Add(time.Second))
	q.add(3, q.forAnswer(3), request(1), start.Add(2*time.Second))
	q.answered(1)
	q.add(1, q.forAnswer(1), request(1), start.Add(3*time.Second)) // asked again
	for _, c := range []struct {
		after time.Duration
		want  []uint32
	}{{5 * time.Second, nil}, {6 * time.Second, []uint32{2}}, {7 * time.Second, []uint32{3}}, {7 * time.Second, nil}, {9 * time.Second, []uint32{1}}} {
		if got := overdueOf(&q, start.Add(c.after)); len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("after %v: channels %v have waited for too long, want %v", c.after, got, c.want)
		}
	}
	if len(q.starts) != 0 {
		t.Errorf("%d starts are left", len(q.starts))
	}
}

// TestWaitingReached: requests are removed when the channel has reached their number, and
// all of them when its numbers continue elsewhere.
func TestWaitingReached(t *testing.T) {
	q, ch := newWaiting(), &Channel{Next: 5}
	for _, seq := range []int32{6, 8, 7} {
		m := request(seq)
		m.Flag = mail.FlagEnd
		q.add(1, q.forNumber(1), m, start)
	}
	if now := q.reached(1, ch, false); len(now) != 0 {
		t.Fatalf("%d requests have reached their number too early", len(now))
	}
	ch.Next = 7
	if now := q.reached(1, ch, false); len(now) != 2 || now[0].Seq != 6 || now[1].Seq != 7 || now[0].Flag&mail.FlagEnd == 0 {
		t.Fatalf("at number 7: %v", now)
	}
	if now := q.reached(1, ch, true); len(now) != 1 || now[0].Seq != 8 || now[0].Flag&mail.FlagEnd != 0 {
		t.Fatalf("elsewhere: %v", now)
	}
	if q.has(1) || len(q.numbers) != 0 {
		t.Error("a wait without requests was not removed")
	}
}

// TestWaitingOrphans: when a channel is closed, its requests become orphans, and entries of
// the log that wait with them are dropped and counted.
func TestWaitingOrphans(t *testing.T) {
	q := newWaiting()
	q.add(1, q.forNumber(1), request(9), start)
	w := q.forAnswer(1)
	if q.hold(1, mail.Mail{Kind: mail.Committed}) {
		t.Error("a message waits for an answer about another channel")
	}
	w.holds = true
	for _, m := range []mail.Mail{{Kind: mail.Committed}, {Kind: mail.Unsettled}, {Kind: mail.Committed}} {
		if !q.hold(1, m) {
			t.Error("a message did not wait for the answer")
		}
	}
	q.add(1, w, request(3), start)
	if n := q.orphan(1); n != 2 {
		t.Errorf("%d messages were dropped, want 2", n)
	}
	list := q.takeOrphans()
	if len(list) != 2 || list[0].Seq != 9 || list[1].Seq != 3 || len(q.takeOrphans()) != 0 {
		t.Errorf("orphans: %v", list)
	}
	if q.has(1) || len(overdueOf(&q, start.Add(time.Hour))) != 0 {
		t.Error("orphans are still in the queue")
	}
}
