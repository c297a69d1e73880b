package client

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"ccomet/comet"
)

// If a server accepts connections but refuses each because there are too many, the client
// reconnects more and more rarely.
func TestSubscriberIsTooMany(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "Text/Event-Stream; charset=utf-8")
		fmt.Fprint(w, "data: {\"type\":\"429\",\"cname\":\"a\",\"seq\":0,\"content\":\"Too many subscribers\"}\n\n")
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tries := 0
	sub := Subscriber{URL: srv.URL, Channels: []Channel{{Name: "a"}}, Transport: Events, MinWait: time.Millisecond, MaxWait: time.Second}
	sub.Retrying = func(err error, wait time.Duration) {
		if !strings.Contains(err.Error(), "Too many subscribers") {
			t.Error(err)
		}
		if tries++; wait > 16*time.Millisecond || tries == 20 {
			cancel()
		}
	}
	for range sub.All(ctx) {
	}
	if tries > 10 {
		t.Errorf("it has tried %d times, and waits no longer", tries)
	}
}

// If requests use a proxy, a WebSocket would bypass it, and perhaps not reach the server.
func TestSubscriberByProxy(t *testing.T) {
	s := newServer(t, comet.Config{})
	s.publish("a", "1")
	front, _ := url.Parse(s.front)
	proxy := httptest.NewServer(&httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		if r.In.URL.Host != "front.invalid" {
			t.Errorf("the proxy is asked for %s", r.In.URL)
		}
		r.SetURL(front)
	}})
	defer proxy.CloseClientConnections()
	by, _ := url.Parse(proxy.URL)
	sub := s.subscriber(Auto, Channel{Name: "a", From: Place{Next: 1}})
	sub.URL, sub.Client = "http://front.invalid", &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(by)}}
	sub.Retrying = func(err error, _ time.Duration) { t.Error(err) }
	if err := receive(t, sub, func(e Event) bool { return e.Content == "1" }); err != nil {
		t.Error(err)
	}
}
