package client

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// backoff computes the wait before the next try. The wait grows with each try, and is random, so that
// clients that were cut together do not reconnect together.
type backoff struct {
	least, most time.Duration
	failures    int
}

// maxTold is the longest wait that a server may ask for.
const maxTold = time.Hour

// next returns the next wait. told is the wait that the server asks for; 0: none. If it is set, the
// wait is told plus a random part of up to half of it.
func (b *backoff) next(told time.Duration) time.Duration {
	wait := min(b.least<<min(b.failures, 20), b.most)
	b.failures++
	if wait <= 0 {
		wait = b.most
	}
	wait = wait/2 + rand.N(wait/2+1)
	if told = min(told, maxTold); told > 0 {
		wait = told + rand.N(told/2+1)
	}
	return wait
}

func (b *backoff) reset() { b.failures = 0 }

// sleep waits for d; false: ctx has ended.
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

// parseRetry parses the milliseconds of a retry message or event, which are only digits.
func parseRetry(text string) (wait time.Duration, ok bool) {
	ms, err := strconv.ParseUint(text, 10, 31)
	return time.Duration(ms) * time.Millisecond, err == nil
}

// retryAfter returns the delay in a Retry-After header, in seconds or as a date, which next
// bounds; 0: none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(maxTold/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
