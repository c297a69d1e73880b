package client

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// If the server refuses one of several channels for now, the others continue on their connection. All are
// requested again after a wait that grows, and nothing of the others is lost or comes twice.
func TestSubscriberSetsAside(t *testing.T) {
	everyTransport(t, func(t *testing.T, transport Transport) {
		const most = 8 // leaves room on channel open for connections whose end the server has not seen
		s := newServer(t, comet.Config{MaxSubscribersPerChannel: most})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.publish("full", "0")
		there, others := make(chan bool), sync.WaitGroup{}
		for range most {
			others.Go(func() {
				for range s.subscriber(transport, Channel{Name: "full", From: Place{Next: 1}}).All(ctx) {
					if ctx.Err() == nil {
						there <- true
					}
				}
			})
			<-there
		}
		s.publish("open", "0")
		sub := s.subscriber(transport, Channel{Name: "full", From: Place{Next: 1}}, Channel{Name: "open", From: Place{Next: 1}})
		sub.MinWait, sub.MaxWait = 2*time.Millisecond, time.Second
		var waits []time.Duration
		sub.Retrying = func(err error, wait time.Duration) {
			if err.Error() != `channel "full": the server answers 429: Too many subscribers` {
				t.Error(err)
			}
			waits = append(waits, wait)
			s.publish("open", strconv.Itoa(len(waits)))
			if len(waits) == 4 {
				cancel()
			}
		}
		var got []string
		err := receive(t, sub, func(e Event) bool {
			got = append(got, e.Channel+e.Content)
			return e.Channel == "full"
		})
		others.Wait()
		if err != nil || len(waits) < 4 || waits[3] < 160*time.Millisecond || waits[3] > 320*time.Millisecond {
			t.Errorf("%v, it waits %v", err, waits)
		}
		for n := range len(waits) + 1 {
			if at := slices.Index(got, "open"+strconv.Itoa(n)); at < 0 && n < len(waits) || at >= 0 && at != n {
				t.Errorf("message %d: %q", n, got)
			}
		}
	})
}

// A URL may have a user, a path and a query: all requests have them.
func TestURLOfAProxy(t *testing.T) {
	everyTransport(t, func(t *testing.T, transport Transport) {
		s := newServer(t, comet.Config{})
		behind := func(side string) string {
			to, _ := url.Parse(side)
			on := http.StripPrefix("/my comet", &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				user, password, _ := r.BasicAuth()
				if user != "me" || password != "p:w" || r.FormValue("key") != "k" {
					t.Errorf("%s is asked for by %q", r.URL, user)
				}
				on.ServeHTTP(w, r)
			}))
			t.Cleanup(proxy.Close)
			t.Cleanup(proxy.CloseClientConnections)
			return strings.Replace(proxy.URL, "http://", "http://me:p%3Aw@", 1) + "/my%20comet/?key=k"
		}
		publisher := Publisher{URL: behind(s.pub.URL)}
		if n, err := publisher.Publish(t.Context(), "a", "x"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		sub := s.subscriber(transport, Channel{Name: "a", From: Place{Next: 1}})
		sub.URL = behind(s.front)
		sub.Retrying = func(err error, _ time.Duration) { t.Error(err) }
		if err := receive(t, sub, func(e Event) bool { return e.Content == "x" }); err != nil {
			t.Error(err)
		}
	})
}

// The wait for a channel that is refused grows, and is short again when something has come from the channel.
func TestAside(t *testing.T) {
	var waits []time.Duration
	sub := Subscriber{URL: "http://front", Channels: []Channel{{Name: "a"}, {Name: "b"}}, MinWait: time.Minute, MaxWait: 10 * time.Hour}
	sub.Retrying = func(_ error, wait time.Duration) { waits = append(waits, wait) }
	r, err := sub.receiver(func(Event, error) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		r.aside.begin(r, func(error) {})
		if r.requested() != 2 {
			t.Fatalf("connection %d is for %d channels", n, r.requested())
		}
		if n == 3 {
			if err := r.take([]byte(`{"type":"data","cname":"a","seq":1,"content":"x"}`)); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.take([]byte(`{"type":"429","cname":"a","seq":0,"content":"Too many subscribers"}`)); err != nil || r.requested() != 1 {
			t.Fatal(err, r.requested())
		}
		r.aside.stop()
		r.aside.until = time.Now()
	}
	for n, most := range []time.Duration{20, 40, 80, 20} {
		if most *= time.Minute; waits[n] < most/2 || waits[n] > most {
			t.Errorf("the waits are %v", waits)
			break
		}
	}
}
