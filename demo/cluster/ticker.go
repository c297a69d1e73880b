package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// channel is the channel to which the page subscribes.
const channel = "cluster"

// ticker publishes at one node after the other, so that the page has messages to show.
type ticker struct {
	mu                 sync.Mutex
	published, refused int64
	last               string
}

// period is the interval between two publishes.
const period = 500 * time.Millisecond

func (t *ticker) run(ctx context.Context, nodes []*node) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := nodes[n%len(nodes)]
		if !at.runs() {
			continue // a stopped node is not used
		}
		go func() { // a node that does not answer must not delay the others
			status, text := at.push(fmt.Sprintf("tick %d, published at %s", n, at.name))
			t.mu.Lock()
			defer t.mu.Unlock()
			if status == http.StatusOK {
				t.published++
			} else {
				t.refused++
				t.last = fmt.Sprintf("%s: %d %s", at.name, status, strings.TrimSpace(text))
			}
		}()
	}
}

func (t *ticker) counts() (published, refused int64, last string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.published, t.refused, t.last
}

// push publishes at a node, and returns its answer, or status 502 if there is none.
func (n *node) push(content string) (status int, text string) {
	resp, err := client.PostForm("http://"+n.admin+"/push?ack=1&cname="+channel, url.Values{"content": {content}})
	if err != nil {
		return http.StatusBadGateway, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return resp.StatusCode, string(body)
}
