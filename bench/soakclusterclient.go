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

// clusterClient is one that waits on a channel, at any node, and goes on at another.
type clusterClient struct {
	soak  *clusterSoak
	kind  string // stream, sse or poll
	place clusterPlace
	at    atomic.Int32 // its next number, for whom it is looked at
	leave atomic.Pointer[context.CancelFunc]
}

// run goes on until ctx ends.
func (c *clusterClient) run(ctx context.Context) {
	for ctx.Err() == nil {
		one, leave := context.WithCancel(ctx)
		c.leave.Store(&leave)
		c.connect(one)
		leave()
		_ = sleep(ctx, time.Duration(20+rand.IntN(300))*time.Millisecond)
	}
}

// connect makes one request, and reads what comes.
func (c *clusterClient) connect(ctx context.Context) {
	node := c.soak.nodes[rand.IntN(len(c.soak.nodes))]
	query := url.Values{"cname": {c.soak.channel(c.place.channel)}, "seq": {fmt.Sprint(c.place.next)}, "epoch": {c.place.epoch}, "lost": {"1"}}
	path := "/" + c.kind
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+node.front+path+"?"+query.Encode(), nil)
	if err != nil {
		c.soak.faults.fault("%v", err)
		return
	}
	resp, err := c.soak.client.Do(req)
	if err != nil {
		return // the node is not there
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != http.StatusServiceUnavailable {
			c.soak.faults.fault("%s: a subscription is answered %s", c.place.name, resp.Status)
		}
		return
	}
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		if c.kind == "sse" {
			var data bool
			if line, data = strings.CutPrefix(line, "data: "); !data {
				continue
			}
		}
		if line != "" {
			c.take(line)
		}
	}
}

// clusterObject is iComet's object.
type clusterObject struct {
	Type, Content, Epoch string
	Seq                  int32
}

// take takes a line of objects.
func (c *clusterClient) take(line string) {
	var list []clusterObject
	if strings.HasPrefix(line, "[") {
		if err := json.Unmarshal([]byte(line), &list); err != nil {
			return // it was cut
		}
	} else {
		list = make([]clusterObject, 1)
		if err := json.Unmarshal([]byte(line), &list[0]); err != nil {
			return
		}
	}
	j := c.soak.judge
	for _, o := range list {
		if o.Epoch != "" {
			c.place.epoch = o.Epoch
		}
		switch o.Type {
		case "data", "broadcast":
			j.message(&c.place, o.Seq, o.Content)
		case "lost":
			j.lost(&c.place, o.Seq)
		case "next_seq":
			if c.place.next == 0 {
				c.place.next = o.Seq
			} else if o.Seq != c.place.next {
				c.soak.faults.lost(1, "%s wants %d, and is told that %d is next", c.place.name, c.place.next, o.Seq)
				c.place.next = o.Seq
			}
		case "noop", "503":
		default:
			c.soak.faults.fault("%s gets %+v", c.place.name, o)
		}
	}
	c.at.Store(c.place.next)
}

// publish publishes at any node, steadily, until ctx ends.
func (s *clusterSoak) publish(ctx context.Context, rate float64) {
	for n := 0; ctx.Err() == nil; n++ {
		if s.calm.Load() {
			_ = sleep(ctx, 20*time.Millisecond)
			continue
		}
		s.under.Add(1)
		s.publishOne(rand.IntN(len(s.judge.channels)), rand.IntN(len(s.nodes)))
		s.under.Add(-1)
		_ = sleep(ctx, time.Duration(rand.ExpFloat64()/rate*float64(time.Second)))
	}
}

// publishOne publishes, and says whether it was answered with a number.
func (s *clusterSoak) publishOne(channel, node int) (number int32, ok bool) {
	content := fmt.Sprintf("%08x-%d-%s", s.number.Add(1), channel, strings.Repeat("x", rand.IntN(300)))
	s.judge.publishing(channel, content)
	resp, err := s.client.PostForm("http://"+s.nodes[node].admin+"/push?ack=1", url.Values{"cname": {s.channel(channel)}, "content": {content}})
	if err != nil {
		s.judge.count(&s.judge.unknown)
		return 0, false
	}
	defer resp.Body.Close()
	var answer struct{ Seq int32 }
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		s.judge.count(&s.judge.unknown)
	case resp.StatusCode == http.StatusServiceUnavailable:
		if resp.Header.Get("Retry-After") == "" {
			s.faults.fault("a publish is answered 503 without Retry-After: %.100q", body)
		}
		s.judge.count(&s.judge.refused)
	case resp.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil || answer.Seq == 0:
		s.faults.fault("a publish is answered %s, %.100q", resp.Status, body)
	default:
		s.judge.numbered(channel, answer.Seq, content, "its publisher")
		s.judge.count(&s.judge.published)
		return answer.Seq, true
	}
	return 0, false
}
