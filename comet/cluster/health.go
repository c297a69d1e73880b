package cluster

import (
	"fmt"
	"sync"
	"time"
)

// health is whether something works that needs Redis: a partition, a reader, the telling of
// nodes. What fails for a moment is tried again, and is nothing to be told.
type health struct {
	uneasy signal // the log's

	mu    sync.Mutex
	err   error     // the last; nil: it works
	since time.Time // of the first that nothing has worked since
}

// grace is how long something may fail without being told.
const grace = 500 * time.Millisecond

func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.since = time.Now()
		h.uneasy.tell()
	}
	h.err = err // the first is often but that a connection was cut
}

func (h *health) served() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = nil
}

// away says why it does not work; nil while it does.
func (h *health) away(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil || now.Sub(h.since) < grace {
		return nil
	}
	return h.err
}

// each calls f with the health of all that needs Redis, as long as that returns true.
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

// Away says why Redis does not serve; nil while it does. Any goroutine may ask.
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

// tellHealth tells the log when Redis ceases to serve, and when it serves again. It says whether
// all is well.
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
