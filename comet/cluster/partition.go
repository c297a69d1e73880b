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
	restored bool // it goes on where another program's stood

	// mu orders what loops are told: the place, and what is posted because of it.
	mu   sync.Mutex
	at   place
	read string // the id of the last entry that was read, or of the one before the next

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

// known is the place as it is known.
func (p *partition) known() place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// readTo is the id of the last entry that was read.
func (p *partition) readTo() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read
}

// expire refuses the proposals that have waited since before then.
func (p *partition) expire(then time.Time) {
	for _, late := range p.proposals.take(nil, func(w *proposal) bool { return w.at.Before(then) }) {
		p.log.refuse(&late, mail.CodeNoLog)
	}
}

// of is the partition of a channel.
func (l *Log) of(name []byte) *partition {
	return l.partitions[partitionOf(name, len(l.partitions))]
}

// queue is what loops have handed over, in order, for the one goroutine that takes it.
type queue[T any] struct {
	mu     sync.Mutex
	items  []T // from head on
	head   int
	filled signal // there is something to take
}

func (q *queue[T]) init() { q.filled = newSignal() }

// put appends, and says whether it is the first.
func (q *queue[T]) put(v T) (first bool) {
	q.mu.Lock()
	first = q.head == len(q.items)
	q.items = append(q.items, v)
	q.mu.Unlock()
	return first
}

// take moves items from the front to dst, as long as more says so.
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

// back puts items before all others.
func (q *queue[T]) back(items []T) {
	if len(items) == 0 {
		return
	}
	q.mu.Lock()
	q.items, q.head = append(append(make([]T, 0, len(items)+len(q.items)-q.head), items...), q.items[q.head:]...), 0
	q.mu.Unlock()
	q.filled.tell()
}

// sift keeps only the items that are worth it.
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

// none says whether nothing waits.
func (q *queue[T]) none() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.head == len(q.items)
}
