package main

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	goclient "ccomet/comet/client"
)

// TestNginxGoClient: the Go client through nginx as configured for users, with and without TLS,
// with each of its transports, also if the requests beside a WebSocket use HTTP/2. An nginx
// with a timeout of 3 seconds cuts a silent connection: the client reconnects, and gets each
// message once and in order.
func TestNginxGoClient(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--polling-timeout 40", "proxy_read_timeout 60s", "proxy_read_timeout 3s")
	for _, w := range x.ways() {
		for transport, name := range map[goclient.Transport]string{goclient.Auto: "auto", goclient.WebSocket: "websocket", goclient.Events: "events"} {
			cname := name + itoa(w.major) + w.url[:5]
			t.Run(w.name+", "+name, func(t *testing.T) {
				t.Parallel()
				subscribed(t, p, w, transport, cname)
			})
		}
	}
}

// subscribed receives messages published before a client connects, while it is connected, and
// while it is disconnected.
func subscribed(t *testing.T, p *process, w way, transport goclient.Transport, cname string) {
	ctx, cancel := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	defer publishing.Wait()
	defer cancel()
	publisher := goclient.Publisher{URL: "http://" + p.admin}
	publish := func(content string, seq int32) {
		// The message may end the test before its answer arrives.
		if got, err := publisher.Publish(t.Context(), cname, content); err != nil || got != seq {
			t.Errorf("%s is published as %d, %v", content, got, err)
		}
	}
	publish("0", 1)
	cut := make(chan struct{}, 1)
	s := goclient.Subscriber{
		URL: w.url, Client: &http.Client{Transport: w.client.Transport}, Transport: transport, MinWait: time.Millisecond, MaxWait: 100 * time.Millisecond,
		Channels: []goclient.Channel{{Name: cname, From: goclient.Place{Next: 1}}},
		Retrying: func(error, time.Duration) {
			select {
			case cut <- struct{}{}:
			default:
			}
		},
	}
	n := int32(0)
	for event, err := range s.All(ctx) {
		if n++; err != nil || event.Kind != goclient.Data || event.Channel != cname || event.Seq != n || event.Content != itoa(int(n-1)) {
			t.Fatalf("event %d: %+v, %v", n, event, err)
		}
		switch n {
		case 1:
			publishing.Go(func() {
				publish("1", 2)
				publish("2", 3)
				select {
				case <-cut:
					publish("3", 4)
				case <-ctx.Done():
				}
			})
		case 4:
			return
		}
	}
}
