package cluster

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ccomet/comet/internal/mail"
)

// partition is a part of the channels, with a bus of its own.
type partition struct {
	log      *Log
	id       int
	prefix   string // of its keys
	keyG     string
	keyBus   string
	keyHB    string
	restored bool // it continues from another program's position

	// mu guards at and read. It is held while mail that follows from them is posted: so loops get
	// this mail in order.
	mu   sync.Mutex
	at   place
	read string // the id of the last entry that was read, or the one after which to read

	reader *reader // of its bus

	health  health
	fencing sync.Mutex // one fence at a time
	term    atomic.Pointer[term]

	proposals queue[proposal]
	fast      fastPath
	attaches  queue[attachment]
	touches   touches
}

func newPartition(l *Log, id int) *partition {
	p := &partition{log: l, id: id, prefix: l.cfg.Prefix + "{" + strconv.Itoa(id) + "}"}
	p.keyG, p.keyBus, p.keyHB = p.prefix+"g", p.prefix+"bus", p.prefix+"hb"
	p.health.uneasy = l.uneasy
	p.proposals.init()
	p.fast.opened = make(chan *wire)
	p.attaches.init()
	return p
}

// known returns the state of the partition, as it is known.
func (p *partition) known() place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// readTo returns the id of the last entry that was read.
func (p *partition) readTo() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read
}

// expire refuses proposals that were made before then.
func (p *partition) expire(then time.Time) {
	for _, late := range p.proposals.take(nil, func(w *proposal) bool { return w.at.Before(then) }) {
		p.log.refuse(&late, mail.CodeNoLog)
	}
}

// of returns the partition of a channel.
func (l *Log) of(name []byte) *partition {
	return l.partitions[partitionOf(name, len(l.partitions))]
}

// queue holds items that loops hand over, in order, to one goroutine, which takes them.
type queue[T any] struct {
	mu     sync.Mutex
	items  []T // those from head on are waiting
	head   int
	filled signal // there is something to take
}

func (q *queue[T]) init() { q.filled = newSignal() }

// put appends an item, and returns whether the queue was empty. It does not signal filled.
func (q *queue[T]) put(v T) (first bool) {
	q.mu.Lock()
	first = q.head == len(q.items)
	q.items = append(q.items, v)
	q.mu.Unlock()
	return first
}

// take moves items from the front to dst while more returns true.
func (q *queue[T]) take(dst []T, more func(*T) bool) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	from := q.head
	for q.head < len(q.items) && more(&q.items[q.head]) {
		q.head++
	}
	dst = append(dst, q.items[from:q.head]...)
	clear(q.items[from:q.head])
	switch {
	case q.head == len(q.items) && cap(q.items) > keepQueue:
		q.items, q.head = nil, 0
	case q.head > len(q.items)/2 || q.head == len(q.items):
		rest := copy(q.items, q.items[q.head:])
		clear(q.items[rest:])
		q.items, q.head = q.items[:rest], 0
	}
	return dst
}

const keepQueue = 4096

// back returns items to the front of the queue.
func (q *queue[T]) back(items []T) {
	if len(items) == 0 {
		return
	}
	q.mu.Lock()
	q.items, q.head = append(append(make([]T, 0, len(items)+len(q.items)-q.head), items...), q.items[q.head:]...), 0
	q.mu.Unlock()
	q.filled.tell()
}

// sift removes all items for which worth returns false.
func (q *queue[T]) sift(worth func(*T) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.items[:0]
	for n := q.head; n < len(q.items); n++ {
		if worth(&q.items[n]) {
			kept = append(kept, q.items[n])
		}
	}
	clear(q.items[len(kept):])
	q.items, q.head = kept, 0
}

// none reports whether the queue is empty.
func (q *queue[T]) none() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.head == len(q.items)
}
