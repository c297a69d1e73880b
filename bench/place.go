package bench

import (
	"bytes"

	"ccomet/bench/target"
)

// The channels of a subscriber of a client process, its position in each, and the silences.

// place is a subscriber's position in one channel.
type place struct {
	seq  int32  // for ICometCursor; 0: not known yet
	next uint32 // number of the next message; 0: any
	gaps uint16 // skipped messages that may still arrive late
}

// newSubscriber returns a subscriber whose first message has number next.
func (c *client) newSubscriber(next uint32) subscriber {
	first := place{next: next}
	if c.Several > 1 {
		first.seq = 1 // it need not ask for the position in each channel
		for range c.Several - 1 {
			c.more = append(c.more, first)
		}
	}
	return subscriber{place: first}
}

// channel returns a subscriber's channel, or the first of several.
func (c *client) channel(i uint32) uint32 { return c.nth(i, 0) }

// nth returns the nth channel of a subscriber.
func (c *client) nth(i, n uint32) uint32 {
	switch {
	case c.Spread > 0:
		return c.Channel + (uint32(c.First)+i-1+n)%uint32(c.Spread)
	case c.Own:
		return c.Channel + (i-1)*uint32(max(c.Several, 1)) + n
	}
	return c.Channel + n
}

// placeOf returns a subscriber's position in a channel, or nil if it is not subscribed to
// it.
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

// placeIn returns a subscriber's position in the channel that the start of a message names.
// A message of another channel is detected when its content is checked.
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

// further returns the part of a request that names a subscriber's channels after the first.
func (c *client) further(i uint32) (text []byte) {
	for n := 1; n < c.Several; n++ {
		text = c.also.Append(text, &target.Vars{Channel: c.nth(i, uint32(n)), Seq: c.another(i, n).seq})
	}
	return text
}

// hears records that a subscriber has received something, and how long it was silent
// before.
func (c *client) hears(sub *subscriber) {
	if sub.heard != 0 {
		c.stats.Silence = max(c.stats.Silence, c.now-sub.heard)
	}
	sub.heard = c.now
}

// silences includes the silences that have not ended.
func (c *client) silences() {
	now := c.clock.now()
	for i := range c.subs {
		if at := c.subs[i].heard; at != 0 {
			c.stats.Silence = max(c.stats.Silence, now-at)
		}
	}
}
