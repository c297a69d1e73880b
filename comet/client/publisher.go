package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Publisher publishes messages, many of them in one request if many are waiting. Set its fields
// before the first use, and do not change them later. Any goroutine may call its methods. It
// needs no Close: it has a goroutine only while it has messages.
type Publisher struct {
	// URL is the address of the admin side, with the path of a proxy if there is one:
	// http://127.0.0.1:8000.
	URL string
	// Client makes the requests, with keep-alive. Default: one with a Timeout of 30 s.
	Client *http.Client
	// Header is sent with each request. Default none.
	Header http.Header
	// MaxBytes and MaxMessages bound a request. Default 512 KiB and 1,000. A single message may be
	// larger. If the server or a proxy accepts less (--max-batch, --max-batch-messages), requests
	// become smaller by themselves.
	MaxBytes, MaxMessages int
	// Keep is how long a message is retried. Its key makes sure that it is not published twice;
	// the server remembers keys for two minutes. Default and maximum 90 s.
	Keep time.Duration
	// MinWait and MaxWait bound the wait before a retry: it doubles each time, and its second
	// half is random. A Retry-After of the server takes precedence, but keeps no message waiting
	// for longer than Keep. Default 100 ms and 10 s.
	MinWait, MaxWait time.Duration
	// Retrying, if set, is called before each retry with the error and the wait. It is called by
	// the goroutine that makes the requests.
	Retrying func(err error, wait time.Duration)

	mutex   sync.Mutex
	queue   []*pending
	running bool
	fits    int    // how many messages fit into a request, after one was too large; 0: not known
	keys    string // prefix of its keys
	number  uint64
}

// Message is one message to one channel.
type Message struct {
	Channel string // 1 to 255 bytes of UTF-8
	Content string // UTF-8, up to the server's --max-message bytes (64 KiB)
}

// Result is the result of a message: its number in its channel, or an error.
type Result struct {
	Seq int32
	Err error // a *StatusError, ErrLate, ErrText, or the error of the last try
}

// ErrLate is the error of a message that could not be published within Publisher.Keep. If the
// last try had no answer, it may have been published nevertheless.
var ErrLate = errors.New("not published in time")

// ErrText is the error of a message that is not UTF-8. It is not sent.
var ErrText = errors.New("a message's channel or content is not UTF-8")

// keepMost is shorter than the time for which the server remembers keys, by the time of a
// request.
const keepMost = 90 * time.Second

// pending is a message without a result.
type pending struct {
	text   []byte // its line in a request
	until  time.Time
	result Result
	done   chan struct{} // closed when it has a result
}

// Publish publishes a message and returns its number. If ctx ends before that, the message may
// be published nevertheless. Messages of one goroutine keep their order.
func (p *Publisher) Publish(ctx context.Context, channel, content string) (seq int32, err error) {
	results, err := p.PublishAll(ctx, Message{channel, content})
	if err != nil {
		return 0, err
	}
	return results[0].Seq, results[0].Err
}

// PublishAll publishes messages and returns a result for each. They keep their order, except
// those that the server accepts only at a retry. The error is that of ctx, if it ends before all
// have a result; the messages may be published nevertheless.
func (p *Publisher) PublishAll(ctx context.Context, messages ...Message) ([]Result, error) {
	waits := make([]pending, len(messages))
	until := time.Now().Add(min(orDefault(p.Keep, keepMost), keepMost))
	p.mutex.Lock()
	for n, m := range messages {
		waits[n] = pending{until: until, done: make(chan struct{})}
		if !utf8.ValidString(m.Channel) || !utf8.ValidString(m.Content) {
			waits[n].settle(Result{Err: ErrText})
			continue
		}
		waits[n].text = p.element(m)
		p.queue = append(p.queue, &waits[n])
	}
	if !p.running && len(p.queue) > 0 {
		p.running = true
		go p.run()
	}
	p.mutex.Unlock()
	results := make([]Result, len(messages))
	for n := range waits {
		select {
		case <-waits[n].done:
			results[n] = waits[n].result
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return results, nil
}

// element returns a line of JSON with a message and its own key. It escapes only what JSON
// requires, because subscribers get it unchanged.
func (p *Publisher) element(m Message) []byte {
	if p.keys == "" {
		p.keys = rand.Text()
	}
	p.number++
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	to.SetEscapeHTML(false)
	_ = to.Encode(struct { // only strings: it cannot fail
		Cname   string `json:"cname"`
		Content string `json:"content"`
		Key     string `json:"key"`
	}{m.Channel, m.Content, p.keys + "-" + strconv.FormatUint(p.number, 36)})
	return text.Bytes()
}

// run publishes the queued messages, one request after the other, until the queue is empty.
func (p *Publisher) run() {
	wait := backoff{least: orDefault(p.MinWait, 100*time.Millisecond), most: orDefault(p.MaxWait, 10*time.Second)}
	for {
		batch := p.take()
		if batch == nil {
			return
		}
		again, told, err := p.request(batch)
		if len(again) == 0 {
			wait.reset()
			continue
		}
		pause := wait.next(told)
		if p.Retrying != nil {
			p.Retrying(err, pause)
		}
		p.back(again)
		p.pause(pause, err)
	}
}

// take takes messages from the queue, as many as fit into a request; nil: there are none, and
// run must end.
func (p *Publisher) take() (batch []*pending) {
	most, bytes := p.MaxMessages, p.MaxBytes
	if most <= 0 {
		most = 1000
	}
	if bytes <= 0 {
		bytes = 512 << 10
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.fits > 0 {
		most = min(most, p.fits)
	}
	size := 0
	for n, one := range p.queue {
		if size += len(one.text); n > 0 && size > bytes || n == most {
			break
		}
		batch = append(batch, one)
	}
	if left := copy(p.queue, p.queue[len(batch):]); left > 0 {
		clear(p.queue[left:])
		p.queue = p.queue[:left]
	} else {
		p.queue = nil
	}
	p.running = batch != nil
	return batch
}

// back puts messages back at the front of the queue.
func (p *Publisher) back(again []*pending) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.queue = append(again, p.queue...)
}

// pause waits, and settles the messages that expire meanwhile, with err as the reason. It ends
// early when no message is left.
func (p *Publisher) pause(wait time.Duration, err error) {
	for end := time.Now().Add(wait); ; {
		next, ok := p.late(err)
		left := time.Until(end)
		if !ok || left <= 0 {
			return
		}
		time.Sleep(min(left, time.Until(next)))
	}
}

// late settles the messages that have expired, which are the first in the queue, and returns when
// the next one expires; false: there is none.
func (p *Publisher) late(err error) (next time.Time, ok bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	now := time.Now()
	for len(p.queue) > 0 && !now.Before(p.queue[0].until) {
		p.queue[0].settle(Result{Err: fmt.Errorf("%w: %w", ErrLate, err)})
		p.queue[0] = nil
		p.queue = p.queue[1:]
	}
	if len(p.queue) == 0 {
		return time.Time{}, false
	}
	return p.queue[0].until, true
}

func (one *pending) settle(r Result) {
	one.result = r
	close(one.done)
}

// request makes one request, and settles the messages that it has answered. It returns those to
// try again, with the delay that the server asks for, and the error.
func (p *Publisher) request(batch []*pending) (again []*pending, told time.Duration, err error) {
	var body bytes.Buffer
	for _, one := range batch {
		body.Write(one.text)
	}
	base, err := parseURL(p.URL)
	if err != nil {
		return nil, 0, settleAll(batch, err)
	}
	req, err := http.NewRequest(http.MethodPost, base.JoinPath("publish").String(), &body)
	if err != nil {
		return nil, 0, settleAll(batch, err)
	}
	for name, values := range p.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := p.httpClient().Do(req)
	if err != nil {
		return batch, 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return batch, 0, err
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/x-ndjson") {
		line, _, _ := strings.Cut(strings.TrimSpace(string(text[:min(len(text), 500)])), "\n")
		err = &StatusError{resp.StatusCode, line}
		if passes(resp.StatusCode) || resp.StatusCode == 413 && p.smaller(len(batch)) {
			return batch, retryAfter(resp.Header), err
		}
		return nil, 0, settleAll(batch, err)
	}
	again, err = settleEach(batch, text)
	return again, retryAfter(resp.Header), err
}

// smaller makes requests smaller than one of that many messages, which was too large; false: that is
// not possible.
func (p *Publisher) smaller(messages int) bool {
	if messages == 1 {
		return false
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.fits = messages / 2
	return true
}

// passes reports whether a status is temporary, so that a retry may succeed.
func passes(status int) bool { return status == 408 || status == 429 || status >= 500 && status != 501 }

func settleAll(batch []*pending, err error) error {
	for _, one := range batch {
		one.settle(Result{Err: err})
	}
	return err
}

// settleEach settles messages by the lines of an answer, and returns those to try again.
func settleEach(batch []*pending, text []byte) (again []*pending, err error) {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if len(lines) != len(batch) {
		return batch, fmt.Errorf("%d messages were answered by %d lines", len(batch), len(lines))
	}
	for n, line := range lines {
		var a struct {
			Seq            int32
			Error, Content string
		}
		if bad := json.Unmarshal(line, &a); bad != nil {
			again, err = append(again, batch[n]), fmt.Errorf("an answer is no JSON: %w", bad)
			continue
		}
		if a.Error == "" {
			batch[n].settle(Result{Seq: a.Seq})
			continue
		}
		status, _ := strconv.Atoi(a.Error)
		failed := &StatusError{status, a.Content}
		if passes(status) {
			again, err = append(again, batch[n]), failed
		} else {
			batch[n].settle(Result{Err: failed})
		}
	}
	return again, err
}

// patient makes the requests if no Client is set.
var patient = &http.Client{Timeout: 30 * time.Second}

func (p *Publisher) httpClient() *http.Client {
	if p.Client != nil {
		return p.Client
	}
	return patient
}
