package bench

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// soakPhase is one thing that happens.
type soakPhase struct {
	kind   phaseKind
	n      int // how many take part
	how    leaving
	attack attackKind
}

type phaseKind uint8

const (
	phaseLeave     phaseKind = iota // clients vanish, and come back
	phaseStall                      // clients do not read
	phaseStallSlow                  // slow clients do not read, while they are sent large messages
	phaseBurst                      // one channel is given many messages at once
	phaseBroadcast                  // messages to all
	phaseClear                      // a channel forgets what it keeps
	phaseFlood                      // attackers come
	phaseFreeze                     // the server stands still for a moment (SIGSTOP)
	phaseUpgrade                    // it goes on in the program on the disk
	phaseStop                       // it is stopped as it should be, and started again
	phaseKill                       // it is killed, and started again
	phaseKillTwice                  // and once more, before it has written anything
)

var phaseNames = [...]string{"leave", "stall", "stall of the slow", "burst", "broadcast", "clear", "flood", "freeze", "upgrade", "stop", "kill", "kill twice"}

// newPhase chooses what happens next; violent: the server may end.
func newPhase(random *rand.Rand, clients, attackers int, violent bool) soakPhase {
	weights := [...]int{phaseLeave: 6, phaseStall: 3, phaseStallSlow: 4, phaseBurst: 5, phaseBroadcast: 4, phaseClear: 1, phaseFlood: 6, phaseFreeze: 1, phaseUpgrade: 3,
		phaseStop: 3, phaseKill: 2, phaseKillTwice: 1}
	if !violent {
		clear(weights[phaseStop:])
	}
	sum := 0
	for _, w := range weights {
		sum += w
	}
	at := random.IntN(sum)
	p := soakPhase{how: leaving(random.IntN(int(leavings))), attack: attackKind(random.IntN(int(attackKinds)))}
	for at >= weights[p.kind] {
		at -= weights[p.kind]
		p.kind++
	}
	switch p.kind {
	case phaseLeave, phaseStall:
		p.n = 1 + random.IntN(max(1, clients/2))
	case phaseStallSlow:
		p.n = 10 + random.IntN(60) // a connection over loopback holds a megabyte and more
	case phaseBurst:
		p.n = 20 + random.IntN(400)
	case phaseBroadcast:
		p.n = 1 + random.IntN(3)
	case phaseFlood:
		p.n = 1 + random.IntN(max(1, attackers))
	}
	return p
}

func (p soakPhase) String() string {
	switch p.kind {
	case phaseFlood:
		return fmt.Sprintf("flood of %d %s", p.n, attackNames[p.attack])
	case phaseLeave, phaseStall, phaseBurst, phaseBroadcast:
		return fmt.Sprintf("%s of %d", phaseNames[p.kind], p.n)
	}
	return phaseNames[p.kind]
}

// begin has the crowd do its part.
func (c *soakCrowd) begin(p *soakPhase) {
	switch p.kind {
	case phaseLeave:
		for range p.n {
			if sub := &c.clients[c.random.IntN(len(c.clients))]; sub.conn != 0 && !sub.leaving {
				c.left++
				c.leave(sub, p.how, 2*time.Second)
			}
		}
	case phaseStall:
		for range p.n {
			c.stall(&c.clients[c.random.IntN(len(c.clients))])
		}
	case phaseStallSlow:
		for i := range c.clients {
			if c.clients[i].slow && c.random.IntN(3) > 0 {
				c.stall(&c.clients[i])
			}
		}
		for range p.n {
			c.publishTo(heavyChannel, c.anySize(heavyChannel), true)
		}
	case phaseBurst:
		channel := c.anyChannel()
		for range p.n {
			size := c.anySize(channel)
			if channel != heavyChannel {
				size = min(size, 500)
			}
			c.publishTo(channel, size, false)
		}
	case phaseBroadcast:
		for range p.n {
			c.broadcast()
		}
	case phaseClear:
		c.clearChannel(uint32(c.random.IntN(len(c.judge.channels))))
	case phaseFlood:
		c.flood(p.attack, p.n)
	}
}

// stallTime is for how long a client does not read: as a rule so shortly that it must be kept, else
// for so long that it may be cut.
func (c *soakCrowd) stallTime() time.Duration {
	if c.random.IntN(4) > 0 {
		return time.Duration(c.random.Int64N(int64(attentive)))
	}
	return writeTimeout + time.Duration(c.random.Int64N(int64(attentive)))
}

// stall has a client not read for a while.
func (c *soakCrowd) stall(sub *soakClient) {
	if sub.conn != 0 && !sub.leaving && sub.stalled.IsZero() {
		sub.stall(c.loop.Now(), c.loop.Now().Add(c.stallTime()))
		c.loop.Pause(sub.conn)
	}
}
