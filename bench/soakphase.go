package bench

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// soakPhase is an event of a soak.
type soakPhase struct {
	kind   phaseKind
	n      int // number of clients, attackers or messages
	how    leaving
	attack attackKind
}

type phaseKind uint8

const (
	phaseLeave     phaseKind = iota // clients vanish, and reconnect
	phaseStall                      // clients do not read
	phaseStallSlow                  // slow clients do not read while large messages are published
	phaseBurst                      // one channel gets many messages at once
	phaseBroadcast                  // messages to all channels
	phaseClear                      // a channel is cleared
	phaseFlood                      // attackers connect
	phaseFreeze                     // the server is stopped for a moment (SIGSTOP)
	phaseUpgrade                    // the server is upgraded to the program on the disk
	phaseStop                       // the server is stopped in the ordinary way, and started again
	phaseKill                       // the server is killed, and started again
	phaseKillTwice                  // the same twice, without a state file in between
)

var phaseNames = [...]string{"leave", "stall", "stall of the slow", "burst", "broadcast", "clear", "flood", "freeze", "upgrade", "stop", "kill", "kill twice"}

// newPhase draws the next event. If violent is set, it may end the server.
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
		p.n = 10 + random.IntN(60) // a connection over loopback buffers a megabyte and more
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

// begin runs the crowd's part of a phase.
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

// stallTime draws how long a client does not read: usually so short that the server must keep
// it, otherwise so long that the server may cut it.
func (c *soakCrowd) stallTime() time.Duration {
	if c.random.IntN(4) > 0 {
		return time.Duration(c.random.Int64N(int64(attentive)))
	}
	return writeTimeout + time.Duration(c.random.Int64N(int64(attentive)))
}

// stall stops reading from a client for a while.
func (c *soakCrowd) stall(sub *soakClient) {
	if sub.conn != 0 && !sub.leaving && sub.stalled.IsZero() {
		sub.stall(c.loop.Now(), c.loop.Now().Add(c.stallTime()))
		c.loop.Pause(sub.conn)
	}
}
