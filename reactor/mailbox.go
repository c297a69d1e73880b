package reactor

import "sync"

// Mailbox is a queue of small typed messages for a loop, with many producers and one consumer.
// Other goroutines pass data to a loop only in this way.
//
// The consumer calls Drain at the end of each turn. A producer that finds the loop asleep wakes
// it: once, however many messages are posted before it runs (see Loop.Wake).
type Mailbox[M any] struct {
	loop  *Loop
	mu    sync.Mutex
	queue []M
	spare []M // the consumer's last batch, to be used again
	most  int // the longest batch since the last call of Depth
}

// keepQueue is the capacity, in messages, up to which an emptied queue is kept.
const keepQueue = 4096

// NewMailbox makes a mailbox for a loop. A loop may have several.
func NewMailbox[M any](l *Loop) *Mailbox[M] { return &Mailbox[M]{loop: l} }

// Post appends messages to the queue and wakes the loop. Any goroutine may call it. Messages of
// one goroutine arrive in the order in which it posts them.
func (m *Mailbox[M]) Post(mail ...M) {
	if len(mail) == 0 {
		return
	}
	m.mu.Lock()
	m.queue = append(m.queue, mail...)
	m.mu.Unlock()
	m.loop.Wake()
}

// GiveWay makes the loop yield to other goroutines before it next waits. Call it in a turn that
// has made a goroutine runnable. A loop may wait without the knowledge of the Go scheduler
// (poller.wait). Then another thread has to wake up and steal that goroutine, and it does so
// only after some 60 µs: the goroutine that is next on a processor is not stolen at once. Only
// the loop's goroutine may call it.
func (m *Mailbox[M]) GiveWay() { m.loop.givesWay = true }

// AfterTurn calls f at the end of the turn, after Handler.TurnEnded: for what others wait for less than
// for what the turn itself does. Only the loop's goroutine may call it, in a turn, and f must not use
// the loop.
func (m *Mailbox[M]) AfterTurn(f func()) { m.loop.after = append(m.loop.after, f) }

// afterTurn holds what AfterTurn was called for in this turn.
type afterTurn []func()

func (a *afterTurn) run() {
	for i, f := range *a {
		f()
		(*a)[i] = nil
	}
	*a = (*a)[:0]
}

// Each calls f for all queued messages, until f returns false. It reports whether f returned
// true for all. Any goroutine may call it. f must not use the mailbox.
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

// Drain empties the queue and returns all messages, in order. Only the loop's goroutine may call
// it. The result is valid until the next call.
func (m *Mailbox[M]) Drain() []M {
	clear(m.spare) // drop what the last batch pointed to
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
