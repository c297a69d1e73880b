package comet

import (
	"fmt"
	"strconv"
	"strings"
)

// client is the subscriber of one connection, to one channel or several.
type client struct {
	*end
	w         *world
	shard     *shard
	places    []*place
	transport string
	sayLost   bool
	stopped   bool          // it does not read
	slow      bool          // it was stopped at some time since it has connected
	ws        *randomSocket // for the transport "ws"
}

// place is the place of a client in one channel.
type place struct {
	*client
	cname   string
	next    int32 // the number that must come next; 0: not known yet
	polling bool
	closes  int // closes of the channel that were answered when it subscribed
	over    bool
	life    string // the epoch in its last id, "" before the first
}

// subscribe asks for all channels that are not over.
func (c *client) subscribe() {
	query := ""
	live := c.places[:0]
	for _, p := range c.places {
		if p.over {
			continue
		}
		live = append(live, p)
		query += fmt.Sprintf("&cname=%s&seq=%d", p.cname, p.next)
		p.polling = true
		p.closes = c.w.closed[p.cname]
	}
	c.places = live
	if c.sayLost {
		query += "&lost=1"
	}
	if c.ws != nil {
		c.write(handshake("/ws?"+query, c.ws.offer))
		return
	}
	c.get("/" + c.transport + "?" + query)
}

// hear reads what a client was sent, and reports whether it is still there.
func (c *client) hear() bool {
	c.w.t.Helper()
	if c.ws != nil {
		return c.hearSocket()
	}
	list, clean := c.events()
	for _, e := range list {
		if e.Type == "503" {
			c.refused = true // for lack of memory, as an event stream reports it
			continue
		}
		c.hearOne(e)
	}
	over := true
	for _, p := range c.places {
		over = over && p.over
		if c.ended && !c.slow && !p.over && !c.passed() && !c.refused && !c.mayBeCut() {
			c.w.fail("%s of %s at %d was cut, and had not stopped reading", c.transport, p.cname, p.next)
		}
	}
	if c.refused {
		if !c.w.harsh {
			c.w.fail("%s of %d channels is refused: %q", c.transport, len(c.places), c.in)
		}
		c.w.got["refused"]++
		return false
	}
	if c.transport == "poll" && clean && !over && !c.ended {
		c.subscribe()
		return true
	}
	if c.ended && !over {
		c.w.got["cut"]++
	}
	return !c.ended && !over
}

// hearOne handles one message.
func (c *client) hearOne(e event) {
	c.w.got[c.transport+" "+e.Type]++
	if len(c.places) > 1 {
		c.w.got["of several: "+c.transport+" "+e.Type]++
	}
	p := c.place(e)
	p.over = p.take(e) || p.over
}

// mayBeCut reports whether a client may be cut although it reads: its connection was
// lost, or there was no memory for one of its channels after the response to others
// had begun.
func (c *client) mayBeCut() bool { return c.w.hurt[c.end] || c.w.harsh && len(c.places) > 1 }

// place returns the client's place in an event's channel.
func (c *client) place(e event) *place {
	for _, p := range c.places {
		if p.cname == e.Cname && !p.over {
			return p
		}
	}
	c.w.fail("%s was told %+v, and has not asked for it", c.transport, e)
	return nil
}

// checkID compares the id of an event that c has just got with what it has seen of
// each channel. In a channel of which it has heard nothing yet, the server may have
// skipped messages that are no longer kept.
func (c *client) checkID(e event) {
	c.w.t.Helper()
	ids := strings.Split(e.ID, ",")
	if len(ids) != len(c.places) {
		c.w.fail("event %+v: an id of %d channels", e, len(c.places))
	}
	for i, p := range c.places {
		if ids[i] == "closed" {
			if !p.over {
				c.w.fail("event %+v: %s is closed in its id, and goes on", e, p.cname)
			}
			continue
		}
		number, life, _ := strings.Cut(ids[i], ".")
		if p.life != "" && life != p.life || life == "" && p.cname == e.Cname {
			c.w.fail("event %+v: %s is of the epoch %q in its id, and was of %q", e, p.cname, life, p.life)
		}
		p.life = life
		seen, err := strconv.ParseInt(number, 10, 32)
		ahead := int32(seen) - (p.next - 1)
		if err != nil || ahead < 0 || ahead > 0 && (c.sayLost || !p.polling) {
			c.w.fail("event %+v: %s is at %d in its id, and at %d", e, p.cname, seen, p.next-1)
		}
	}
}

// passed reports whether one of its channels has dropped what it wants next.
func (c *client) passed() bool {
	for _, p := range c.places {
		if p.passed() {
			return true
		}
	}
	return false
}

// passed reports whether the message that the client wants next is no longer kept.
// That may happen to any client with a short write, if its loop has not had a turn
// since: then it is cut, unless it wants to be told. Nothing is known of a channel
// that was closed meanwhile: another one may have its name.
func (c *place) passed() bool {
	if c.closes != c.w.closes[c.cname] {
		return !c.sayLost
	}
	home := c.w.srv.home(c.cname)
	ch := home.Channel(c.cname)
	return !c.sayLost && (ch == nil || home.Oldest(ch)-c.next > 0)
}

// take checks one message, and reports whether it is the last.
func (c *place) take(e event) (over bool) {
	c.w.t.Helper()
	switch e.Type {
	case "data", "broadcast":
		c.number(e)
		if c.next = e.Seq + 1; c.transport == "sse" {
			c.checkID(e)
		}
	case "next_seq":
		if c.next = e.Seq; c.transport == "sse" {
			c.checkID(e)
		}
	case "lost":
		var from, to int32
		if _, err := fmt.Sscanf(e.Content, "%d-%d", &from, &to); err != nil || from != c.next || to != e.Seq-1 || !c.sayLost {
			c.w.fail("%s of %s at %d was told %+v", c.transport, c.cname, c.next, e)
		}
		c.next = e.Seq
		return false
	case "noop":
	case "429":
		return true
	case "close":
		c.next = e.Seq + 1
		return true
	default:
		c.w.fail("unexpected %+v", e)
	}
	return false
}

// number compares a message's number with the client's own, and with what others,
// and the publisher, know of it.
func (c *place) number(e event) {
	c.w.t.Helper()
	first := !c.began(e)
	if !first && e.Seq != c.next {
		c.w.fail("%s of %s wanted %d and got %d (%.20q)", c.transport, c.cname, c.next, e.Seq, e.Content)
	}
	if first && e.Seq < c.next {
		c.w.fail("%s of %s wanted %d from the start and got %d", c.transport, c.cname, c.next, e.Seq)
	}
	key := e.Cname + " " + e.Content
	if known, ok := c.w.seen[key]; ok && known != e.Seq {
		c.w.fail("%.20q has number %d for one, %d for another", e.Content, known, e.Seq)
	}
	c.w.seen[key] = e.Seq
}

// began reports whether the client must get exactly the number that it wants. Only
// the first message of a subscription may be a later one without being told: the
// original protocol starts with the oldest message that is kept.
func (c *place) began(e event) bool {
	was := !c.polling
	c.polling = false
	return was || c.sayLost
}
