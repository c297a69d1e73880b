package broker

import (
	"slices"
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// waiting holds the requests that wait for a shared log. A request waits
// for one of two things: the log's answer about its channel (answers), or a number of the
// channel that the client knows and this server does not know yet (numbers). This type decides
// nothing: remote says which requests wait, and serves them.
type waiting struct {
	answers map[uint32]*wait // by channel: until the log has answered each Attach
	numbers map[uint32]*wait // by channel: until the channel has got as far as a request wants
	starts  []waitStart      // of the waits that have requests, oldest first
	orphans []mail.Mail      // requests whose channel was closed while they waited
}

// wait is what waits for one channel.
type wait struct {
	mails []mail.Mail // requests, and what the log has sent, in order
	left  int         // answers of the log that are still to come
	all   bool        // all that the log keeps was asked for: there is no more to be had
	holds bool        // what the log sends for the channel waits for the answer, too
	since time.Time   // when the first request came; zero: there is none
}

// waitStart is when a wait has got its first request.
type waitStart struct {
	channel uint32
	at      time.Time
	wait    *wait
}

// noRequests is wait.since of a wait without requests.
var noRequests time.Time

func newWaiting() waiting {
	return waiting{answers: map[uint32]*wait{}, numbers: map[uint32]*wait{}}
}

// forAnswer returns what waits for the log's answer about a channel, new if need be.
func (q *waiting) forAnswer(i uint32) *wait { return waitOf(q.answers, i) }

// forNumber returns what waits for a number of a channel, new if need be.
func (q *waiting) forNumber(i uint32) *wait { return waitOf(q.numbers, i) }

func waitOf(waits map[uint32]*wait, i uint32) *wait {
	if waits[i] == nil {
		waits[i] = &wait{}
	}
	return waits[i]
}

// add adds a request, which takes over the buffer of m.
func (q *waiting) add(i uint32, w *wait, m *mail.Mail, now time.Time) {
	if w.since.IsZero() {
		w.since = now
		q.starts = append(q.starts, waitStart{i, now, w})
	}
	w.mails = append(w.mails, *m)
	m.Buf = nil
}

// has says whether requests wait for a channel.
func (q *waiting) has(i uint32) bool {
	w := q.answers[i]
	return w != nil && !w.since.IsZero() || q.numbers[i] != nil
}

// holds says whether what the log sends for a channel waits for an answer.
func (q *waiting) holds(i uint32) bool {
	w := q.answers[i]
	return w != nil && w.holds
}

// hold adds what the log has sent for a channel if that has to wait, and says whether it has.
func (q *waiting) hold(i uint32, m mail.Mail) bool {
	if !q.holds(i) {
		return false
	}
	w := q.answers[i]
	w.mails = append(w.mails, m)
	return true
}

// answered takes away what has waited for the log's answer about a channel.
func (q *waiting) answered(i uint32) *wait { return takeAway(q.answers, i) }

// overdue takes away what has waited for a number of a channel.
func (q *waiting) overdue(i uint32) *wait { return takeAway(q.numbers, i) }

func takeAway(waits map[uint32]*wait, i uint32) *wait {
	w := waits[i]
	if w != nil {
		delete(waits, i)
		w.since = noRequests
	}
	return w
}

// reached takes away the requests whose number the channel has now. With all it takes those
// away that want a higher number, too: the log is to be asked for them again.
func (q *waiting) reached(i uint32, ch *Channel, all bool) (now []mail.Mail) {
	w := q.numbers[i]
	if w == nil {
		return nil
	}
	left := w.mails[:0]
	for _, m := range w.mails {
		if all {
			m.Flag &^= mail.FlagEnd
		} else if ch.isBehind(&m) {
			left = append(left, m)
			continue
		}
		now = append(now, m)
	}
	clear(w.mails[len(left):])
	if w.mails = left; len(left) == 0 {
		q.overdue(i)
	}
	return now
}

// orphan has the requests that wait for a channel, which is closed, become orphans. It
// returns how many messages of the log have waited with them: these are dropped.
func (q *waiting) orphan(i uint32) (messages int) {
	if w := q.overdue(i); w != nil {
		q.orphans = append(q.orphans, w.mails...)
	}
	w := q.answered(i)
	if w == nil {
		return 0
	}
	for _, m := range w.mails {
		switch m.Kind {
		case mail.Committed:
			messages++
		case mail.Announced, mail.Unsettled:
		default:
			q.orphans = append(q.orphans, m)
		}
	}
	return messages
}

// takeOrphans takes the orphans away.
func (q *waiting) takeOrphans() []mail.Mail {
	list := q.orphans
	q.orphans = nil
	return list
}

// due is how long the oldest request may still wait, of most; below zero there is none.
func (q *waiting) due(now time.Time, most time.Duration) time.Duration {
	if len(q.starts) == 0 {
		return -1
	}
	return max(q.starts[0].at.Add(most).Sub(now), 0)
}

// expire calls over with each wait whose first request has waited for most. over may add
// requests.
func (q *waiting) expire(now time.Time, most time.Duration, over func(i uint32, w *wait)) {
	n := 0
	for ; n < len(q.starts); n++ {
		first := q.starts[n]
		if !first.wait.since.Equal(first.at) {
			continue // it has ended
		}
		if now.Sub(first.at) < most {
			break
		}
		over(first.channel, first.wait)
	}
	if n == len(q.starts) {
		q.starts = pool.Emptied(q.starts)
		return
	}
	q.starts = slices.Delete(q.starts, 0, n)
}

// subscriptions calls tell with each subscription that waits.
func (q *waiting) subscriptions(tell func(m *mail.Mail)) {
	for _, waits := range []map[uint32]*wait{q.answers, q.numbers} {
		for _, w := range waits {
			for k := range w.mails {
				if m := &w.mails[k]; m.Kind == mail.Join || m.Kind == mail.ClaimSession {
					tell(m)
				}
			}
		}
	}
}
