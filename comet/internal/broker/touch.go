package broker

import (
	"time"

	"ccomet/reactor"
)

// numberTouch is how often a log is told that a channel with subscribers is still here: it may
// forget the number of one to which nobody publishes for days.
const numberTouch = 24 * time.Hour

// touch tells the log that a channel has subscribers, once in the time that a channel lives
// without any: where tokens are, so that it may be come back to by way of any server; else
// once a day, each at another time.
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
