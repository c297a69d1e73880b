package bench

import (
	"bytes"
	"fmt"
	"time"

	"ccomet/reactor"
)

// soakAttacker is a connection that attacks the server. It stays until the calm, unless the
// server closes it.
type soakAttacker struct {
	conn reactor.Conn // 0: none
	kind attackKind
	text []byte // for attackSlow: the rest of the request
	due  time.Time
}

type attackKind uint8

const (
	attackSilent  attackKind = iota // sends nothing
	attackHalf                      // sends half a request
	attackGarbage                   // sends bytes that are no request
	attackSlow                      // sends a request byte by byte
	attackAbandon                   // sends a request and leaves at once
	attackPassing                   // subscribes to a channel that no other client uses
	attackCrowd                     // subscribes to a channel with too many subscribers
	attackKinds
)

var attackNames = [attackKinds]string{"silent", "half", "garbage", "slow", "abandoned", "passing", "crowding"}

// crowdChannel is the channel with too many subscribers.
const crowdChannel = "soak-crowd"

// flood starts n attacks.
func (c *soakCrowd) flood(kind attackKind, n int) {
	for ; n > 0 && len(c.idle) > 0; n-- {
		i := c.idle[len(c.idle)-1]
		conn := c.dial(c.front, roleAttacker|i, reactor.SocketOptions{})
		if conn == 0 {
			return
		}
		c.idle = c.idle[:len(c.idle)-1]
		c.attackers[i] = soakAttacker{conn: conn, kind: kind}
		c.attacks[kind]++
	}
}

// attack starts an attack when its connection is open.
func (c *soakCrowd) attack(a *soakAttacker) {
	subscribe := fmt.Sprintf("GET /stream?cname=passing-%d&seq=0 HTTP/1.1\r\nHost: soak\r\n\r\n", c.random.Uint32())
	switch a.kind {
	case attackHalf:
		c.say(a, subscribe[:1+c.random.IntN(len(subscribe)-2)])
	case attackGarbage:
		text := make([]byte, 1+c.random.IntN(2000))
		for i := range text {
			text[i] = byte(c.random.Uint32())
		}
		text[0] |= 0x80 // so that it does not begin with a method
		c.say(a, string(text))
	case attackSlow:
		a.text = []byte(subscribe)
	case attackAbandon:
		c.say(a, subscribe)
		c.end(a.conn, leaving(c.random.IntN(int(leavings))))
	case attackPassing:
		c.say(a, subscribe)
	case attackCrowd:
		c.say(a, "GET /stream?cname="+crowdChannel+"&seq=0 HTTP/1.1\r\nHost: soak\r\n\r\n")
	}
}

func (c *soakCrowd) say(a *soakAttacker, text string) { _ = c.loop.Write(a.conn, []byte(text)) }

// press continues the slow attacks.
func (c *soakCrowd) press(now time.Time) {
	for i := range c.attackers {
		a := &c.attackers[i]
		if a.conn == 0 || len(a.text) == 0 || now.Before(a.due) {
			continue
		}
		c.say(a, string(a.text[:1]))
		a.text, a.due = a.text[1:], c.soon(time.Second)
	}
}

// repelled checks the server's answer to an attacker.
func (c *soakCrowd) repelled(a *soakAttacker, p []byte) {
	status, begins := bytes.CutPrefix(p, []byte("HTTP/1.1 "))
	if !begins {
		return // the rest of an answer
	}
	switch n := leadingNumber(status); {
	case n == 200 && (a.kind == attackGarbage || a.kind == attackHalf):
		c.faults.damaged("%s request is answered %.100q", attackNames[a.kind], p)
	case n >= 500 && n != 501 && n != 503 && n != 505:
		c.faults.fault("%s request is answered %.100q", attackNames[a.kind], p)
	case n != 200 || bytes.Contains(p, []byte(`"429"`)):
		c.refusals++
	}
}
