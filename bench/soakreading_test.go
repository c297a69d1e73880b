package bench

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// reading is a client of one channel, with its own clock.
type reading struct {
	*trial
	crowd *soakCrowd
	sub   *soakClient
	now   time.Time
}

func newReading(transport soakTransport) *reading {
	r := &reading{trial: newTrial(), now: time.Now()}
	r.crowd = &soakCrowd{judge: r.judge, faults: r.faults, clients: []soakClient{{transport: transport, conn: 1, wants: []soakWant{{}}}}, publishers: make([]soakPublisher, 1)}
	r.sub = &r.crowd.clients[0]
	r.answer()
	return r
}

// answer gives the client the head of a response.
func (r *reading) answer() {
	r.crowd.hear(r.sub, []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
}

// told gives the client a message that was published before.
func (r *reading) told(number int32) {
	if r.sub.wants[0].next == 0 {
		r.sub.wants[0].next = number
	}
	text := fmt.Sprintf(`{"type":"data","cname":"a","seq":%d,"content":"%d"}`+"\n", number, number)
	r.crowd.hear(r.sub, fmt.Appendf(nil, "%x\r\n%s\r\n", len(text), text))
}

// pass lets time pass in which the crowd does not run.
func (r *reading) pass(d time.Duration) {
	before := r.now
	r.now = r.now.Add(d)
	r.crowd.standsStill(before, r.now)
	r.reads()
}

func (r *reading) reads() {
	r.sub.hasRead(r.now, func(channel uint32) int32 { return r.judge.channels[channel].highest() })
}

// stalled makes the client not read for some time.
func (r *reading) stalled(d time.Duration) {
	r.sub.stall(r.now, r.now.Add(d))
	r.now = r.now.Add(d)
	r.sub.stalled = time.Time{}
	r.reads()
}

var errCut = errors.New("cut")

func (r *reading) cut() { r.crowd.cut(r.sub, r.now, errCut) }

// cuts are what happens to a client before its connection is cut. fails says whether the cut is
// a fault.
var cuts = map[string]struct {
	fails bool
	do    func(r *reading)
}{
	"it reads":                 {true, (*reading).cut},
	"it has stalled for short": {true, func(r *reading) { r.stalled(attentive / 2); r.cut() }},
	"it stalls for long":       {false, func(r *reading) { r.sub.stall(r.now, r.now); r.now = r.now.Add(writeTimeout); r.cut() }},
	"it stalls for short":      {true, func(r *reading) { r.sub.stall(r.now, r.now); r.now = r.now.Add(attentive / 2); r.cut() }},
	"it has stalled for long":  {false, func(r *reading) { r.stalled(writeTimeout); r.cut() }},
	"and reads what was published before": {false, func(r *reading) {
		r.ack(1, 1)
		r.stalled(writeTimeout)
		r.told(1)
		r.cut()
	}},
	"and reads what may have been published before": {false, func(r *reading) {
		r.put(false)
		r.stalled(writeTimeout)
		r.told(1)
		r.cut()
	}},
	"and reads what was published later": {true, func(r *reading) {
		r.ack(1, 1)
		r.stalled(writeTimeout)
		r.ack(2, 1)
		r.told(1)
		r.told(2)
		r.cut()
	}},
	"and once more": {false, func(r *reading) {
		r.stalled(writeTimeout)
		r.ack(1, 1)
		r.told(1)
		r.stalled(writeTimeout)
		r.cut()
	}},
	"the harness did not run for short": {true, func(r *reading) { r.pass(attentive / 2); r.cut() }},
	"the harness did not run for long":  {false, func(r *reading) { r.pass(attentive); r.cut() }},
	"the harness did not run while it stalled": {false, func(r *reading) {
		r.sub.stall(r.now, r.now)
		r.now = r.now.Add(attentive / 2)
		r.pass(attentive / 2)
		r.cut()
	}},
	"a publisher's, at any time": {true, func(r *reading) {
		r.crowd.publishers[0].inFlight = make([]soakPublish, 2)
		r.crowd.publisherClosed(&r.crowd.publishers[0])
	}},
	"a publisher's, when the harness did not run": {false, func(r *reading) {
		pub := &r.crowd.publishers[0]
		pub.conn, pub.inFlight = 1, make([]soakPublish, 2)
		r.pass(attentive)
		r.crowd.publisherClosed(pub)
	}},
}

// TestCut: a client that has not read for too long may be cut, also if it notices that only
// after it has read earlier input, and until the server is known to have kept it.
func TestCut(t *testing.T) {
	for what, c := range cuts {
		r := newReading(soakStream)
		if c.do(r); r.failed() != c.fails {
			_, _, texts := r.faults.counts()
			t.Errorf("%s: failed %v, want %v: %q", what, r.failed(), c.fails, texts)
		}
	}
}

// TestCutPoll: a polling client is in doubt until a request that it sent since is answered.
func TestCutPoll(t *testing.T) {
	for _, again := range []bool{false, true} {
		r := newReading(soakPoll)
		r.sub.headRead = false // the response has not come
		r.stalled(writeTimeout)
		r.answer()
		if again {
			r.sub.headRead, r.sub.asked = false, r.sub.doubtful // as ask does it
			r.answer()
		}
		if r.cut(); r.failed() != again {
			t.Errorf("asked again %v: failed %v", again, r.failed())
		}
	}
}

// TestPublisherDoubt: a publisher is in doubt until a request that it sent since is answered.
func TestPublisherDoubt(t *testing.T) {
	for answers := range 4 {
		r := newReading(soakStream)
		pub := &r.crowd.publishers[0]
		clearing := soakPublish{kind: publishClear}
		for range 5 {
			r.clearing(0)
		}
		pub.conn, pub.inFlight = 1, []soakPublish{clearing, clearing}
		r.pass(attentive)
		pub.inFlight = append(pub.inFlight, clearing, clearing, clearing)
		for range answers {
			r.crowd.answered(pub, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		}
		if r.crowd.publisherClosed(pub); r.failed() != (answers > 2) {
			t.Errorf("%d answers: failed %v", answers, r.failed())
		}
	}
}

// TestIdled: a polling client may find its connection closed if it took long to send the next
// request, counted from when the previous answer can have been written, and not after an
// answer.
func TestIdled(t *testing.T) {
	for _, c := range []struct {
		took   time.Duration
		first  bool
		headed bool
		fails  bool
	}{
		{took: time.Second, fails: true}, {took: idleTimeout}, {took: idleTimeout, first: true, fails: true}, {took: idleTimeout, headed: true, fails: true},
	} {
		r := newReading(soakPoll)
		r.sub.headRead, r.sub.askedAt = c.headed, r.now
		if !c.first {
			r.sub.askedBefore = r.now.Add(-c.took)
		}
		if r.cut(); r.failed() != c.fails {
			t.Errorf("%+v: failed %v", c, r.failed())
		}
	}
}
