package bench

import (
	"fmt"
	"testing"
)

// A client with several channels follows each of them separately: it notices a
// message that is missing, doubled or from another channel.
func TestSeveralChannels(t *testing.T) {
	t.Parallel()
	f := newFormat(7, minContent)
	line := func(channel, number uint32) []byte {
		text := fmt.Appendf(nil, `{"type":"data","cname":"%016d","seq":%d,"content":"`, channel, number+100)
		return append(f.append(text, message{channel: channel, number: number, sent: 1}), "\"}\n"...)
	}
	c := &client{format: f, latency: newHistogram()}
	c.Transport = bareStream
	c.Channel, c.Spread, c.First, c.Several = 1000, 5, 2, 3 // subscriber 2 has the channels 1003, 1004 and 1000
	for range 2 {
		c.subs = append(c.subs, c.newSubscriber(1))
	}
	sub := &c.subs[1]
	for _, m := range [][2]uint32{{1003, 1}, {1000, 1}, {1004, 1}, {1004, 2}, {1003, 2}, {1003, 2}, {1000, 3}, {1001, 1}} {
		c.line(2, sub, line(m[0], m[1]))
	}
	if s := c.stats; s.Received != 6 || s.Doubled != 1 || s.Lost != 1 || s.Damaged != 1 {
		t.Errorf("%+v", s)
	}
	if at := [3]int32{c.placeOf(2, sub, 1003).seq, c.placeOf(2, sub, 1004).seq, c.placeOf(2, sub, 1000).seq}; at != [3]int32{103, 103, 104} {
		t.Errorf("the numbers that come next are %v", at)
	}
	if first := c.subs[0].seq; first != 1 {
		t.Errorf("another subscriber's next number is %d", first)
	}
}

// Shared channels are the same for all subscribers. Own channels of a
// subscriber follow those of the one before.
func TestChannelsOfEach(t *testing.T) {
	t.Parallel()
	c := &client{}
	c.Channel, c.Several = 100, 3
	if got := [3]uint32{c.nth(1, 2), c.nth(7, 0), c.nth(7, 2)}; got != [3]uint32{102, 100, 102} {
		t.Errorf("shared: %v", got)
	}
	c.Own = true
	if got := [3]uint32{c.nth(1, 2), c.nth(2, 0), c.nth(7, 2)}; got != [3]uint32{102, 103, 120} {
		t.Errorf("own: %v", got)
	}
	if c.Several = 0; c.nth(7, 0) != 106 {
		t.Errorf("one each: %d", c.nth(7, 0))
	}
}

// The longest silence is over all clients, and includes the silence that still
// lasts.
func TestSilence(t *testing.T) {
	t.Parallel()
	c := &client{clock: newClock(), subs: make([]subscriber, 3)}
	for _, at := range []int64{5, 7, 27, 30} {
		c.now = at
		c.hears(&c.subs[1])
	}
	if c.stats.Silence != 20 {
		t.Errorf("a silence of %d, want 20", c.stats.Silence)
	}
	c.unready(&c.subs[1]) // it leaves: from now on it is not silent but absent
	c.now = 1000
	c.hears(&c.subs[1])
	if c.stats.Silence != 20 {
		t.Errorf("a silence of %d after it had left, want 20", c.stats.Silence)
	}
	c.silences()
	if least := c.clock.now() - 1000 - 1e9; c.stats.Silence < least {
		t.Errorf("a silence of %d up to now, want %d at least", c.stats.Silence, least)
	}
}
