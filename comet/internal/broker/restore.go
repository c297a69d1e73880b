package broker

import (
	"time"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/statefile"
)

// Restorer makes the channels of a state file at their home, within the limits of the new
// configuration, before the home's loop runs. A message belongs to the last channel.
type Restorer struct {
	Channels, Messages int
	LeftOut            int // channels for which there is no room

	b        *Broker
	now      time.Time
	gap      int32  // numbers that each channel leaves out
	most     int    // bytes of a message's content
	at       uint32 // the channel that messages belong to; 0: it is left out
	sharings map[uint32]*msg.Sharing
}

// Restorer returns one that begins. A channel with a message longer than most keeps none,
// because no response could hold that one.
func (b *Broker) Restorer(now time.Time, gap int32, most int) Restorer {
	return Restorer{b: b, now: now, gap: gap, most: most, sharings: map[uint32]*msg.Sharing{}}
}

// Channel makes a channel. One that stands in the file twice begins anew: it went and came
// while that was written.
func (r *Restorer) Channel(c *statefile.Channel) {
	b := r.b
	if r.at = b.channels.find(c.Name); r.at == 0 {
		ceiling := b.cfg.MaxChannels
		if ceiling == 0 || b.totals.Channels.Load() < int64(ceiling) {
			r.at, _ = b.findOrMake(c.Name) // 0 where the kernel has no memory for it
		}
		if r.at == 0 {
			r.LeftOut++
			return
		}
		r.Channels++
	}
	ch := b.channels.At(r.at)
	b.histories.drop(ch)
	ch.Next, ch.Dialect = c.Next+r.gap, c.Dialect
	if r.gap < statefile.MaxGaps*record.StateGap { // else they begin again
		ch.Gen = c.Epoch
	}
	// Its clients could not come while no server ran: they have a while now.
	left := time.UnixMilli(c.Lease).Sub(r.now)
	b.channels.extend(r.at, min(max(left, b.cfg.ChannelTimeout), MaxLease))
}

// Message keeps a message, within the bounds of now.
func (r *Restorer) Message(k msg.Kind, seq int32, content []byte) {
	if r.at != 0 {
		r.keep(r.b.histories.newMessage(r.b.channels.At(r.at), k, seq, content))
	}
}

// Shared keeps a message whose content other channels share.
func (r *Restorer) Shared(k msg.Kind, seq int32, content []byte, body uint32) {
	if r.at == 0 {
		return
	}
	if r.sharings[body] == nil {
		r.sharings[body] = msg.NewSharing(content)
	}
	r.keep(r.sharings[body].Message(k, seq))
}

func (r *Restorer) keep(message *msg.Message) {
	if message.Len() > r.most {
		r.b.histories.drop(r.b.channels.At(r.at))
		return
	}
	r.b.histories.keep(r.at, message)
	r.Messages++
}
