package cluster

import (
	"fmt"
	"sync"
	"time"
)

// health is the health of something that needs Redis: a partition, a reader, the messages
// between nodes. A failure that lasts only a moment is retried and not reported.
type health struct {
	uneasy signal // the log's

	mu    sync.Mutex
	err   error     // the last one; nil: it works
	since time.Time // of the first failure since it last worked
}

// grace is how long a failure may last before it is reported.
const grace = 500 * time.Millisecond

func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.since = time.Now()
		h.uneasy.tell()
	}
	h.err = err // the first error is often just a lost connection
}

func (h *health) served() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = nil
}

// away says why it does not work; nil if it does.
func (h *health) away(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil || now.Sub(h.since) < grace {
		return nil
	}
	return h.err
}

// each calls f with the health of everything that needs Redis, until f returns false.
func (l *Log) each(f func(h *health) bool) {
	for _, p := range l.partitions {
		if !f(&p.health) {
			return
		}
	}
	for _, r := range l.readers {
		if !f(&r.health) {
			return
		}
	}
	f(&l.nodes.health)
}

// Away says why Redis cannot be used; nil if it can. Any goroutine may call it.
func (l *Log) Away() (err error) {
	now := time.Now()
	l.each(func(h *health) bool {
		if why := h.away(now); why != nil {
			err = fmt.Errorf("redis: %w", why)
		}
		return err == nil
	})
	return err
}

// tellHealth logs when Redis cannot be used any more, and when it can be used again. It
// returns whether all is well.
func (l *Log) tellHealth() (well bool) {
	err := l.Away()
	switch told := l.away; {
	case err != nil && told.IsZero():
		l.away = time.Now()
		l.cfg.Log.Error().Err(err).Msg("Redis does not serve")
	case err == nil && !told.IsZero():
		l.cfg.Log.Info().Str("after", time.Since(told).Round(time.Millisecond).String()).Msg("Redis serves again")
		l.away = time.Time{}
	}
	well = l.away.IsZero()
	l.each(func(h *health) bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		well = well && h.err == nil
		return well
	})
	return well
}
