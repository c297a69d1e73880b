package bench

import "time"

const (
	// writeTimeout is the server's --write-timeout: it cuts a client that has not read for that long.
	writeTimeout = 5 * time.Second
	// attentive is how long a client may stop reading and must still be kept. The difference to
	// writeTimeout is a reserve for the time until it is read again on a busy machine.
	attentive = 3 * time.Second
	// idleTimeout is the server's --idle-timeout: it closes a connection without a request for that
	// long since the last answer.
	idleTimeout = 6 * time.Second
	// standstill is the time from which a pause of the harness itself counts.
	standstill = time.Second
)

// soakReading records whether a client reads. A client that has not read for too long may have been
// cut, but notices it only after it has read what had arrived before. From then on its connection is in
// doubt, until it receives something that the server can only have sent later.
type soakReading struct {
	stalled  time.Time // it does not read until then; zero: it reads
	since    time.Time // it has not read since then; zero: it has
	ended    time.Time // the server ended its connection while it did not read: time of the last input since; zero: it has not
	doubtful bool
	asked    bool // its current request was sent while in doubt: an answer ends the doubt
}

// stall records that the client does not read until some time.
func (r *soakReading) stall(now, until time.Time) {
	r.stalled = until
	r.absent(now)
}

// absent records that the client has not read since some time.
func (r *soakReading) absent(since time.Time) {
	if r.since.IsZero() {
		r.since = since
	}
}

// mayBeCut reports whether the server may have ended the connection by now.
func (r *soakReading) mayBeCut(now time.Time) bool {
	return r.doubtful || !r.since.IsZero() && now.Sub(r.since) >= attentive
}

// unread returns how long the client has not read.
func (r *soakReading) unread(now time.Time) time.Duration {
	if r.since.IsZero() {
		return 0
	}
	return now.Sub(r.since).Round(time.Millisecond)
}

// hasRead records that a client has read what had arrived. highest returns the highest number that may
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

// idled reports whether the server may have closed a client's connection for being idle: it may have
// answered the last request at once, while the client took long to read the answer and to send the next
// request. That happens with a small receive buffer.
func (sub *soakClient) idled() bool {
	return sub.transport.poll() && !sub.headRead && !sub.askedBefore.IsZero() && sub.askedAt.Sub(sub.askedBefore) >= idleTimeout-standstill
}

// proves records that a client was told of a number that has been given. If the number was given after
// the doubt began, the server has not cut the connection.
func (sub *soakClient) proves(w *soakWant, number int32) {
	if sub.doubtful && number-w.proof >= 0 {
		sub.doubtful = false
	}
}

// standsStill is called at each beat of the crowd. If the beat before is long ago, no client has read
// meanwhile.
func (c *soakCrowd) standsStill(before, now time.Time) {
	length := now.Sub(before)
	if before.IsZero() || length < standstill {
		return
	}
	c.faults.note("the harness itself did not run for %.1f s", length.Seconds())
	for i := range c.clients {
		if sub := &c.clients[i]; sub.conn != 0 {
			sub.absent(before)
		}
	}
	for i := range c.publishers {
		if pub := &c.publishers[i]; length >= attentive && pub.conn != 0 {
			pub.doubtful = len(pub.inFlight) + 1
		}
	}
}
