package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Transport is how a Subscriber receives messages.
type Transport uint8

const (
	// Auto is a WebSocket, or server-sent events if the network path to the server does not
	// support WebSockets, or if the Client uses a proxy (HTTP_PROXY).
	Auto Transport = iota
	WebSocket
	Events // server-sent events
)

// Subscriber receives the messages of channels. Set its fields before calling All, and do not
// change them later. It may be used several times, also by several goroutines at once, each of
// which receives all messages.
type Subscriber struct {
	// URL is the address of the front side, with the path of a proxy if there is one:
	// http://host:8100 or https://host/comet.
	URL      string
	Channels []Channel // 1 to 64, with different names
	// Transport is the transport. Default Auto.
	Transport Transport
	// Client makes the requests. It must not have a Timeout, which would end a running
	// subscription. Default http.DefaultClient. For a WebSocket only its TLS settings are used,
	// if its Transport is an *http.Transport.
	Client *http.Client
	// Header is sent with each request. Default none.
	Header http.Header
	// Silence is how long nothing may arrive before the connection is considered dead. It should
	// be longer than the server's --polling-timeout, which is the interval of heartbeats. Default
	// 75 s.
	Silence time.Duration
	// MinWait and MaxWait bound the wait before a reconnect: it doubles each time until a
	// connection works, and its second half is random. A delay from the server (Retry-After,
	// retry) takes precedence. Default 500 ms and 30 s.
	MinWait, MaxWait time.Duration
	// Retrying, if set, is called before each reconnect with the error of the last connection and
	// the wait, and when the server refuses one of several channels for now: the others continue,
	// and the wait is until all are requested again. It is called by the goroutine that receives.
	Retrying func(err error, wait time.Duration)
}

// Subscribe receives the messages of channels from now on, with the default settings of a
// Subscriber.
func Subscribe(ctx context.Context, url string, channels ...string) iter.Seq2[Event, error] {
	s := Subscriber{URL: url}
	for _, name := range channels {
		s.Channels = append(s.Channels, Channel{Name: name})
	}
	return s.All(ctx)
}

// All yields events until the loop ends or ctx is done, and reconnects meanwhile. An error is the
// last thing that it yields: that of ctx, an invalid setting, ErrOver if all channels are closed
// or refused, or a permanent *StatusError. It uses the goroutine that ranges over it, and another
// one while it waits for the server. When the loop ends, it closes the connection.
func (s *Subscriber) All(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r, err := s.receiver(yield)
		if err == nil {
			err = r.run(ctx)
		}
		if err != nil && !errors.Is(err, errLeft) {
			yield(Event{}, err)
		}
	}
}

// ErrOver is the end of a subscription whose channels are all closed or refused.
var ErrOver = errors.New("no channel is left: all are closed or refused")

// MaxChannels bounds the channels of one Subscriber.
const MaxChannels = 64

var (
	errLeft    = errors.New("the loop was left")
	errNoWay   = errors.New("the way to the server takes no WebSocket")
	errEnded   = errors.New("the connection has ended")
	errSilence = errors.New("nothing has come for too long")
	errAgain   = errors.New("channels that were refused for now are requested again")
)

// receiver is a running Subscriber.
type receiver struct {
	*Subscriber
	base     *url.URL
	yield    func(Event, error) bool
	channels []*channel
	backoff  backoff
	told     time.Duration // delay that the server asks for; 0: none
	heard    bool          // something has arrived on the present connection, and it was not refused
	aside    aside         // channels that the server refuses for now
	byEvents bool          // WebSockets do not work on the network path
	refusals int           // WebSockets refused in a row
}

// channel is a channel, with the receiver's place in it.
type channel struct {
	Channel
	over    bool
	refused bool // for now, and nothing has come from it since
	waits   bool // it is not requested before aside.until
}

func (s *Subscriber) receiver(yield func(Event, error) bool) (*receiver, error) {
	r := &receiver{Subscriber: s, yield: yield, byEvents: s.Transport == Events}
	var err error
	if r.base, err = parseURL(s.URL); err != nil {
		return nil, err
	}
	if s.Transport > Events {
		return nil, fmt.Errorf("transport %d: want Auto, WebSocket or Events", s.Transport)
	}
	if len(s.Channels) == 0 || len(s.Channels) > MaxChannels {
		return nil, fmt.Errorf("%d channels: want 1 to %d", len(s.Channels), MaxChannels)
	}
	for _, c := range s.Channels {
		if c.Name == "" || r.channel(c.Name) != nil {
			return nil, fmt.Errorf("channel %q: want names that are not empty, each once", c.Name)
		}
		r.channels = append(r.channels, &channel{Channel: c})
	}
	r.backoff = backoff{least: orDefault(s.MinWait, 500*time.Millisecond), most: orDefault(s.MaxWait, 30*time.Second)}
	r.aside.backoff = backoff{least: 20 * r.backoff.least, most: 4 * r.backoff.most}
	return r, nil
}

// parseURL parses the URL of a side of the server.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("URL %q: want http://host:port or https://host", text)
	}
	return u, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// channel returns the channel with a name, or nil if it is over.
func (r *receiver) channel(name string) *channel {
	for _, c := range r.channels {
		if c.Name == name && !c.over {
			return c
		}
	}
	return nil
}

// run connects repeatedly.
func (r *receiver) run(ctx context.Context) error {
	for {
		r.told, r.heard = 0, false
		err := r.connect(ctx)
		var final *StatusError
		switch {
		case errors.Is(err, errLeft): // checked first: nothing more may be yielded
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &final):
			return err
		case r.left() == 0:
			return ErrOver
		case errors.Is(err, errAgain): // soon, so that the server has seen the end of this one
			if !sleep(ctx, r.backoff.least) {
				return context.Cause(ctx)
			}
			continue
		case errors.Is(err, errNoWay):
			if r.Transport == WebSocket {
				break
			}
			r.byEvents = true
			continue
		}
		if r.heard {
			r.backoff.reset()
		} else if r.Transport == Auto {
			r.byEvents = false // events do not get through either, so WebSockets may not be the cause
		}
		wait := r.backoff.next(r.told)
		if r.Retrying != nil {
			r.Retrying(err, wait)
		}
		if !sleep(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

// connect receives from one connection until it ends, and returns why.
func (r *receiver) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.aside.begin(r, cancel)
	defer r.aside.stop()
	if !r.byEvents {
		return r.webSocket(ctx)
	}
	return r.events(ctx, cancel)
}

func (r *receiver) left() (n int) {
	for _, c := range r.channels {
		if !c.over {
			n++
		}
	}
	return n
}

// address returns the URL of a path, with the places of all channels that are requested.
func (r *receiver) address(path string) string {
	var query strings.Builder
	for _, c := range r.channels {
		if c.over || c.waits {
			continue
		}
		if query.Len() > 0 {
			query.WriteByte('&')
		}
		query.WriteString("cname=" + url.QueryEscape(c.Name) + "&seq=" + strconv.Itoa(int(c.From.Next)) + "&epoch=" + url.QueryEscape(c.From.Epoch))
		if c.Token != "" {
			query.WriteString("&token=" + url.QueryEscape(c.Token))
		}
	}
	u := r.base.JoinPath(path)
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += query.String() + "&lost=1"
	return u.String()
}

// httpClient returns the client for requests.
func (s *Subscriber) httpClient() *http.Client {
	if s.Client != nil {
		return s.Client
	}
	return http.DefaultClient
}

func (s *Subscriber) silence() time.Duration { return orDefault(s.Silence, 75*time.Second) }
