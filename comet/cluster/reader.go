package cluster

import (
	"context"
	"sync"
	"time"
	"unsafe"

	"github.com/redis/rueidis"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// reader reads the buses of partitions whose masters are one, and tells the loops.
type reader struct {
	log        *Log
	partitions []*partition
	control    bool // it reads what nodes tell each other as well
	pace       pace
	health     health
	entries    int           // that are read at once
	reading    bool          // nothing has failed since it was where the bus is
	resting    sync.Mutex    // held while it tells the loops
	ended      bool          // the log is closed; guarded by resting
	resumed    chan struct{} // told when it is to go on
}

func newReader(l *Log, partitions []*partition) *reader {
	return &reader{log: l, partitions: partitions, control: partitions[0].id == 0, resumed: make(chan struct{}, 1), entries: readEntries}
}

const (
	readBlock   = time.Second // that Redis waits for an entry
	readEntries = 64          // of each bus, at the most, at once
	readBytes   = 1 << 20     // beyond which fewer are read at once
)

// read reads until the log ends. What fails is tried again; the partitions are checked first,
// since another master may be there.
func (r *reader) read() {
	pause := retryLeast
	for r.log.ctx.Err() == nil {
		if r.log.paused.Load() {
			select {
			case <-r.resumed:
			case <-r.log.ctx.Done():
			}
			continue
		}
		if r.reading {
			err := r.readOnce()
			if err == nil {
				continue
			}
			r.reading = false
			r.health.failed(err)
			r.log.figures.cuts.Add(1)
		}
		if err := r.checkAll(); err != nil {
			r.health.failed(err)
			r.log.sleep(pause)
			pause = min(2*pause, retryMost)
			continue
		}
		pause = retryLeast
		r.reading = true
		r.health.served()
	}
}

// signal has it look whether it is to go on.
func (r *reader) signal() {
	select {
	case r.resumed <- struct{}{}:
	default:
	}
}

func (r *reader) checkAll() error {
	for _, p := range r.partitions {
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}

// readOnce waits for what is new on the buses, and tells the loops.
func (r *reader) readOnce() error {
	r.pace.wait(r.log.ctx)
	for _, to := range *r.log.loops.Load() {
		to.unhandled.wait(r.log.ctx)
	}
	streams, from := make([]string, 0, 2*len(r.partitions)+2), make([]string, 0, len(r.partitions)+1)
	for _, p := range r.partitions {
		streams, from = append(streams, p.keyBus), append(from, p.readTo())
	}
	if r.control {
		streams, from = append(streams, r.log.nodes.key), append(from, r.log.nodes.read)
	}
	ctx, done := r.log.call(readBlock + callTimeout)
	defer done()
	b := r.log.client.B()
	answer := r.log.client.Do(ctx, b.Xread().Count(int64(r.entries)).Block(int64(readBlock/time.Millisecond)).Streams().Key(streams...).Id(from...).Build())
	got, err := answer.AsXReadSlices()
	if rueidis.IsRedisNil(err) {
		return nil
	} else if err != nil {
		return err
	}
	r.resting.Lock()
	defer r.resting.Unlock()
	if r.log.paused.Load() || r.ended {
		return nil
	}
	size := 0
	for n, p := range r.partitions {
		size = max(size, sizeOf(got[p.keyBus]))
		if entries := got[p.keyBus]; len(entries) > 0 {
			if p.took(entries, from[n]) {
				r.pace.told = time.Now()
			}
		}
	}
	if r.entries = min(2*r.entries, readEntries); size > readBytes {
		r.entries = max(r.entries/4, 1)
	}
	if r.control {
		r.log.tookControl(got[r.log.nodes.key])
	}
	for _, p := range r.partitions {
		if p.known().low() {
			return p.check()
		}
	}
	return nil
}

// sizeOf is the bytes of entries.
func sizeOf(entries []rueidis.XRangeSlice) (size int) {
	for n := range entries {
		for _, field := range entries[n].FieldValues {
			size += len(field.Value)
		}
	}
	return size
}

// took tells the loops what entries say, if the bus was read from where it is to be read. It says
// whether there was something to tell.
func (p *partition) took(entries []rueidis.XRangeSlice, from string) (told bool) {
	posts := p.log.posts()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read != from {
		return false
	}
	for n := range entries {
		p.read = entries[n].ID
		for _, field := range entries[n].FieldValues {
			text := unsafe.Slice(unsafe.StringData(field.Value), len(field.Value)) // which is only read
			if err := p.apply(text, posts); err != nil {
				p.log.cfg.Log.Error().Err(err).Str("stream", p.keyBus).Str("id", p.read).Msg("Redis: channels are compared with what it keeps")
				p.at.events++
				p.at.since = p.at.total
				p.fallBehind(posts)
			}
		}
	}
	p.log.lagged(p.read)
	return posts.post()
}

// standing is mail that tells a loop where the partition stands: what is asked of a channel from
// now on has seen that.
func (p *partition) standing() *mail.Mail {
	m := mail.OfPartition(mail.Unsettled, uint32(p.id), p.at.index(p.at.b))
	return &m
}

// fallBehind has the loops compare their channels with what Redis keeps.
func (p *partition) fallBehind(posts *posts) {
	p.log.figures.behind.Add(1)
	m := p.standing()
	m.Flag = mail.FlagMore
	posts.all(*m)
}

// apply tells the loops what an entry says.
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
		posts.all(*p.standing())
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

// tell tells the loops of one item.
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

// pace has a reader that is told often read more at once: beyond a burst it reads so many times
// in a second, and what has come meanwhile costs one call. A reader whose loops have waited for
// nothing of late reads less often.
type pace struct {
	left int
	at   time.Time // when left was worked out
	told time.Time // when a loop was last told of something
}

const (
	paceBurst = 8
	paceTime  = time.Millisecond // for each read
	paceIdle  = 8 * time.Millisecond
	paceSoon  = 100 * time.Millisecond // of late
)

func (p *pace) wait(ctx context.Context) {
	now, each := time.Now(), paceTime
	if now.Sub(p.told) > paceSoon {
		each = paceIdle
	}
	if earned := int(now.Sub(p.at) / each); earned > 0 {
		p.left, p.at = min(p.left+earned, paceBurst), now
	}
	if p.left--; p.left > 0 {
		return
	}
	p.left = 0
	select {
	case <-time.After(each):
	case <-ctx.Done():
	}
}

// lagged notes how far behind the bus a reader is: the age of the entry that it has read.
func (l *Log) lagged(id string) {
	ms, _ := splitID(id)
	l.figures.lag.Store(max(time.Now().UnixMilli()-int64(ms), 0))
}
