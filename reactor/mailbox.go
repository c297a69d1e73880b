package reactor

import "sync"

// Mailbox carries small typed messages to a loop: many producers, one
// consumer. It is the only place where goroutines of this package meet, and
// its mutex the only lock.
//
// The consumer calls Drain at the end of each of its turns; a producer that
// finds the loop asleep wakes it, once however much is posted before it is up
// (see Loop.Wake).
type Mailbox[M any] struct {
	loop  *Loop
	mu    sync.Mutex
	queue []M
	spare []M // the consumer's last batch, to be filled again
	most  int // that a batch had, since Depth was last asked
}

// keepQueue is how many messages' room an emptied queue keeps.
const keepQueue = 4096

// NewMailbox makes the mailbox of a loop. A loop may have several.
func NewMailbox[M any](l *Loop) *Mailbox[M] { return &Mailbox[M]{loop: l} }

// Post appends messages, in order, and wakes the loop. Any goroutine may call
// it; the messages of one goroutine arrive in the order it posted them.
func (m *Mailbox[M]) Post(mail ...M) {
	if len(mail) == 0 {
		return
	}
	m.mu.Lock()
	m.queue = append(m.queue, mail...)
	m.mu.Unlock()
	m.loop.Wake()
}

// GiveWay has the loop let goroutines run before it waits next: it is for a turn that has made
// one runnable. A loop may wait without the Go scheduler's knowledge (poller.wait). Another
// thread then has to be woken to take such a goroutine from it, which lets it be for some 60 µs:
// the goroutine that a processor would run next is not taken from it at once. Only the loop's
// goroutine may call it.
func (m *Mailbox[M]) GiveWay() { m.loop.givesWay = true }

// Each calls f with all that waits, as long as that returns true, and says whether it did
// for all. Any goroutine may call it. f must not use the mailbox.
func (m *Mailbox[M]) Each(f func(*M) bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.queue {
		if !f(&m.queue[i]) {
			return false
		}
	}
	return true
}

// Drain takes all that was posted, in order. Only the loop's goroutine may
// call it; what it returns is good until the next call.
func (m *Mailbox[M]) Drain() []M {
	clear(m.spare) // let go of what the last batch pointed to
	if cap(m.spare) > keepQueue {
		m.spare = nil
	}
	m.mu.Lock()
	batch := m.queue
	m.most = max(m.most, len(batch))
	m.queue = m.spare[:0]
	m.mu.Unlock()
	m.spare = batch
	return batch
}
