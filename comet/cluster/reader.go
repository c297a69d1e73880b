package cluster

import (
	"sync"
	"time"
	"unsafe"

	"github.com/redis/rueidis"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// reader reads the buses of partitions whose masters are one, and tells the loops; or what
// nodes tell each other.
type reader struct {
	log        *Log
	partitions []*partition // none: it reads ctl
	pace       pace
	health     health
	entries    int        // that are read at once
	reading    bool       // nothing has failed since it was where the bus is
	resting    sync.Mutex // held while it tells the loops
	ended      bool       // the log is closed; guarded by resting
	changed    signal     // there is something else to wait for
}

func newReader(l *Log, partitions ...*partition) *reader {
	return &reader{log: l, partitions: partitions, changed: newSignal(), entries: readEntries, health: health{uneasy: l.uneasy}}
}

const (
	readBlock   = time.Second      // that Redis waits for an entry
	readSoon    = time.Millisecond // and where it is to be seen that it serves
	readEntries = 64               // of each bus, at the most, at once
	readBytes   = 1 << 20          // beyond which fewer are read at once
)

// read reads until the log ends. What fails is tried again after a pause; the partitions are
// checked first, since another master may be there.
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
			err = r.readOnce()
		}
		if err == nil {
			r.reading, pause = true, 0
			r.health.served()
			continue
		}
		if r.reading {
			r.log.figures.cuts.Add(1)
		}
		r.reading = false
		r.health.failed(err)
		r.log.sleep(pause.next())
	}
}

// checkAll checks the partitions, unless nothing has failed since.
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

// readOnce waits for what is new, and tells the loops.
func (r *reader) readOnce() error {
	r.wait()
	for _, to := range *r.log.loops.Load() {
		to.unhandled.wait(r.log.ctx)
	}
	var streams, from []string
	for _, p := range r.partitions {
		streams, from = append(streams, p.keyBus), append(from, p.readTo())
	}
	if r.partitions == nil {
		streams, from = []string{r.log.nodes.key}, []string{r.log.nodes.read}
	}
	block := readBlock
	if !r.reading {
		block = readSoon
	}
	ctx, done := r.log.call(block + callTimeout)
	defer done()
	b := r.log.client.B()
	answer := r.log.client.Do(ctx, b.Xread().Count(int64(r.entries)).Block(int64(block/time.Millisecond)).Streams().Key(streams...).Id(from...).Build())
	got, err := answer.AsXReadSlices()
	if r.pace.more = false; rueidis.IsRedisNil(err) {
		return nil
	} else if err != nil {
		return err
	}
	r.resting.Lock()
	defer r.resting.Unlock()
	if r.log.paused.Load() || r.ended {
		return nil
	}
	if r.partitions == nil {
		r.log.tookControl(got[r.log.nodes.key])
		return nil
	}
	return r.took(got, from)
}

// took has the partitions tell the loops what was read from those places.
func (r *reader) took(got map[string][]rueidis.XRangeSlice, from []string) error {
	size := 0
	for n, p := range r.partitions {
		entries := got[p.keyBus]
		r.pace.more = r.pace.more || len(entries) == r.entries
		size = max(size, sizeOf(entries))
		if len(entries) > 0 && p.took(entries, from[n]) {
			r.pace.told = time.Now()
		}
	}
	if r.entries = min(2*r.entries, readEntries); size > readBytes {
		r.entries = max(r.entries/4, 1)
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
// in a second, and what has come meanwhile costs one call. Where the loops have waited for
// nothing for some time it pauses after a read for a part of that time, which the next message that
// they wait for has to bear: what a read takes is to wake up, whatever it brings. Where they wait
// for no channel at all it reads less often still, until they do.
type pace struct {
	more bool // there may be more than was read
	left int
	at   time.Time // when left was worked out
	told time.Time // when a loop was last told of something
}

const (
	paceBurst  = 32                    // reads
	paceRest   = 8                     // and where nothing is waited for
	paceTime   = time.Millisecond      // for each read
	paceIdle   = 50 * time.Millisecond // at the most, where nothing is waited for
	paceShare  = 16                    // of the time for which that has been so
	paceUnused = 500 * time.Millisecond
)

// next is how long it is until the next read, where each takes so long.
func (p *pace) next(now time.Time, each time.Duration) time.Duration {
	burst := paceBurst
	if each > paceTime {
		burst = paceRest
	}
	if earned := now.Sub(p.at) / each; earned >= time.Duration(burst) {
		p.left, p.at = burst, now
	} else { // what is left of the time counts the next time
		p.left, p.at = min(p.left+int(earned), burst), p.at.Add(earned*each)
	}
	if p.left = max(p.left-1, 0); p.left > 0 || p.more {
		return 0
	}
	return each
}

// pause is how long it is until the next read.
func (r *reader) pause(now time.Time) time.Duration {
	each := paceTime
	switch {
	case r.partitions == nil:
	case !r.log.waits():
		each = paceUnused
	default:
		each = min(max(now.Sub(r.pace.told)/paceShare, paceTime), paceIdle)
	}
	return r.pace.next(now, each)
}

// wait waits until it is time for the next read, or a loop waits for a channel while none has.
func (r *reader) wait() {
	pause := r.pause(time.Now())
	if pause == 0 {
		return
	}
	select {
	case <-time.After(pause):
	case <-r.changed:
	case <-r.log.ctx.Done():
	}
}

// lagged notes how far behind the bus a reader is: the age of the entry that it has read.
func (l *Log) lagged(id string) {
	ms, _ := splitID(id)
	l.figures.lag.Store(max(time.Now().UnixMilli()-int64(ms), 0))
}
