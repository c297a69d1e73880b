package comet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

// A lateWorld has clients of a server with a log that does everything late: its entries, in its
// order, and its answers arrive at any later time, mixed. Now and then numbers are skipped, and
// entries may be lost on the way, which the log reports. No message is ever lost: each client
// must get each message, once and in order.
type lateWorld struct {
	*harness
	log     *lateLog
	rng     *rand.Rand
	order   []func() // entries of the log that have not arrived, in order
	answers []func() // answers that have not arrived
	clients []*lateClient
	given   map[string][]int32 // numbers of messages, by channel
}

// lateClient is a client that comes back with its place.
type lateClient struct {
	*end
	channel string
	poll    bool
	next    int32
	got     []int32
}

var lateNames = []string{"a", "b", "c", "d"}

func newLateWorld(t *testing.T, seed uint64) *lateWorld {
	w := &lateWorld{rng: rand.New(rand.NewPCG(seed, 3)), given: map[string][]int32{}}
	w.harness, w.log = newLate(t, Config{ChannelBufferSize: 10_000, Inheritable: true})
	w.repeatable(w.rng, lateNames)
	for _, name := range lateNames {
		w.log.channel(name)
	}
	return w
}

// numbers gives a message its number, and adds it to the log's order.
func (w *lateWorld) numbers(name string, k msg.Kind, content []byte) *msg.Message {
	message := w.log.number(name, k, content)
	w.given[name] = append(w.given[name], message.Seq)
	return message
}

func (w *lateWorld) publish(name, content string) {
	m := ordered(name, w.numbers(name, msg.Data, []byte(content)))
	w.order = append(w.order, func() { w.srv.home(name).Post(m) })
}

// answer lets the log answer a proposal, at any later time.
func (w *lateWorld) answer() {
	if len(w.log.proposals) == 0 {
		return
	}
	p := w.log.proposals[0]
	w.log.proposals = w.log.proposals[1:]
	switch {
	case w.rng.IntN(8) == 0:
		p.mail.Code = mail.CodeNoLog
	case p.mail.Op == mail.OpBroadcast:
		w.broadcast()
	default:
		p.mail.Msg = w.numbers(p.name, msg.Data, p.mail.Proposed())
		m := ordered(p.name, msg.New(msg.Data, p.mail.Msg.Seq, p.mail.Proposed()))
		w.order = append(w.order, func() { w.srv.home(p.name).Post(m) })
	}
	w.answers = append(w.answers, func() { p.home.Post(p.mail) })
}

func (w *lateWorld) broadcast() {
	for name, ch := range w.log.channels {
		w.given[name] = append(w.given[name], ch.next)
	}
	w.order = append(w.order, w.log.announce("all"))
}

// unsettle skips numbers; missed: entries that have not arrived by now are lost.
func (w *lateWorld) unsettle(missed bool) {
	if missed {
		w.order = nil
	}
	for _, ch := range w.log.channels {
		ch.next += gap
	}
	w.log.index++
	m := mail.OfPartition(mail.Unsettled, 0, w.log.index)
	if missed {
		m.Flag = mail.FlagMore
	}
	w.order = append(w.order, func() {
		for _, home := range w.log.homes {
			home.Post(m)
		}
	})
}

// come lets a client come, for all messages, or come back.
func (w *lateWorld) come(c *lateClient) {
	c.end = w.connect(w.srv.shards[w.rng.IntN(len(w.srv.shards))], conn.Front, 0)
	c.ask()
}

func (c *lateClient) ask() {
	path := "/stream"
	if c.poll {
		path = "/poll"
	}
	c.get(fmt.Sprintf("%s?cname=%s&seq=%d&lost=1", path, c.channel, c.next))
}

// hear reads what a client was sent: each object starts where the one before it ended.
func (w *lateWorld) hear(c *lateClient) (some bool) {
	events, clean := c.events()
	for _, e := range events {
		switch e.Type {
		case "lost":
			from, to, _ := strings.Cut(e.Content, "-")
			first, _ := strconv.Atoi(from)
			last, _ := strconv.Atoi(to)
			if int32(first) != c.next || int32(last)+1 != e.Seq {
				w.t.Fatalf("a client of %s that waits for %d is told that %s is lost before %d", c.channel, c.next, e.Content, e.Seq)
			}
			c.next = e.Seq
		case "data", "broadcast":
			if e.Seq != c.next {
				w.t.Fatalf("a client of %s that waits for %d is sent %d", c.channel, c.next, e.Seq)
			}
			c.next = e.Seq + 1
			c.got = append(c.got, e.Seq)
		case "noop", "next_seq":
		default:
			w.t.Fatalf("a client of %s is sent %+v", c.channel, e)
		}
	}
	switch {
	case c.refused || c.ended: // it has waited for too long
		c.close()
		w.come(c)
		return true
	case c.poll && clean && len(events) > 0:
		c.ask()
	}
	return len(events) > 0
}

func (w *lateWorld) step() {
	name := lateNames[w.rng.IntN(len(lateNames))]
	switch w.rng.IntN(16) {
	case 0, 1, 2:
		w.publish(name, "other")
	case 3, 4:
		p := w.connect(w.srv.shards[w.rng.IntN(len(w.srv.shards))], conn.Admin, 0)
		p.get("/push?cname=" + name + "&content=own")
	case 5:
		w.broadcast()
	case 6:
		if len(w.clients) < 40 {
			c := &lateClient{channel: name, poll: w.rng.IntN(3) == 0, next: 1}
			w.clients = append(w.clients, c)
			w.come(c)
		}
	case 7:
		if len(w.clients) > 0 {
			c := w.clients[w.rng.IntN(len(w.clients))]
			w.hear(c)
			c.close()
			w.come(c)
		}
	case 8:
		if w.rng.IntN(3) == 0 {
			w.unsettle(w.rng.IntN(2) == 0)
		}
	case 9:
		w.now = w.now.Add(w.srv.cfg.ChannelTimeout / 4)
	case 10, 11:
		w.answer()
	case 12:
		if len(w.log.attaches) > 0 {
			w.answers = append(w.answers, w.log.attach())
		}
	case 13:
		if len(w.answers) > 0 {
			i := w.rng.IntN(len(w.answers))
			w.answers[i]()
			w.answers = slices.Delete(w.answers, i, i+1)
		}
	default:
		if len(w.order) > 0 {
			w.order[0]()
			w.order = w.order[1:]
		}
	}
	w.turn(w.srv.shards[w.rng.IntN(len(w.srv.shards))])
}

// rest lets everything arrive.
func (w *lateWorld) rest() {
	for again := true; again; {
		w.settle()
		for len(w.log.proposals) > 0 {
			w.answer()
		}
		again = len(w.order)+len(w.answers)+len(w.log.attaches) > 0
		for ; len(w.order) > 0; w.order = w.order[1:] {
			w.order[0]()
		}
		for _, tell := range w.answers {
			tell()
		}
		w.answers = nil
		w.log.attachAll()
		w.settle()
		for _, c := range w.clients {
			again = w.hear(c) || again
		}
	}
}

// handOn lets another server take over, while some clients wait for their channels' places.
func (w *lateWorld) handOn() {
	w.now = w.now.Add(2 * w.srv.cfg.ChannelTimeout) // channels without clients end
	w.settle()
	w.rest()
	for n, c := range w.clients {
		if n%3 == 0 {
			c.close()
			w.come(c)
		}
	}
	w.settle()
	w.log.attaches, w.waits = nil, true
	loops := len(w.srv.shards)
	if w.byName = w.rng.IntN(2) == 0; w.byName {
		loops = 1 + w.rng.IntN(4)
	}
	w.handOver(func(cfg *Config) { cfg.Loops, w.log.attaches, w.log.homes = loops, nil, nil })
}

func TestRandomLate(t *testing.T) {
	seeded(t, func(t *testing.T, seed uint64) {
		w := newLateWorld(t, seed)
		for round := range 6 {
			for range 150 {
				w.step()
			}
			if round == 3 {
				w.rest()
				w.handOn()
			}
			w.rest()
			check(t, w.srv, true, fmt.Sprint("round ", round))
			for _, c := range w.clients {
				if want := w.given[c.channel]; !slices.Equal(c.got, want) {
					t.Fatalf("a client of %s (poll: %t) was sent %v, want %v", c.channel, c.poll, c.got, want)
				}
			}
		}
	})
}
