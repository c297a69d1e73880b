package comet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
)

// Random operations on a server of several loops: clients of all transports
// subscribe, read, stop reading, vanish and come back; backends publish in
// bursts, broadcast, clear and close; time passes. Now and then, and at the
// end, the checker walks everything; and every client has got every message
// once and in order, or was told what it missed, or was cut and may come back.
//
// A failure prints its seed; CCOMET_SEED runs that one again.
func TestRandomOperations(t *testing.T) {
	seeded(t, func(t *testing.T, seed uint64) { newWorld(t, seed).run(600) })
}

// seeded runs a test with some seeds, or with the one that is asked for.
func seeded(t *testing.T, run func(t *testing.T, seed uint64)) {
	seeds := 8
	if testing.Short() {
		seeds = 4
	}
	if text := os.Getenv("CCOMET_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		run(t, seed)
		return
	}
	for range seeds {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) { run(t, seed) })
	}
}

// world is what the test knows of the server from outside.
type world struct {
	*harness
	rng        *rand.Rand
	note       string
	publishers []*publisher
	askers     []*asker
	clients    []*client
	published  int
	numbers    map[string]int32 // the number of each content, as the publisher was told
	seen       map[string]int32 // and as clients saw it
	got        map[string]int   // what happened, to see that the test tests
	closes     map[string]int   // how often each channel was asked to close
	closed     map[string]int   // and how often that was answered
	harsh      bool             // memory may be out, and connections lost: hurt says which
	hurt       map[*end]bool
	handOvers  bool // now and then another server goes on
}

type publisher struct {
	*end
	waiting []string // contents under way, and paths of what else it asked for
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		rng:     rand.New(rand.NewPCG(seed, 1)),
		note:    fmt.Sprintf("CCOMET_SEED=%d", seed),
		numbers: map[string]int32{}, seen: map[string]int32{}, got: map[string]int{}, closes: map[string]int{}, closed: map[string]int{},
		hurt: map[*end]bool{},
	}
	w.harness = newHarness(t, Config{Loops: 3, WSPublish: true, WSDeflate: true, WSRate: -1, ChannelBufferSize: 20, ChannelBufferBytes: 30000, MaxSubscribersPerChannel: 40, Inheritable: true})
	var names []string
	for i := range channels {
		names = append(names, channelName(i))
	}
	w.repeatable(w.rng, names)
	for _, s := range w.srv.shards {
		w.publishers = append(w.publishers, &publisher{end: w.connect(s, conn.Admin, 0)})
		w.askers = append(w.askers, &asker{})
	}
	return w
}

// repeatable removes chance from the server, so that a seed always gives the same test. The
// hash that determines the channels' homes cannot be set, so servers are made until it fits
// the seed.
func (h *harness) repeatable(rng *rand.Rand, channels []string) { repeatable(h.srv, rng, channels) }

func repeatable(srv *Server, rng *rand.Rand, channels []string) {
	for _, s := range srv.shards {
		*s.hub.Rng, *s.drain.Rng = record.Spread(rng.Uint64()|1), record.Spread(rng.Uint64()|1)
	}
	want := make([]uint8, len(channels))
	for i := range want {
		want[i] = uint8(rng.IntN(len(srv.shards)))
	}
	for i := 0; i < len(channels); i++ {
		if srv.homes.Of([]byte(channels[i])) != want[i] {
			srv.homes.Key = record.NewKey()
			i = -1
		}
	}
}

// channels is how many there are, so few that they are shared and fought over.
const channels = 6

func channelName(i int) string { return fmt.Sprintf("channel-%d", i) }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s: %s", w.note, fmt.Sprintf(format, args...))
}

func (w *world) run(steps int) {
	for step := range steps {
		w.step()
		for range w.rng.IntN(4) {
			w.turn(w.srv.shards[w.rng.IntN(len(w.srv.shards))])
		}
		w.hear()
		if step%20 == 0 {
			check(w.t, w.srv, false, w.note)
		}
		if w.handOvers && w.rng.IntN(40) == 0 {
			w.goOn()
		} else if w.handOvers && w.rng.IntN(20) == 0 {
			w.writeEarly()
		}
	}
	if w.failing != nil {
		w.failing(false)
	}
	for _, c := range w.clients {
		c.stopped = false
	}
	for range 40 { // a stuck reader is caught up with in several goes
		w.settle()
		w.hear()
	}
	check(w.t, w.srv, true, w.note)
	w.compare()
	for _, c := range w.clients {
		c.close()
	}
	w.settle()
	w.now = w.now.Add(time.Minute)
	w.settle()
	check(w.t, w.srv, true, w.note)
	for _, s := range w.srv.shards {
		if channels, _ := s.broker.Inside().Live(); s.hub.Subs.Live()+s.hub.Rosters.Live()+channels != 0 {
			w.fail("loop %d keeps %d subscribers, %d rosters, %d channels after all clients left", s.ID, s.hub.Subs.Live(), s.hub.Rosters.Live(), channels)
		}
	}
	w.t.Log(w.got)
}

func (w *world) step() {
	cname := channelName(w.rng.IntN(channels))
	switch p := w.rng.IntN(100); {
	case p < 8:
		w.publishBatch(1 + w.rng.IntN(1+w.rng.IntN(12)))
	case p < 35:
		w.publish(cname, 1+w.rng.IntN(1+w.rng.IntN(12)))
	case p < 57:
		w.subscribe()
	case p < 63:
		w.askHistory(cname)
	case p < 67 && len(w.clients) > 0:
		w.pick().close()
	case p < 77 && len(w.clients) > 0:
		c := w.pick()
		c.stopped, c.slow = true, true
	case p < 87 && len(w.clients) > 0:
		w.pick().stopped = false
	case p < 90:
		w.settle() // no loop is as slow as that
		w.hear()
		w.now = w.now.Add(time.Duration(w.rng.IntN(9000)) * time.Millisecond)
		if w.calm > 0 {
			w.settle() // nor is a request on its way when its connection has been idle for too long
		}
	case p < 91:
		w.closes[cname]++
		w.ask("/close?cname=" + cname)
	case p < 92:
		w.ask("/clear?cname=" + cname)
	case p < 94:
		w.published++
		w.ask(fmt.Sprintf("/broadcast?content=b%d", w.published))
	case p < 95:
		w.ask(fmt.Sprintf("/sign?cname=%s&expires=5", cname))
	case p < 97:
		w.ask(fmt.Sprintf("/explain?limit=%d&cname=%s", w.rng.IntN(6), cname))
	case p < 98:
		w.ask("/readyz")
	default:
		w.askSockets()
	}
}

func (w *world) pick() *client { return w.clients[w.rng.IntN(len(w.clients))] }

// ask does something on the admin side, for its effect.
func (w *world) ask(path string) {
	p := w.publisher()
	p.get(path)
	p.waiting = append(p.waiting, path)
}

// publisher returns a connection to publish on, a new one where the server has
// closed the old for idleness.
func (w *world) publisher() *publisher {
	i := w.rng.IntN(len(w.publishers))
	p := w.publishers[i]
	p.read()
	if p.ended {
		if w.acknowledge(p); len(p.waiting) > 0 && !w.hurt[p.end] {
			w.fail("a publisher was closed with %d requests unanswered", len(p.waiting))
		}
		p.close()
		p = &publisher{end: w.connect(w.shard(i), conn.Admin, 0)}
		w.publishers[i] = p
	}
	return p
}

// shard returns the loop with a number, which may exceed the present number of loops.
func (w *world) shard(i int) *shard { return w.srv.shards[i%len(w.srv.shards)] }

// publish pipelines a burst.
func (w *world) publish(cname string, burst int) {
	p := w.publisher()
	for range burst {
		w.published++
		content := fmt.Sprintf("%s.%d.%s", cname, w.published, strings.Repeat("x", w.rng.IntN(1+w.rng.IntN(3000))))
		p.get("/push?ack=1&cname=" + cname + "&content=" + content)
		p.waiting = append(p.waiting, content)
	}
}

func (w *world) subscribe() {
	s := w.srv.shards[w.rng.IntN(len(w.srv.shards))]
	c := &client{
		end: w.connect(s, conn.Front, 4608), w: w, shard: s,
		transport: []string{"stream", "sse", "poll", "ws"}[w.rng.IntN(4)],
		sayLost:   w.rng.IntN(2) == 0,
	}
	if c.transport == "ws" {
		c.ws = newRandomSocket(w.rng)
	}
	n := 1
	if w.rng.IntN(3) == 0 {
		n = 1 + w.rng.IntN(channels)
	}
	for _, i := range w.rng.Perm(channels)[:n] {
		p := &place{client: c, cname: channelName(i)}
		if w.rng.IntN(3) > 0 {
			p.next = int32(1 + w.rng.IntN(30))
		}
		c.places = append(c.places, p)
	}
	c.subscribe()
	w.clients = append(w.clients, c)
}

// hear takes what all clients have been sent.
func (w *world) hear() {
	for _, p := range w.publishers {
		w.acknowledge(p)
	}
	for _, a := range w.askers {
		w.hearHistory(a)
	}
	alive := w.clients[:0]
	for _, c := range w.clients {
		if c.fd < 0 || !c.stopped && !c.hear() {
			c.close()
			continue
		}
		alive = append(alive, c)
	}
	w.clients = alive
}

// checkPage checks the answer to an operator's question.
func (w *world) checkPage(path, head, body string) {
	switch {
	case path == "/readyz" && body != "ok":
		w.fail("%s: %s", path, body)
	case strings.HasPrefix(path, "/explain?") && strings.HasPrefix(head, "HTTP/1.1 200 "):
		w.got["explained"]++
		if e := parseExplained(w.t, body); len(e.listed()) > 5 || e.Kept != e.Next-e.Oldest {
			w.fail("%s: %s", path, body)
		}
	}
}

// acknowledge handles the answers to a publisher.
func (w *world) acknowledge(p *publisher) {
	p.read()
	for len(p.in) > 0 {
		text := string(p.in)
		head, rest, ok := strings.Cut(text, "\r\n\r\n")
		if !ok {
			return
		}
		_, length, _ := strings.Cut(head, "Content-Length: ")
		n, err := strconv.Atoi(strings.TrimSpace(length))
		if err != nil || len(p.waiting) == 0 {
			w.fail("answer %q: %v", text, err)
		}
		if len(rest) < n {
			return
		}
		p.in = p.in[len(head)+4+n:]
		content := p.waiting[0]
		p.waiting = p.waiting[1:]
		if strings.HasPrefix(content, "/") {
			if _, cname, ok := strings.Cut(content, "/close?cname="); ok {
				w.closed[cname]++
			}
			w.checkPage(content, head, rest[:n])
			continue
		}
		if batch, ok := strings.CutPrefix(content, batchWaits); ok {
			w.acknowledgeBatch(batch, rest[:n])
			continue
		}
		if w.harsh && strings.HasPrefix(head, "HTTP/1.1 503 ") {
			w.got["not published"]++
			continue
		}
		var seq int32
		if _, err := fmt.Sscanf(rest[:n], `{"type":"ok","seq":%d}`, &seq); err != nil {
			w.fail("answer %q: %v", rest[:n], err)
		}
		w.numbers[content] = seq
		w.got["published"]++
	}
}

// compare compares what clients received with what publishers were told and, at rest, every
// client's cursor with its channel.
func (w *world) compare() {
	for key, seq := range w.seen {
		_, content, _ := strings.Cut(key, " ")
		if told, ok := w.numbers[content]; ok && told != seq {
			w.fail("%.20q: number %d, its publisher was told %d", content, seq, told)
		}
	}
	var places []*place
	for _, c := range w.clients {
		places = append(places, c.places...)
	}
	for _, c := range places {
		if c.over {
			continue
		}
		ch := w.srv.home(c.cname).Channel(c.cname)
		if ch == nil {
			w.fail("%s of %s waits on a channel that is gone", c.transport, c.cname)
		}
		if c.passed() && c.polling {
			continue // what it asked for was cleared: the original protocol has it wait without a word
		}
		if c.next != ch.Next {
			w.fail("%s of %s is at %d, its channel at %d", c.transport, c.cname, c.next, ch.Next)
		}
	}
}
