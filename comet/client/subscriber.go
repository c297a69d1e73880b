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

// Transport is how a Subscriber is sent messages.
type Transport uint8

const (
	// Auto is a WebSocket, or server-sent events where the way to the server takes none.
	Auto Transport = iota
	WebSocket
	Events // server-sent events
)

// Subscriber receives the messages of channels. Its fields are set before All is called, and
// not changed then; it may be used again, also by several goroutines at once, each of which
// receives all messages.
type Subscriber struct {
	// URL is the front side's, with the path of a proxy if there is one: http://host:8100 or
	// https://host/comet.
	URL      string
	Channels []Channel // 1 to 64, each with another name
	// Transport is the transport. Default Auto.
	Transport Transport
	// Client makes the requests. It must not have a Timeout, which would end a subscription
	// that goes on. Default http.DefaultClient. A WebSocket has its TLS settings alone, where
	// its Transport is an *http.Transport.
	Client *http.Client
	// Header is sent with each request. Default none.
	Header http.Header
	// Silence is how long nothing may come before the connection is taken for dead. It is to
	// be longer than the server's --polling-timeout, after which a heartbeat comes. Default 75 s.
	Silence time.Duration
	// MinWait and MaxWait bound how long is waited before a connection is tried again: twice
	// as long each time, from half of that by chance, until one works. What the server asks
	// for (Retry-After, retry) comes first. Default 500 ms and 30 s.
	MinWait, MaxWait time.Duration
	// Retrying is told of what a connection has ended with and what is waited now. It is
	// called by the goroutine that receives. Default nobody.
	Retrying func(err error, wait time.Duration)
}

// Subscribe receives the messages of channels from now on, with a Subscriber's defaults.
func Subscribe(ctx context.Context, url string, channels ...string) iter.Seq2[Event, error] {
	s := Subscriber{URL: url}
	for _, name := range channels {
		s.Channels = append(s.Channels, Channel{Name: name})
	}
	return s.All(ctx)
}

// All yields events until the loop is left or ctx is done, reconnecting meanwhile. An error is
// the last that it yields: ctx's, one of what cannot be subscribed to, ErrOver when all
// channels are closed or refused, or a *StatusError that no retry can mend. It uses the
// goroutine that ranges over it, and one more while it waits for the server; when the loop is
// left the connection is closed.
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

// ErrOver is the end of a subscription all of whose channels are closed or refused.
var ErrOver = errors.New("no channel is left: all are closed or refused")

// MaxChannels is how many channels one Subscriber may have.
const MaxChannels = 64

var (
	errLeft    = errors.New("the loop was left")
	errNoWay   = errors.New("the way to the server takes no WebSocket")
	errSilence = errors.New("nothing has come for too long")
)

// receiver is a Subscriber at work.
type receiver struct {
	*Subscriber
	base     *url.URL
	yield    func(Event, error) bool
	channels []*channel
	backoff  backoff
	told     time.Duration // when the server wants it to come back; 0: it has not said
	heard    bool          // something has come on this connection
	byEvents bool          // WebSockets do not get through
	refusals int           // of WebSockets, one behind the other
}

// channel is a channel and where the receiver is in it.
type channel struct {
	Channel
	over bool
}

func (s *Subscriber) receiver(yield func(Event, error) bool) (*receiver, error) {
	r := &receiver{Subscriber: s, yield: yield, byEvents: s.Transport == Events}
	var err error
	if r.base, err = url.Parse(s.URL); err != nil || r.base.Host == "" || r.base.Scheme != "http" && r.base.Scheme != "https" {
		return nil, fmt.Errorf("URL %q: want http://host:port or https://host", s.URL)
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
	return r, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// channel is the one of a name that is not over, or nil.
func (r *receiver) channel(name string) *channel {
	for _, c := range r.channels {
		if c.Name == name && !c.over {
			return c
		}
	}
	return nil
}

// run connects, one time after the other.
func (r *receiver) run(ctx context.Context) error {
	for {
		r.told, r.heard = 0, false
		err := r.connect(ctx)
		var final *StatusError
		switch {
		case errors.Is(err, errLeft): // whatever else: nothing more may be yielded
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &final):
			return err
		case r.left() == 0:
			return ErrOver
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
			r.byEvents = false // events do not get through either: it may not be for the way
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

// connect receives from one connection until that ends, and says why.
func (r *receiver) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
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

// address is that of a path, with the places of all channels that are left.
func (r *receiver) address(path string) string {
	var query strings.Builder
	for _, c := range r.channels {
		if c.over {
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
	u := *r.base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += query.String() + "&lost=1"
	return u.String()
}

// httpClient is what makes requests.
func (s *Subscriber) httpClient() *http.Client {
	if s.Client != nil {
		return s.Client
	}
	return http.DefaultClient
}

func (s *Subscriber) silence() time.Duration { return orDefault(s.Silence, 75*time.Second) }
