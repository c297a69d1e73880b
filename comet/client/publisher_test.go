package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ccomet/comet"
)

// between is a proxy between a publisher and its server.
type between struct {
	*httptest.Server
	mutex    sync.Mutex
	requests int
	bodies   []string
}

// newBetween makes a proxy that forwards each request, and then asks a function whether to
// send the answer.
func newBetween(t *testing.T, s *server, answers func(n int, w http.ResponseWriter) bool) *between {
	b := &between{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mutex.Lock()
		b.requests++
		n := b.requests
		b.bodies = append(b.bodies, string(body))
		b.mutex.Unlock()
		req, _ := http.NewRequest(r.Method, "http://"+s.AdminAddrs()[0]+r.URL.Path, strings.NewReader(string(body)))
		req.Header.Set("Content-Type", r.Header.Get("Content-Type"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if !answers(n, w) {
			return
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(text)
	}))
	t.Cleanup(b.Close)
	return b
}

// A message whose answer was lost is not published twice.
func TestPublisherRetries(t *testing.T) {
	s := newServer(t, comet.Config{})
	b := newBetween(t, s, func(n int, w http.ResponseWriter) bool {
		switch n % 3 {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(502)
			return false
		}
		return true
	})
	var waits []time.Duration
	p := &Publisher{URL: b.URL, MinWait: time.Millisecond, MaxWait: 5 * time.Millisecond, Retrying: func(_ error, wait time.Duration) { waits = append(waits, wait) }}
	for n := range 5 {
		if seq, err := p.Publish(t.Context(), "a", fmt.Sprint(n)); err != nil || int(seq) != n+1 {
			t.Fatalf("message %d: %d, %v", n, seq, err)
		}
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.requests != 15 || len(waits) != 10 {
		t.Errorf("%d requests, %v", b.requests, waits)
	}
	if got := s.admin("/explain?cname=a"); !strings.Contains(got, `"next": 6`) {
		t.Errorf("the channel is %s", got)
	}
}

// Messages of many goroutines share requests, and keep the order of each goroutine.
func TestPublisherShares(t *testing.T) {
	const goroutines, each = 20, 30
	s := newServer(t, comet.Config{ChannelBufferSize: goroutines * each})
	b := newBetween(t, s, func(int, http.ResponseWriter) bool { return true })
	p := &Publisher{URL: b.URL, MaxMessages: 15}
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			last := int32(0)
			for n := range each {
				seq, err := p.Publish(t.Context(), "a", fmt.Sprintf("%d.%d", g, n))
				if err != nil || seq <= last {
					t.Errorf("message %d of %d: %d behind %d, %v", n, g, seq, last, err)
				}
				last = seq
			}
		})
	}
	all.Wait()
	most := 0
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, body := range b.bodies {
		most = max(most, strings.Count(body, "\n"))
	}
	if most > 15 || b.requests >= goroutines*each {
		t.Errorf("%d requests, of at most %d messages", b.requests, most)
	}
}

// A permanent error is returned with its reason; a temporary one is retried.
func TestPublisherIsRefused(t *testing.T) {
	s := newServer(t, comet.Config{MaxMessage: 5, PublishRatePerChannel: 2})
	p := &Publisher{URL: "http://" + s.AdminAddrs()[0], MaxBytes: 1}
	results, err := p.PublishAll(t.Context(), Message{"a", "123456"}, Message{"\x01", "x"}, Message{"a", "x"})
	if err != nil || results[2].Seq != 1 || results[2].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	for n, want := range []int{413, 400} {
		if bad, ok := errors.AsType[*StatusError](results[n].Err); !ok || bad.Status != want || bad.Reason == "" {
			t.Errorf("message %d: %v", n, results[n].Err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	waited := time.Duration(0)
	q := &Publisher{URL: p.URL, Retrying: func(_ error, wait time.Duration) { waited = wait; cancel(errors.ErrUnsupported) }}
	messages := make([]Message, 5)
	for n := range messages {
		messages[n] = Message{"limited", "x"}
	}
	if _, err := q.PublishAll(ctx, messages...); !errors.Is(err, errors.ErrUnsupported) || waited < time.Second {
		t.Errorf("%v after a wait of %v", err, waited)
	}
	results, err = p.PublishAll(t.Context(), Message{"a", "\xff"}, Message{"\xff", "x"})
	if err != nil || !errors.Is(results[0].Err, ErrText) || !errors.Is(results[1].Err, ErrText) {
		t.Errorf("not UTF-8: %+v, %v", results, err)
	}
	front := &Publisher{URL: "http://" + s.FrontAddrs()[0]}
	_, err = front.Publish(t.Context(), "a", "x")
	if bad, ok := errors.AsType[*StatusError](err); !ok || bad.Status != 404 || bad.Reason != "no such path: /publish: the admin side has it" {
		t.Errorf("on the front side: %v", err)
	}
}

// Markup is not escaped: subscribers get the bytes that the publisher has sent.
func TestPublisherEscapesLittle(t *testing.T) {
	const content = "<b>R&D</b> \"é\" \u2028\n"
	s := newServer(t, comet.Config{MaxMessage: len(content)})
	b := newBetween(t, s, func(int, http.ResponseWriter) bool { return true })
	p := &Publisher{URL: b.URL}
	if _, err := p.Publish(t.Context(), "a<b>", content); err != nil {
		t.Fatal(err)
	}
	if body := b.bodies[0]; !strings.Contains(body, `"cname":"a<b>","content":"<b>R&D</b> \"é\" \u2028\n"`) {
		t.Errorf("it sends %s", body)
	}
	sub := s.subscriber(Auto, Channel{Name: "a<b>", From: Place{Next: 1}})
	if err := receive(t, sub, func(e Event) bool { return e.Content == content }); err != nil {
		t.Error(err)
	}
}

// A message that cannot be published in time gets an error.
func TestPublisherIsLate(t *testing.T) {
	p := &Publisher{URL: "http://127.0.0.1:1", Keep: time.Millisecond, MinWait: 5 * time.Millisecond}
	if _, err := p.Publish(t.Context(), "a", "x"); !errors.Is(err, ErrLate) {
		t.Error(err)
	}
	for limit := time.Now().Add(hangTimeout); ; time.Sleep(time.Millisecond) {
		p.mutex.Lock()
		over := !p.running && p.queue == nil
		p.mutex.Unlock()
		if over {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("it still runs")
		}
	}
}

// A request has at most MaxBytes and MaxMessages; a message that is larger is alone in its request. The keys
// of two publishers differ, also of those in other programs.
func TestPublisherBounds(t *testing.T) {
	s := newServer(t, comet.Config{})
	b := newBetween(t, s, func(int, http.ResponseWriter) bool { return true })
	var messages []Message
	for n := range 60 {
		messages = append(messages, Message{"a", strings.Repeat("x", []int{10, 300, 5000}[n/20])})
	}
	for n := range 2 {
		p := Publisher{URL: b.URL, MaxBytes: 2000, MaxMessages: 8}
		results, err := p.PublishAll(t.Context(), messages...)
		if err != nil || results[59].Seq != int32(60*(n+1)) {
			t.Fatal(err, results[59])
		}
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	most := 0
	for _, body := range b.bodies {
		count := strings.Count(body, "\n")
		if most = max(most, count); count > 1 && len(body) > 2000 {
			t.Errorf("a request of %d messages has %d bytes", count, len(body))
		}
	}
	if most != 8 || len(b.bodies) > 2*35 {
		t.Errorf("%d requests, of up to %d messages", len(b.bodies), most)
	}
}

// If the server accepts smaller requests than the publisher makes, these become smaller, and all messages
// are published in their order. Only a message that is too large by itself fails.
func TestPublisherMakesSmallerRequests(t *testing.T) {
	for _, cfg := range []comet.Config{{MaxBatchMessages: 7}, {MaxBatch: 2000, MaxMessage: 1000}} {
		s := newServer(t, cfg)
		var messages []Message
		for n := range 100 {
			messages = append(messages, Message{"a", fmt.Sprint(n, strings.Repeat("x", n%200))})
		}
		p, tries := Publisher{URL: s.pub.URL, MinWait: time.Millisecond}, 0
		p.Retrying = func(err error, _ time.Duration) {
			if tries++; !strings.Contains(err.Error(), "413") {
				t.Error(err)
			}
		}
		results, err := p.PublishAll(t.Context(), messages...)
		if err != nil || tries == 0 || tries > 8 {
			t.Fatal(err, tries)
		}
		for n, r := range results {
			if r.Seq != int32(n+1) || r.Err != nil {
				t.Fatalf("message %d: %+v", n, r)
			}
		}
		_, err = p.Publish(t.Context(), "a", strings.Repeat("x", 100_000))
		if bad, ok := errors.AsType[*StatusError](err); !ok || bad.Status != 413 {
			t.Errorf("too large a message: %v", err)
		}
		if p.fits < 5 {
			t.Errorf("then a request has only %d messages", p.fits)
		}
	}
}

// An invalid URL is reported at once, because no retry can succeed.
func TestPublisherURL(t *testing.T) {
	for _, address := range []string{"127.0.0.1:8000", "ws://127.0.0.1:8000", "http://", "http://a b", ""} {
		p := Publisher{URL: address, Retrying: func(err error, _ time.Duration) { t.Errorf("%q: it tries again: %v", address, err) }}
		if _, err := p.Publish(t.Context(), "a", "1"); err == nil || !strings.Contains(err.Error(), "want http://host:port or https://host") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// If the server asks for a delay of an hour, the messages get their error nevertheless in time.
func TestPublisherIsLateBeforeItMayRetry(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "3600")
		http.Error(w, "later", http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	p := Publisher{URL: srv.URL, Keep: 10 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), hangTimeout)
	defer cancel()
	results, err := p.PublishAll(ctx, Message{"a", "1"}, Message{"a", "2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if !errors.Is(result.Err, ErrLate) || !strings.Contains(result.Err.Error(), "later") {
			t.Error(result.Err)
		}
	}
}
