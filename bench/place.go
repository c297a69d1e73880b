package bench

import (
	"bytes"

	"ccomet/bench/target"
)

// Which channels a subscriber of a client process has, how far it is in each, and for
// how long it hears nothing.

// place is how far a subscriber is in a channel.
type place struct {
	seq  int32  // ICometCursor; 0 before the first
	next uint32 // number of the message that must come next; 0: whatever comes
	gaps uint16 // messages that others came before
}

// newSubscriber is one more, to which message number next comes first.
func (c *client) newSubscriber(next uint32) subscriber {
	first := place{next: next}
	if c.Several > 1 {
		first.seq = 1 // it need not be told where each of them stands
		for range c.Several - 1 {
			c.more = append(c.more, first)
		}
	}
	return subscriber{place: first}
}

// channel is a subscriber's, or the first of several.
func (c *client) channel(i uint32) uint32 { return c.nth(i, 0) }

// nth is one of the channels of a subscriber.
func (c *client) nth(i, n uint32) uint32 {
	switch {
	case c.Spread > 0:
		return c.Channel + (uint32(c.First)+i-1+n)%uint32(c.Spread)
	case c.Own:
		return c.Channel + (i-1)*uint32(max(c.Several, 1)) + n
	}
	return c.Channel + n
}

// placeOf is where a subscriber is in a channel; nil: it has not asked for that.
func (c *client) placeOf(i uint32, sub *subscriber, channel uint32) *place {
	if channel == c.channel(i) {
		return &sub.place
	}
	for n := 1; n < c.Several; n++ {
		if channel == c.nth(i, uint32(n)) {
			return c.another(i, n)
		}
	}
	return nil
}

func (c *client) another(i uint32, n int) *place { return &c.more[(int(i)-1)*(c.Several-1)+n-1] }

var channelKey = []byte(`"cname":"`)

// placeIn is where a subscriber is in the channel that the head of a message names. One
// that is another's is found out by the message.
func (c *client) placeIn(i uint32, sub *subscriber, head []byte) *place {
	if c.Several <= 1 {
		return &sub.place
	}
	_, name, _ := bytes.Cut(head, channelKey)
	var channel uint64
	for _, digit := range name[:min(len(name), target.ChannelName)] {
		channel = channel*10 + uint64(digit-'0')
	}
	if at := c.placeOf(i, sub, uint32(channel)); at != nil {
		return at
	}
	return new(place)
}

// further is what a request says of a subscriber's channels but the first.
func (c *client) further(i uint32) (text []byte) {
	for n := 1; n < c.Several; n++ {
		text = c.also.Append(text, &target.Vars{Channel: c.nth(i, uint32(n)), Seq: c.another(i, n).seq})
	}
	return text
}

// hears notes that a subscriber has heard something, and for how long it had not.
func (c *client) hears(sub *subscriber) {
	if sub.heard != 0 {
		c.stats.Silence = max(c.stats.Silence, c.now-sub.heard)
	}
	sub.heard = c.now
}

// silences looks at those that hear nothing now.
func (c *client) silences() {
	now := c.clock.now()
	for i := range c.subs {
		if at := c.subs[i].heard; at != 0 {
			c.stats.Silence = max(c.stats.Silence, now-at)
		}
	}
}
