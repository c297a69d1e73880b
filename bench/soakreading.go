package bench

import "time"

const (
	// writeTimeout is the server's --write-timeout: it cuts a client that has not read for so long.
	writeTimeout = 5 * time.Second
	// attentive is for how long a client may not read, and must be kept. What is left to
	// writeTimeout is for the time that it takes until it is read again on a machine that has much to do.
	attentive = 3 * time.Second
	// idleTimeout is the server's --idle-timeout: it closes a connection on which it has had no request
	// for so long since it answered the last one.
	idleTimeout = 6 * time.Second
	// standstill is from how long on it counts that the harness itself has not run.
	standstill = time.Second
)

// soakReading is whether a client reads. One that has not read for too long may have been cut
// meanwhile, but hears of it only when it has read what had arrived before. From then on its
// connection is in doubt, until it gets what the server can only have sent later.
type soakReading struct {
	stalled  time.Time // until when it does not read; zero: it does
	since    time.Time // since when it has not; zero: it has
	ended    time.Time // the server ended its connection while it did not read: when it was last sent anything; zero: it has not
	doubtful bool
	asked    bool // what it has asked for was asked for in doubt: an answer ends it
}

// stall has it not read until some time.
func (r *soakReading) stall(now, until time.Time) {
	r.stalled = until
	r.absent(now)
}

// absent: it has not read since some time.
func (r *soakReading) absent(since time.Time) {
	if r.since.IsZero() {
		r.since = since
	}
}

// mayBeCut says whether the server may have ended its connection by now.
func (r *soakReading) mayBeCut(now time.Time) bool {
	return r.doubtful || !r.since.IsZero() && now.Sub(r.since) >= attentive
}

// unread is for how long it has not read.
func (r *soakReading) unread(now time.Time) time.Duration {
	if r.since.IsZero() {
		return 0
	}
	return now.Sub(r.since).Round(time.Millisecond)
}

// hasRead: a client that reads has read what had arrived. highest bounds the numbers that
// have been given in a channel.
func (sub *soakClient) hasRead(now time.Time, highest func(channel uint32) int32) {
	if sub.mayBeCut(now) && !sub.since.IsZero() {
		sub.doubtful, sub.asked = true, false
		for i := range sub.wants {
			w := &sub.wants[i]
			w.proof = highest(w.channel) + 1
		}
	}
	sub.since = time.Time{}
}

// idled says whether the server may have closed a client's connection for being idle: if it answered
// the last request at once, and the client has taken long to read that and to ask again. That is so
// of one with a small receive buffer.
func (sub *soakClient) idled() bool {
	return sub.transport.poll() && !sub.headed && !sub.askedBefore.IsZero() && sub.askedAt.Sub(sub.askedBefore) >= idleTimeout-standstill
}

// proves: a client has been told that a number has been given. If that was after it was in
// doubt the server has it still.
func (sub *soakClient) proves(w *soakWant, number int32) {
	if sub.doubtful && number-w.proof >= 0 {
		sub.doubtful = false
	}
}

// standsStill is told of each beat of the crowd: where the one before is long ago nobody has
// read meanwhile.
func (c *soakCrowd) standsStill(before, now time.Time) {
	length := now.Sub(before)
	if before.IsZero() || length < standstill {
		return
	}
	c.standstills++
	c.faults.note("the harness itself did not run for %.1f s", length.Seconds())
	for i := range c.clients {
		if sub := &c.clients[i]; sub.conn != 0 {
			sub.absent(before)
		}
	}
	for i := range c.publishers {
		if pub := &c.publishers[i]; length >= attentive && pub.conn != 0 {
			pub.doubtful = len(pub.under) + 1
		}
	}
}
