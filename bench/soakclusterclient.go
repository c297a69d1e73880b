package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// clusterClient is a client that waits on channels at a random node, and then continues at another.
type clusterClient struct {
	soak   *clusterSoak
	is     string // its name in texts
	name   string // the same, with the present node
	kind   clusterKind
	places []*clusterPlace
	tag    string // the ETag of the last history
	leave  atomic.Pointer[context.CancelFunc]
}

// clusterKind is a way to receive. connect receives from a node until the connection ends.
type clusterKind struct {
	name    string
	connect func(c *clusterClient, ctx context.Context, node *server)
}

var clusterKinds = [...]clusterKind{
	{"stream", (*clusterClient).request}, {"sse", (*clusterClient).request}, {"ws", (*clusterClient).socket}, {"sub", (*clusterClient).request},
	{"poll", (*clusterClient).request}, {"history", (*clusterClient).history}, {"Go client's WebSocket", (*clusterClient).goClient}, {"Go client's events", (*clusterClient).goClient},
}

// clusterClientChannels is the most channels of a client.
const clusterClientChannels = 4

func (s *clusterSoak) newClient(i int) *clusterClient {
	c := &clusterClient{soak: s, kind: clusterKinds[i%len(clusterKinds)]}
	c.is = fmt.Sprintf("client %d (%s)", i, c.kind.name)
	channels := []int{(i + i/24) % soakClusterChannels} // 24, so that kinds and channels combine differently each time
	if i%3 == 0 && c.kind.name != "history" {
		channels = s.random.Perm(soakClusterChannels)[:1+s.random.IntN(clusterClientChannels)]
	}
	for _, channel := range channels {
		c.places = append(c.places, &clusterPlace{channel: channel})
	}
	return c
}

// run connects the client to random nodes until ctx ends.
func (c *clusterClient) run(ctx context.Context) {
	for ctx.Err() == nil {
		one, leave := context.WithCancel(ctx)
		c.leave.Store(&leave)
		node := rand.IntN(len(c.soak.nodes))
		c.name = fmt.Sprintf("%s at node %d", c.is, node+1)
		c.kind.connect(c, one, c.soak.nodes[node])
		leave()
		_ = sleep(ctx, time.Duration(20+rand.IntN(300))*time.Millisecond)
	}
}

// query returns the query with the client's channels and its position in each.
func (c *clusterClient) query() string {
	var b strings.Builder
	for _, p := range c.places {
		p.left = false
		fmt.Fprintf(&b, "cname=%s&seq=%d&epoch=%s&", c.soak.channel(p.channel), p.next, url.QueryEscape(p.epoch))
	}
	return b.String() + "lost=1"
}

// get sends a request. It returns the response only if its status is 200.
func (c *clusterClient) get(ctx context.Context, target string) *http.Response {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target, nil)
	if err != nil {
		c.soak.faults.fault("%v", err)
		return nil
	}
	if c.tag != "" {
		req.Header.Set("If-None-Match", c.tag)
	}
	resp, err := c.soak.client.Do(req)
	if err != nil {
		return nil // the node is not running
	}
	if resp.StatusCode == http.StatusOK {
		return resp
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	switch resp.StatusCode {
	case http.StatusServiceUnavailable:
		if resp.Header.Get("Retry-After") == "" {
			c.soak.faults.fault("%s: a subscription is answered 503 without Retry-After: %.100q", c.name, text)
		}
	case http.StatusNotModified:
	default:
		c.soak.faults.fault("%s: a subscription is answered %s: %.200q", c.name, resp.Status, text)
	}
	return nil
}

// request sends one request, and reads the response.
func (c *clusterClient) request(ctx context.Context, node *server) {
	resp := c.get(ctx, node.front+"/"+c.kind.name+"?"+c.query())
	if resp == nil {
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		if c.kind.name == "sse" {
			var data bool
			if line, data = strings.CutPrefix(line, "data: "); !data {
				continue
			}
		}
		if line != "" {
			c.take([]byte(line))
		}
	}
}

// history requests a channel's history from the client's position.
func (c *clusterClient) history(ctx context.Context, node *server) {
	limit := 1 + rand.IntN(200)
	if c.places[0].next == 0 {
		limit = 0
	}
	resp := c.get(ctx, node.front+"/history?"+c.query()+fmt.Sprintf("&limit=%d", limit))
	if resp == nil {
		return
	}
	defer resp.Body.Close()
	var past struct {
		First, Next int32
		Lost        bool
		Epoch       string
		Messages    []clusterObject
	}
	if err := json.NewDecoder(resp.Body).Decode(&past); err != nil {
		return // the connection was cut
	}
	j, p := c.soak.judge, c.places[0]
	anew := p.epoch != past.Epoch
	p.epoch = past.Epoch
	if p.next == 0 {
		j.moved(p, c.name, past.Next)
	} else if past.Lost {
		j.lost(p, c.name, past.First, anew)
	}
	for n := range past.Messages {
		j.message(p, c.name, past.Messages[n].Seq, past.Messages[n].Content)
	}
	if c.tag = ""; p.next == past.Next {
		c.tag = resp.Header.Get("ETag")
	} else if len(past.Messages) < limit && len(past.Messages) == 0 {
		c.soak.faults.lost(1, "channel %d: %s wants %d, and is told nothing but that %d is next", p.channel, c.name, p.next, past.Next)
		p.next = past.Next
	}
	p.at.Store(p.next)
}

// clusterObject is an iComet object.
type clusterObject struct {
	Type, Cname, Content, Epoch string
	Seq                         int32
	ID                          int
}

// take reads an object, or a list of them. It ignores malformed text, which was cut.
func (c *clusterClient) take(text []byte) {
	list := make([]clusterObject, 1)
	var err error
	if text[0] == '[' {
		err = json.Unmarshal(text, &list)
	} else {
		err = json.Unmarshal(text, &list[0])
	}
	for n := range list {
		if err == nil {
			c.object(&list[n])
		}
	}
}

// place returns the client's place in the channel with that name, or nil.
func (c *clusterClient) place(name string) *clusterPlace {
	for _, p := range c.places {
		if c.soak.channel(p.channel) == name {
			return p
		}
	}
	return nil
}

// object handles an object.
func (c *clusterClient) object(o *clusterObject) {
	j, p := c.soak.judge, c.place(o.Cname)
	switch o.Type {
	case "noop", "503", "retry", "pong":
		return
	case "data", "broadcast", "lost", "next_seq", "close":
		if p != nil {
			break
		}
		fallthrough
	default:
		c.soak.faults.fault("%s gets %+v", c.name, *o)
		return
	}
	anew := false
	if o.Epoch != "" {
		if anew = p.epoch != "" && p.epoch != o.Epoch; anew && !j.channels[p.channel].closable {
			c.soak.faults.fault("channel %d: %s is told of epoch %s, after %s, with %+v", p.channel, c.name, o.Epoch, p.epoch, *o)
		}
		p.epoch = o.Epoch
	}
	switch o.Type {
	case "data", "broadcast":
		j.message(p, c.name, o.Seq, o.Content)
	case "lost":
		j.lost(p, c.name, o.Seq, anew)
	case "next_seq":
		j.moved(p, c.name, o.Seq)
	case "close":
		j.closes(p, c.name, o.Seq)
		(*c.leave.Load())() // the client then reconnects
	}
	p.at.Store(p.next)
}
