package cluster

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// reader reads the buses of partitions that have the same master, or ctl, and tells the loops. It
// has a connection of its own. Either its goroutine or a loop (loan.go) reads from it.
type reader struct {
	log        *Log
	number     int          // index among the readers of the log
	partitions []*partition // nil: it reads ctl
	keys       []string     // of the streams
	pace       pace
	health     health
	entries    int                   // most entries of each stream per read
	reading    bool                  // the last read has succeeded
	changed    signal                // wakes the goroutine from a pause (wake)
	alarm      atomic.Pointer[alarm] // the pause of the goroutine; nil: not connected

	resting sync.Mutex // held while the loops are told; guards the fields below
	ended   bool       // the log is closed
	wire    *wire      // nil: not connected
	loan    *loan      // nil: the goroutine reads
	groups  [3][]string
	reply   reply
	entry   streamEntry // the last entry
	counts  []int       // by stream: entries of the answer so far
	from    []string    // by stream: the id after which the call reads
	posts   posts
}

func newReader(l *Log, partitions ...*partition) *reader {
	r := &reader{log: l, number: len(l.readers), partitions: partitions, changed: newSignal(), entries: readFirst, health: health{uneasy: l.uneasy}}
	for _, p := range partitions {
		r.keys, p.reader = append(r.keys, p.keyBus), r
	}
	if partitions == nil {
		r.keys = []string{l.nodes.key}
	}
	r.counts, r.from = make([]int, len(r.keys)), make([]string, len(r.keys))
	return r
}

const (
	readBlock   = 5 * time.Second  // how long Redis waits for an entry
	readSoon    = time.Millisecond // the same for the first read after a failure, which shows whether Redis serves
	readFirst   = 64               // entries of each stream per read, at the start
	readEntries = 512              // the most entries of each stream per read
	readBytes   = 1 << 20          // after an answer of more bytes, half as many entries are read
)

// read reads until the log ends. After a failure it pauses and tries again. It checks the
// partitions first, because another master may be there.
func (r *reader) read() {
	var pause retry
	for r.log.ctx.Err() == nil {
		if r.log.paused.Load() {
			select {
			case <-r.changed:
			case <-r.log.ctx.Done():
			}
			continue
		}
		err := r.checkAll()
		if err == nil {
			err = r.readOn()
		}
		r.drop()
		if r.log.paused.Load() {
			continue
		}
		if r.reading {
			r.log.figures.cuts.Add(1)
			pause = 0
		}
		r.reading = false
		r.health.failed(err)
		r.log.sleep(pause.next())
	}
}

// checkAll checks the partitions, unless the last read has succeeded.
func (r *reader) checkAll() error {
	if r.reading {
		return nil
	}
	for _, p := range r.partitions {
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}

// readOn connects, and reads until a read fails or the log ends. At times it lends the connection to
// a loop.
func (r *reader) readOn() error {
	ctx, done := r.log.call(dialTimeout)
	w, err := r.log.openWire(ctx, r.keys[0], busRoom)
	if done(); err != nil {
		return err
	}
	a, err := newAlarm()
	if err != nil {
		w.close()
		return err
	}
	defer a.close()
	r.alarm.Store(a)
	defer r.alarm.Store(nil)
	r.resting.Lock()
	r.wire = w
	r.resting.Unlock()
	for pause := time.Duration(0); r.log.ctx.Err() == nil && err == nil; {
		r.wait(a, pause)
		for _, to := range *r.log.loops.Load() {
			to.unhandled.wait(r.log.ctx)
		}
		r.resting.Lock()
		lends := pause == 0 && r.reading && r.lends(time.Now())
		r.resting.Unlock()
		if lends {
			pause, err = r.lend()
		} else {
			pause, err = r.readOnce(w)
		}
	}
	return err
}

// works records that a read has succeeded.
func (r *reader) works() {
	if !r.reading {
		r.reading = true
		r.health.served()
	}
}

// readOnce calls for new entries, waits for the answer, and tells the loops. It returns the pause
// before the next read.
func (r *reader) readOnce(w *wire) (pause time.Duration, err error) {
	block := readBlock
	if !r.reading {
		block = readSoon
	}
	if err = w.conn.SetDeadline(time.Now().Add(block + callTimeout)); err != nil {
		return 0, err
	}
	if err = w.call(r.command(block)...); err != nil {
		return 0, err
	}
	for whole := false; !whole; {
		if err = w.read(); err != nil {
			return 0, err
		}
		r.resting.Lock()
		if whole, err = r.take(); whole {
			pause = r.pause(time.Now())
		}
		r.resting.Unlock()
		if err != nil {
			return 0, err
		}
	}
	r.works()
	return pause, nil
}

func milliseconds(d time.Duration) string { return strconv.Itoa(int(d / time.Millisecond)) }

// command returns the words of a call for new entries, in groups.
func (r *reader) command(block time.Duration) [][]string {
	clear(r.counts)
	for n, p := range r.partitions {
		r.from[n] = p.readTo()
	}
	if r.partitions == nil {
		r.from[0] = r.log.nodes.read
	}
	r.groups = [3][]string{append(r.groups[0][:0], "XREAD", "COUNT", strconv.Itoa(r.entries), "BLOCK", milliseconds(block), "STREAMS"), r.keys, r.from}
	return r.groups[:]
}

// cut breaks the connection: reads fail from then on. Any goroutine may call it.
func (r *reader) cut() {
	r.resting.Lock()
	defer r.resting.Unlock()
	if r.wire != nil {
		r.wire.cut()
	}
}

// drop closes the connection, and forgets the rest of an answer.
func (r *reader) drop() {
	r.resting.Lock()
	defer r.resting.Unlock()
	if r.wire != nil {
		r.wire.close()
	}
	r.wire, r.reply = nil, reply{}
}

// take tells the loops of the entries that have arrived. whole: the answer is complete. The caller
// holds resting.
func (r *reader) take() (whole bool, err error) {
	if r.log.paused.Load() || r.ended {
		return false, errPaused
	}
	what, err := r.next()
	for what == foundEntry {
		if r.partitions == nil {
			r.log.tookControl(&r.entry)
			what, err = r.next()
		} else {
			what, err = r.partitions[r.entry.stream].took(r)
		}
	}
	if what != foundEnd || err != nil {
		return false, err
	}
	r.pace.more = slices.Contains(r.counts, r.entries)
	switch {
	case r.wire.in.took > readBytes:
		r.entries = max(r.entries/2, 1)
	case r.pace.more:
		r.entries = min(2*r.entries, readEntries)
	}
	r.wire.in.took = 0
	for _, p := range r.partitions {
		if p.known().low() {
			return true, errLow
		}
	}
	return true, nil
}

// errLow ends the connection so that the partitions are checked, which may block.
var errLow = errors.New("redis: numbers are to be raised")

// errPaused ends the connection while the log is suspended: the loops must not be told anything.
var errPaused = errors.New("redis: reading is suspended")

// next finds the next entry, or the end of the answer.
func (r *reader) next() (found, error) {
	what, used, err := r.reply.next(r.wire.in.rest(), r.keys, &r.entry)
	r.wire.in.take(used)
	if what == foundEntry {
		r.counts[r.entry.stream]++
	}
	return what, err
}

// took tells the loops of the entries of the current stream, unless the id after which they were read
// is no longer the partition's. It returns what follows the entries.
func (p *partition) took(r *reader) (what found, err error) {
	stream, posts := r.entry.stream, &r.posts
	posts.begin(p.log)
	p.mu.Lock()
	defer p.mu.Unlock()
	good := p.read == r.from[stream]
	var id []byte
	for what = foundEntry; what == foundEntry && r.entry.stream == stream; what, err = r.next() {
		if id = r.entry.id; !good {
			continue
		}
		for n := 1; n < len(r.entry.texts); n += 2 {
			if err := p.apply(r.entry.texts[n], posts); err != nil {
				p.log.cfg.Log.Error().Err(err).Str("stream", p.keyBus).Bytes("id", id).Msg("Redis: channels are compared with what it keeps")
				p.at.events++
				p.at.since = p.at.total
				p.fallBehind(posts)
			}
		}
	}
	if !good {
		return what, err
	}
	p.read = string(id)
	r.from[stream] = p.read
	p.log.lagged(p.read)
	if posts.post() {
		r.pace.told = time.Now()
	}
	return what, err
}

// stateMail returns mail that tells a loop the partition's current index: the state of a channel that
// is requested from now on is at least as new.
func (p *partition) stateMail() *mail.Mail {
	m := mail.OfPartition(mail.Unsettled, uint32(p.id), p.at.index(p.at.b))
	return &m
}

// fallBehind makes the loops compare their channels with Redis.
func (p *partition) fallBehind(posts *posts) {
	p.log.figures.behind.Add(1)
	m := p.stateMail()
	m.Flag = mail.FlagMore
	posts.all(*m)
}

// apply tells the loops of an entry.
func (p *partition) apply(text []byte, posts *posts) error {
	e, err := parseEntry(text)
	if err != nil {
		return err
	}
	switch s := p.at.take(&e); {
	case s.stale:
		return nil
	case s.behind:
		p.fallBehind(posts)
	case s.jump:
		posts.all(*p.stateMail())
	}
	for rest := e.rest; len(rest) > 0; {
		var it item
		if it, rest, err = nextItem(rest); err != nil {
			return err
		}
		p.log.figures.items.Add(1)
		p.tell(&it, posts)
	}
	return nil
}

// tell tells the loops of an item.
func (p *partition) tell(it *item, posts *posts) {
	if it.letter == itemBroadcast {
		p.at.b = it.n
		m := mail.OfPartition(mail.Announced, uint32(p.id), p.at.index(it.n))
		m.Msg = msg.New(msg.Broadcast, 0, it.content)
		posts.all(m)
		return
	}
	hash := hashName(it.name)
	for _, to := range posts.loops {
		if !to.interest.has(hash) {
			continue
		}
		m := mail.Mail{Kind: mail.Committed, Buf: pool.NameBuffer(it.name), Nlen: uint8(len(it.name))}
		switch it.letter {
		case itemData:
			m.Msg = msg.New(msg.Data, p.at.number(it.n), it.content)
		case itemClose:
			m.Op, m.Msg = mail.OpClose, msg.New(msg.Close, p.at.number(it.n), it.content)
		case itemNotice:
			m.Op, m.Msg = mail.OpNotice, msg.New(msg.JoinNotice, 0, it.content)
		case itemClear:
			m.Op, m.Seq = mail.OpClear, p.at.number(it.n)+1
		}
		p.log.figures.told.Add(1)
		posts.count(to, &m)
	}
}

// wait waits for pause, or until wake is called.
func (r *reader) wait(a *alarm, pause time.Duration) {
	if pause == 0 {
		return
	}
	a.set(pause)
	if len(r.changed) == 0 { // otherwise wake was called before set
		a.wait()
	}
	select {
	case <-r.changed:
	default:
	}
}

// wake ends a pause: a loop attaches its first channel, or the log resumes or ends. Any goroutine may
// call it.
func (r *reader) wake() {
	r.changed.tell()
	if a := r.alarm.Load(); a != nil {
		a.set(time.Nanosecond)
	}
}

// lagged records how far the reader is behind the bus: the age of the last entry that it has read.
func (l *Log) lagged(id string) {
	ms, _ := splitID(id)
	l.figures.lag.Store(max(time.Now().UnixMilli()-int64(ms), 0))
}
