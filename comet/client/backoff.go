package client

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// backoff is how long is waited before something is tried again: longer each time, by chance,
// so that clients that were cut together do not come back together.
type backoff struct {
	least, most time.Duration
	failures    int
}

// next is the next wait; told is what the server has said, 0 if nothing. That is waited at the
// least, and by chance up to half as much again.
func (b *backoff) next(told time.Duration) time.Duration {
	wait := min(b.least<<min(b.failures, 20), b.most)
	b.failures++
	if wait <= 0 {
		wait = b.most
	}
	wait = wait/2 + rand.N(wait/2+1)
	if told > 0 {
		wait = told + rand.N(told/2+1)
	}
	return wait
}

func (b *backoff) reset() { b.failures = 0 }

// sleep waits; false: ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryAfter is what a response says of when to come back, in seconds or as a date; 0: nothing.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return min(time.Duration(seconds), 3600) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), time.Hour)
	}
	return 0
}
