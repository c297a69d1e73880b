package cluster

import "time"

// retry is the pause before what has failed is tried again: each is twice the one before. The zero
// retry is one of nothing that has failed.
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
