package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ccomet/comet"
)

// hangTimeout is the time after which a hanging test fails.
const hangTimeout = 3 * time.Minute

// everyTransport runs a test with each transport.
func everyTransport(t *testing.T, run func(t *testing.T, transport Transport)) {
	for name, transport := range map[string]Transport{"WebSocket": WebSocket, "Events": Events} {
		t.Run(name, func(t *testing.T) { t.Parallel(); run(t, transport) })
	}
}

func (s *server) subscriber(transport Transport, channels ...Channel) *Subscriber {
	return &Subscriber{URL: s.front, Channels: channels, Transport: transport, MinWait: time.Millisecond, MaxWait: 20 * time.Millisecond}
}

// receive ranges over events until the last one.
func receive(t *testing.T, s *Subscriber, last func(Event) bool) (err error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), hangTimeout, errors.New("it hangs"))
	defer cancel()
	for event, err := range s.All(ctx) {
		if err != nil {
			return err
		}
		if last(event) {
			return nil
		}
	}
	t.Fatal("it ended without an error")
	return nil
}

// A subscriber that is cut repeatedly receives all messages of all its channels, each once and
// in order. It is cut in the middle of some messages, which may already have arrived, and after
// it has received everything: later messages can then only arrive on another connection.
func TestSubscriberIsCut(t *testing.T) {
	everyTransport(t, func(t *testing.T, transport Transport) {
		const rounds, each = 8, 40
		s := newServer(t, comet.Config{ChannelBufferSize: rounds * each})
		names := []string{"a", "b é&\"", "c"}
		var channels []Channel
		for _, name := range names {
			channels = append(channels, Channel{Name: name, From: Place{Next: 1}})
		}
		var sending sync.WaitGroup
		send := func(round int) {
			for _, name := range names {
				sending.Go(func() {
					for n := range each {
						s.publish(name, fmt.Sprint(round*each+n))
					}
				})
			}
		}
		send(0)
		next, got := map[string]int{}, 0
		sub := s.subscriber(transport, channels...)
		err := receive(t, sub, func(e Event) bool {
			if e.Kind != Data || e.Content != fmt.Sprint(next[e.Channel]) || int(e.Seq) != next[e.Channel]+1 || e.Place.Next != e.Seq+1 || len(e.Place.Epoch) < 4 {
				t.Fatalf("%+v, want number %d", e, next[e.Channel])
			}
			next[e.Channel]++
			got++
			if got%each == 0 {
				s.way.cut()
			}
			if of := len(names) * each; got%of == 0 && got < rounds*of {
				send(got / of)
			}
			return got == rounds*len(names)*each
		})
		sending.Wait()
		if err != nil {
			t.Fatal(err)
		}
		s.way.mutex.Lock()
		defer s.way.mutex.Unlock()
		if s.way.came < rounds {
			t.Errorf("it connected %d times", s.way.came)
		}
	})
}

// Lost messages are reported, with their numbers or as unknown.
func TestSubscriberLoses(t *testing.T) {
	everyTransport(t, func(t *testing.T, transport Transport) {
		s := newServer(t, comet.Config{ChannelBufferSize: 2})
		s.publish("a", "1", "2", "3", "4", "5")
		step := 0
		var epoch string
		err := receive(t, s.subscriber(transport, Channel{Name: "a", From: Place{Next: 2}}), func(e Event) bool {
			step++
			switch step {
			case 1:
				if e.Kind != Lost || e.First != 2 || e.Last != 3 || e.Unknown || e.Seq != 4 || e.Place.Next != 4 {
					t.Errorf("%+v", e)
				}
			case 3:
				if e.Content != "5" {
					t.Errorf("%+v", e)
				}
				epoch = e.Place.Epoch
			}
			return step == 3
		})
		if err != nil {
			t.Fatal(err)
		}
		s.admin("/close?cname=a")
		s.publish("a", "anew")
		step = 0
		err = receive(t, s.subscriber(transport, Channel{Name: "a", From: Place{Next: 6, Epoch: epoch}}), func(e Event) bool {
			if step++; step == 1 && (e.Kind != Lost || e.First != 6 || !e.Unknown || e.Seq != 1) || step == 2 && (e.Content != "anew" || e.Seq != 1 || e.Place.Epoch == epoch) {
				t.Errorf("%+v", e)
			}
			return step == 2
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A channel that is closed or refused is reported, and the last one ends the subscription.
func TestSubscriberIsOver(t *testing.T) {
	everyTransport(t, func(t *testing.T, transport Transport) {
		s := newServer(t, comet.Config{Auth: comet.AuthToken})
		_, token, _ := strings.Cut(s.admin("/sign?cname=a"), `"token":"`)
		token, _, _ = strings.Cut(token, `"`)
		s.publish("a", "x")
		kinds := map[string]Kind{}
		err := receive(t, s.subscriber(transport, Channel{Name: "a", Token: token, From: Place{Next: 1}}, Channel{Name: "b", Token: token}), func(e Event) bool {
			kinds[e.Channel] = e.Kind
			if e.Channel == "b" && e.Content != "Token error" {
				t.Errorf("%+v", e)
			}
			if len(kinds) == 2 && kinds["a"] == Data {
				s.admin("/close?cname=a")
			}
			return false
		})
		if !errors.Is(err, ErrOver) || kinds["a"] != Closed || kinds["b"] != Refused {
			t.Errorf("%v, %v", kinds, err)
		}
	})
}

// If the network path does not support WebSockets, events are used.
func TestSubscriberWithoutWebSockets(t *testing.T) {
	s := newServer(t, comet.Config{})
	to, _ := url.Parse("http://" + s.FrontAddrs()[0])
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	for name, deny := range map[string]http.HandlerFunc{
		"it answers 400":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) },
		"it answers 404":   http.NotFound,
		"it cuts":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"it hides upgrade": func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Upgrade"); proxy.ServeHTTP(w, r) },
	} {
		t.Run(name, func(t *testing.T) {
			var (
				mutex sync.Mutex
				paths []string
			)
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mutex.Lock()
				paths = append(paths, r.URL.Path)
				mutex.Unlock()
				r.URL.Path = strings.TrimPrefix(r.URL.Path, "/comet")
				if r.URL.Path == "/ws" {
					deny(w, r)
					return
				}
				proxy.ServeHTTP(w, r)
			}))
			defer web.Close()
			s.publish("a", "x")
			sub := s.subscriber(Auto, Channel{Name: "a", From: Place{Next: 1}})
			sub.URL, sub.Header = web.URL+"/comet/", http.Header{"X-Mine": {"yes"}}
			if err := receive(t, sub, func(e Event) bool { return e.Content == "x" }); err != nil {
				t.Fatal(err)
			}
			mutex.Lock()
			defer mutex.Unlock()
			if len(paths) < 2 || paths[0] != "/comet/ws" || paths[len(paths)-1] != "/comet/sse" {
				t.Errorf("it asked for %q", paths)
			}
		})
	}
}

// The answers of a proxy while its server restarts do not mean that WebSockets are not
// supported.
func TestSubscriberWhileRestarting(t *testing.T) {
	for _, down := range []int{1, 2, 3, 4, 5, 6} {
		s := newServer(t, comet.Config{})
		to, _ := url.Parse("http://" + s.FrontAddrs()[0])
		proxy := httputil.NewSingleHostReverseProxy(to)
		var last atomic.Value
		var asked atomic.Int32
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if int(asked.Add(1)) <= down {
				w.WriteHeader(502)
				return
			}
			last.Store(r.URL.Path)
			proxy.ServeHTTP(w, r)
		}))
		s.publish("a", "x")
		sub := s.subscriber(Auto, Channel{Name: "a", From: Place{Next: 1}})
		sub.URL = web.URL
		if err := receive(t, sub, func(e Event) bool { return e.Content == "x" }); err != nil {
			t.Fatal(err)
		}
		// An event stream is requested directly after a WebSocket, so it may be the first that
		// works.
		if down%2 == 1 && last.Load() != "/ws" {
			t.Errorf("after %d times of 502 it receives by %v", down, last.Load())
		}
		web.CloseClientConnections()
		web.Close()
	}
}

// If the server sets a delay, the client reconnects after that delay, and not earlier.
func TestSubscriberWaits(t *testing.T) {
	for name, transport := range map[string]Transport{"WebSocket": WebSocket, "Events": Events} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(503)
			}))
			defer web.Close()
			ctx, cancel := context.WithCancel(t.Context())
			var waited time.Duration
			sub := Subscriber{URL: web.URL, Channels: []Channel{{Name: "a"}}, Transport: transport, Retrying: func(_ error, wait time.Duration) { waited = wait; cancel() }}
			for _, err := range sub.All(ctx) {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
			if waited < 7*time.Second || waited > 11*time.Second {
				t.Errorf("it waits %v", waited)
			}
		})
	}
	b := backoff{least: 100 * time.Millisecond, most: 2 * time.Second}
	for n, most := range []time.Duration{100, 200, 400, 800, 1600, 2000, 2000} {
		if wait, most := b.next(0), most*time.Millisecond; wait < most/2 || wait > most {
			t.Errorf("the %dth wait is %v", n, wait)
		}
	}
}

// A silent connection is given up, even if it stays open.
func TestSubscriberSilence(t *testing.T) {
	everyTransport(t, func(t *testing.T, transport Transport) {
		s := newServer(t, comet.Config{})
		s.publish("a", "x")
		sub := s.subscriber(transport, Channel{Name: "a", From: Place{Next: 1}})
		sub.Silence = 300 * time.Millisecond
		var why error
		sub.Retrying = func(err error, _ time.Duration) {
			if errors.Is(err, errSilence) {
				why = err
				s.publish("a", "y")
			}
		}
		if err := receive(t, sub, func(e Event) bool { return e.Content == "y" }); err != nil || why == nil {
			t.Errorf("%v, %v", err, why)
		}
	})
}

// Invalid settings are reported at once.
func TestSubscriberRefuses(t *testing.T) {
	s := newServer(t, comet.Config{})
	admin := "http://" + s.AdminAddrs()[0]
	for _, r := range []struct {
		sub  Subscriber
		want string
	}{
		{Subscriber{URL: "127.0.0.1:8100", Channels: []Channel{{Name: "a"}}}, "want http://"},
		{Subscriber{URL: s.front, Channels: []Channel{{Name: "a"}}, Transport: 3}, "transport 3: want Auto, WebSocket or Events"},
		{Subscriber{URL: s.front}, "0 channels: want 1 to 64"},
		{Subscriber{URL: s.front, Channels: []Channel{{Name: "a"}, {Name: "a"}}}, "each once"},
		{Subscriber{URL: s.front, Channels: []Channel{{}}}, "not empty"},
		{Subscriber{URL: s.front, Channels: []Channel{{Name: "a\n"}}, Transport: Events}, "400: parameter cname: control characters"},
		{Subscriber{URL: s.front, Channels: []Channel{{Name: "a", From: Place{1, "no epoch!"}}}}, "400: parameter epoch"},
		{Subscriber{URL: admin, Channels: []Channel{{Name: "a"}}}, "404: no such path: /sse: the front side has it"},
		{Subscriber{URL: admin, Channels: []Channel{{Name: "a"}}, Transport: WebSocket}, "404: no such path: /ws: the front side has it"},
		{Subscriber{URL: s.front, Channels: []Channel{{Name: "a\n"}}, Transport: WebSocket}, "400: parameter cname: control characters"},
	} {
		err := receive(t, &r.sub, func(Event) bool { return true })
		if err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%v, want %s", err, r.want)
		}
	}
}

// When the loop or its context ends, the connection ends, too.
func TestSubscriberLeaves(t *testing.T) {
	everyTransport(t, func(t *testing.T, transport Transport) {
		s := newServer(t, comet.Config{})
		s.publish("a", "x")
		if err := receive(t, s.subscriber(transport, Channel{Name: "a", From: Place{Next: 1}}), func(Event) bool { return true }); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, err := range s.subscriber(transport, Channel{Name: "a", From: Place{Next: 1}}).All(ctx) {
			if cancel(); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		for range s.subscriber(transport, Channel{Name: "a", From: Place{Next: 1}}).All(ctx) {
			cancel() // the loop ends before the end of the context is noticed
			break
		}
		for limit := time.Now().Add(hangTimeout); s.Stats().Subscribers > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d subscribers are left", s.Stats().Subscribers)
			}
		}
	})
}

// Any text on the wire is a valid message, or the end of the connection.
func FuzzMessage(f *testing.F) {
	for _, text := range []string{
		`{"type":"data","cname":"a","seq":3,"content":"x","epoch":"k3f9ab2"}`, `{"type":"lost","cname":"a","seq":9,"content":"3-8"}`,
		`{"type":"lost","cname":"a","seq":1,"content":"-3-"}`, `{"type":"retry","content":"99"}`, `{"type":"next_seq","cname":"a","seq":2}`, `[]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sub := Subscriber{URL: "http://h", Channels: []Channel{{Name: "a", From: Place{Next: 3}}}}
		var events []Event
		r, err := sub.receiver(func(e Event, _ error) bool { events = append(events, e); return len(events) < 3 })
		if err != nil {
			t.Fatal(err)
		}
		err = r.take([]byte(text))
		if len(events) > 2 || err != nil && len(events) > 0 && !errors.Is(err, errLeft) {
			t.Errorf("%q: %+v, %v", text, events, err)
		}
		if len(events) == 2 && (events[0].Kind != Lost || events[1].Seq != events[0].Seq) {
			t.Errorf("%q: %+v", text, events)
		}
	})
}
