package broker

import (
	"time"

	"ccomet/reactor"
)

// numberTouch is how often the log is told that a channel with subscribers exists. Otherwise
// the log may forget the number of a channel to which nobody publishes for days.
const numberTouch = 24 * time.Hour

// touch tells the log that a channel has subscribers. With tokens it does so every channel
// timeout, so that clients may return at any server. Without tokens once a day is enough, at a
// different time for each channel.
func (r *remote) touch(i uint32) {
	b := r.b
	each := reactor.Tick(b.cfg.ChannelTimeout / reactor.TickLength)
	b.channels.leases.Schedule(i, b.loop.Tick()+each)
	lease := time.Duration(0)
	if b.cfg.Tokens {
		lease = 2 * b.cfg.ChannelTimeout
	} else if rounds := uint32(max(numberTouch/b.cfg.ChannelTimeout, 1)); (uint32(b.loop.Tick()/each)+i)%rounds != 0 {
		return
	}
	r.Touch(b.channels.name(b.channels.At(i)), lease)
}
