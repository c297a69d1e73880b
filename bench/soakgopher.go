package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	goclient "ccomet/comet/client"
)

// soakGopher is a client with its own goroutine, outside the crowd's loop. It uses the Go
// client (comet/client), or requests histories from time to time. It posts what it receives to
// the crowd, which judges it like all other clients.
//
// It runs from the start of a server until its end, and continues at its positions with the
// next server.
type soakGopher struct {
	as      soakClient // its positions, and its name in faults
	run     func(g *soakGopher, ctx context.Context)
	epochs  []string // of its channels, as it was last told
	next    []int32  // its positions, for its goroutine's use while that runs
	cancel  context.CancelFunc
	running bool

	address string
	index   int
	crowd   *soakCrowd
}

// soakHeard is an event that a gopher posts.
type soakHeard struct {
	gopher int
	want   int
	kind   string // type of an iComet message; "": the goroutine has ended
	seq    int32
	text   string
}

// newGophers makes n gophers of all kinds. It returns the number of their channels, counted for
// each gopher.
func (c *soakCrowd) newGophers(n int, names []string) (places int) {
	for i := range n {
		g := &soakGopher{index: i, crowd: c, address: "http://" + c.front, as: soakClient{goroutine: "Go client's WebSocket"}, run: subscribe(goclient.WebSocket)}
		wants := 1 + c.random.IntN(3)
		switch i % 3 {
		case 1:
			g.as.goroutine, g.run = "Go client's event stream", subscribe(goclient.Events)
		case 2:
			g.as.goroutine, g.run = "short-polling", (*soakGopher).askAgain
			wants = 1
		}
		for _, channel := range c.random.Perm(len(names))[:min(wants, len(names))] {
			g.as.wants = append(g.as.wants, soakWant{channel: uint32(channel)})
		}
		g.epochs, g.next = make([]string, len(g.as.wants)), make([]int32, len(g.as.wants))
		if i%3 != 2 {
			places += len(g.as.wants)
		}
		c.gophers = append(c.gophers, g)
	}
	return places
}

// startGophers starts all gophers after a server has started.
func (c *soakCrowd) startGophers() {
	for _, g := range c.gophers {
		ctx, cancel := context.WithCancel(context.Background())
		g.cancel, g.running = cancel, true
		for i := range g.as.wants {
			w := &g.as.wants[i]
			w.asked, w.fresh = c.judge.channels[w.channel].top, true
		}
		go func() {
			g.run(g, ctx)
			g.post(0, "", 0, "")
		}()
	}
}

// stopGophers makes all gophers end.
func (c *soakCrowd) stopGophers() {
	for _, g := range c.gophers {
		if g.running {
			g.cancel()
		}
	}
}

func (c *soakCrowd) gophersRun() bool {
	for _, g := range c.gophers {
		if g.running {
			return true
		}
	}
	return false
}

func (g *soakGopher) post(want int, kind string, seq int32, text string) {
	g.crowd.mail.Post(soakOrder{kind: orderHeard, heard: soakHeard{g.index, want, kind, seq, text}})
}

// heard handles an event of a gopher.
func (c *soakCrowd) heard(h *soakHeard) {
	g := c.gophers[h.gopher]
	w := &g.as.wants[h.want]
	object := soakObject{kind: []byte(h.kind), cname: []byte(c.name(w.channel)), content: []byte(h.text), seq: h.seq}
	switch h.kind {
	case "":
		g.running = false
	case "data", "broadcast":
		if w.next == 0 { // the Go client reports its position only with the first message
			w.next = h.seq
		}
		c.message(&g.as, w, &object)
	case "lost":
		c.told(&g.as, w, &object)
	case "next_seq":
		c.moved(&g.as, w, h.seq)
	default:
		c.faults.damaged("%s: a %s client hears %s: %.200s", c.name(w.channel), &g.as, h.kind, h.text)
	}
	w.fresh = false
}

// subscribe returns the function of a gopher that uses the Go client.
func subscribe(transport goclient.Transport) func(*soakGopher, context.Context) {
	return func(g *soakGopher, ctx context.Context) {
		s := goclient.Subscriber{URL: g.address, Transport: transport, MinWait: 50 * time.Millisecond, MaxWait: time.Second}
		wants := map[string]int{}
		for i, w := range g.as.wants {
			name := g.crowd.name(w.channel)
			wants[name] = i
			s.Channels = append(s.Channels, goclient.Channel{Name: name, From: goclient.Place{Next: g.next[i], Epoch: g.epochs[i]}})
		}
		for event, err := range s.All(ctx) {
			if err != nil {
				if ctx.Err() == nil {
					g.post(0, "an error", 0, err.Error())
				}
				return
			}
			want := wants[event.Channel]
			switch kind := event.Kind; {
			case kind == goclient.Lost && event.Unknown:
				g.post(want, "another life", event.Seq, fmt.Sprint(event.First))
			case kind == goclient.Lost:
				g.post(want, "lost", event.Seq, fmt.Sprintf("%d-%d", event.First, event.Last))
			default:
				g.post(want, kind.String(), event.Seq, event.Content)
			}
			g.next[want], g.epochs[want] = event.Place.Next, event.Place.Epoch
		}
	}
}

// soakPast is a response of /history.
type soakPast struct {
	First, Next int32
	Lost        bool
	Epoch       string
	Messages    []struct {
		Type, Content string
		Seq           int32
	}
}

// askAgain requests a channel's history, from time to time.
func (g *soakGopher) askAgain(ctx context.Context) {
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	asks := http.Client{Transport: transport, Timeout: hangTimeout}
	tag := ""
	for ctx.Err() == nil {
		if err := g.askOnce(ctx, &asks, &tag); err != nil && ctx.Err() == nil {
			g.post(0, "an error", 0, err.Error())
		}
		_ = sleep(ctx, time.Duration(rand.IntN(600))*time.Millisecond)
	}
}

// askOnce requests new messages. The first request only asks for the channel's position.
func (g *soakGopher) askOnce(ctx context.Context, asks *http.Client, tag *string) error {
	query := url.Values{"cname": {g.crowd.name(g.as.wants[0].channel)}, "epoch": {g.epochs[0]}, "limit": {"0"}}
	if g.next[0] != 0 {
		query.Set("seq", fmt.Sprint(g.next[0]))
		query.Set("limit", fmt.Sprint(1+rand.IntN(200)))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.address+"/history?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if *tag != "" {
		req.Header.Set("If-None-Match", *tag)
	}
	resp, err := asks.Do(req)
	if err != nil {
		return nil // the server has ended, or accepts no connection
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case 200:
	case 304, 429, 503:
		return nil
	default:
		return fmt.Errorf("/history is answered %s", resp.Status)
	}
	var p soakPast
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		if _, ok := errors.AsType[*json.SyntaxError](err); ok {
			return fmt.Errorf("/history is answered what is no JSON: %w", err)
		}
		return nil // the connection was cut
	}
	if g.next[0] == 0 {
		g.post(0, "next_seq", p.Next, "")
		g.next[0], g.epochs[0] = p.Next, p.Epoch
		return nil
	}
	if p.Lost {
		g.post(0, "lost", p.First, fmt.Sprintf("%d-%d", g.next[0], p.First-1))
		g.next[0] = p.First
	}
	for _, m := range p.Messages {
		g.post(0, m.Type, m.Seq, m.Content)
		g.next[0] = m.Seq + 1
	}
	if *tag = ""; g.next[0] == p.Next {
		*tag = resp.Header.Get("ETag")
	}
	g.epochs[0] = p.Epoch
	return nil
}
