package cluster

import "time"

// retry is the pause before the next attempt. Each pause is twice as long as the one
// before. The zero value is for the first attempt.
type retry time.Duration

const (
	retryLeast = 10 * time.Millisecond
	retryMost  = 100 * time.Millisecond
)

// next is the next pause.
func (r *retry) next() time.Duration {
	*r = retry(min(max(2*time.Duration(*r), retryLeast), retryMost))
	return time.Duration(*r)
}
