package broker

import (
	"slices"
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// waiting is the queue of requests that wait for a shared log. A request waits either for
// the log's answer about its channel (answers), or until this server has read a number of the
// channel that the client knows already (numbers). attachments decides which requests wait, and
// handles them.
type waiting struct {
	answers map[uint32]*wait // by channel: until the log has answered every Attach
	numbers map[uint32]*wait // by channel: until the channel has reached the number that a request wants
	starts  []waitStart      // of the waits that have requests, oldest first
	orphans []mail.Mail      // requests whose channel was closed while they waited
}

// wait is the queue of one channel.
type wait struct {
	mails []mail.Mail // requests and entries of the log, in order
	left  int         // answers of the log that have not come yet
	all   bool        // everything that the log stores was requested: there is no more
	holds bool        // the log's entries for the channel wait for the answer, too
	since time.Time   // when the first request was added; zero: there is no request
}

// waitStart tells when a wait has got its first request.
type waitStart struct {
	channel uint32
	at      time.Time
	wait    *wait
}

// noRequests is the value of wait.since without requests.
var noRequests time.Time

func newWaiting() waiting {
	return waiting{answers: map[uint32]*wait{}, numbers: map[uint32]*wait{}}
}

// forAnswer returns the wait for the log's answer about a channel. It creates it if necessary.
func (q *waiting) forAnswer(i uint32) *wait { return waitOf(q.answers, i) }

// forNumber returns the wait for a number of a channel. It creates it if necessary.
func (q *waiting) forNumber(i uint32) *wait { return waitOf(q.numbers, i) }

func waitOf(waits map[uint32]*wait, i uint32) *wait {
	if waits[i] == nil {
		waits[i] = &wait{}
	}
	return waits[i]
}

// add appends a request. It takes over the buffer of m.
func (q *waiting) add(i uint32, w *wait, m *mail.Mail, now time.Time) {
	if w.since.IsZero() {
		w.since = now
		q.starts = append(q.starts, waitStart{i, now, w})
	}
	w.mails = append(w.mails, *m)
	m.Buf = nil
}

// has reports whether requests wait for a channel.
func (q *waiting) has(i uint32) bool {
	w := q.answers[i]
	return w != nil && !w.since.IsZero() || q.numbers[i] != nil
}

// holds reports whether the log's entries for a channel have to wait for an answer.
func (q *waiting) holds(i uint32) bool {
	w := q.answers[i]
	return w != nil && w.holds
}

// hold appends an entry of the log for a channel if it has to wait, and reports whether it
// does.
func (q *waiting) hold(i uint32, m mail.Mail) bool {
	if !q.holds(i) {
		return false
	}
	w := q.answers[i]
	w.mails = append(w.mails, m)
	return true
}

// answered removes and returns the wait for the log's answer about a channel.
func (q *waiting) answered(i uint32) *wait { return takeAway(q.answers, i) }

// overdue removes and returns the wait for a number of a channel.
func (q *waiting) overdue(i uint32) *wait { return takeAway(q.numbers, i) }

func takeAway(waits map[uint32]*wait, i uint32) *wait {
	w := waits[i]
	if w != nil {
		delete(waits, i)
		w.since = noRequests
	}
	return w
}

// reached removes and returns the requests whose number the channel has reached. With all, it
// removes those for higher numbers, too: the log must be asked for them again.
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

// orphan turns the requests that wait for a closed channel into orphans. It drops the entries
// of the log that wait with them, and returns how many of these are mail.Committed.
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

// takeOrphans removes and returns the orphans.
func (q *waiting) takeOrphans() []mail.Mail {
	list := q.orphans
	q.orphans = nil
	return list
}

// due returns how long the oldest request may still wait if most is the limit; -1 without
// requests.
func (q *waiting) due(now time.Time, most time.Duration) time.Duration {
	if len(q.starts) == 0 {
		return -1
	}
	return max(q.starts[0].at.Add(most).Sub(now), 0)
}

// expire calls over for each wait whose first request has waited for most. over may add
// requests.
func (q *waiting) expire(now time.Time, most time.Duration, over func(i uint32, w *wait)) {
	n := 0
	for ; n < len(q.starts); n++ {
		first := q.starts[n]
		if !first.wait.since.Equal(first.at) {
			continue // this wait has ended
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

// subscriptions calls tell for each subscription that waits.
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
