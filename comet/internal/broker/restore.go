package broker

import (
	"time"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/statefile"
)

// Restorer creates the channels of a state file at their home, within the limits of the current
// configuration, before the home's loop runs. Message adds to the channel created last.
type Restorer struct {
	Channels, Messages int
	LeftOut            int // channels that exceed max-channels or memory

	b        *Broker
	now      time.Time
	gap      int32  // numbers that each channel skips
	most     int    // maximum size of a message's content, in bytes
	at       uint32 // the channel created last; 0: it was left out
	sharings map[uint32]*msg.Sharing
}

// Restorer returns a new Restorer. If a channel has a message longer than most, its messages so
// far are dropped, because no response could contain that one.
func (b *Broker) Restorer(now time.Time, gap int32, most int) Restorer {
	return Restorer{b: b, now: now, gap: gap, most: most, sharings: map[uint32]*msg.Sharing{}}
}

// Channel creates a channel. If the file has a channel twice, the second replaces the first: it
// was deleted and created again while the file was written.
func (r *Restorer) Channel(c *statefile.Channel) {
	b := r.b
	if r.at = b.channels.find(c.Name); r.at == 0 {
		ceiling := b.cfg.MaxChannels
		if ceiling == 0 || b.totals.Channels.Load() < int64(ceiling) {
			r.at, _ = b.findOrMake(c.Name) // 0 if there is no memory
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
	if r.gap < statefile.MaxGaps*record.StateGap { // else it gets a new epoch
		ch.Gen = c.Epoch
	}
	// Clients could not connect while no server ran, so they get some time now.
	left := time.UnixMilli(c.Lease).Sub(r.now)
	b.channels.extend(r.at, min(max(left, b.cfg.ChannelTimeout), MaxLease))
}

// Message stores a message, within the current limits.
func (r *Restorer) Message(k msg.Kind, seq int32, content []byte) {
	if r.at != 0 {
		r.keep(r.b.histories.newMessage(r.b.channels.At(r.at), k, seq, content))
	}
}

// Shared stores a message whose content is shared with other channels.
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
