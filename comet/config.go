package comet

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
)

// Config of a Server. Zero fields take the default that is named.
type Config struct {
	// Front are the addresses where clients subscribe, Admin those where
	// backends publish: "host:port" with a numeric host, or "unix:/path".
	// Default 127.0.0.1:8100 and 127.0.0.1:8000.
	Front, Admin []string
	// CComet are the addresses where clients of CComet's own dialect subscribe and
	// publish, in the same form; there are no tokens there. What is said of the
	// front side's access holds there, too. Default none.
	CComet []string
	// Sockets are those of a server whose place this one takes: an address that they are
	// for is not opened. They are the server's from New on, which closes those that no
	// address is for. Default none.
	Sockets []Sockets
	// Inheritable has the server be one that another program can go on with (Server.Park).
	// Its process must then execute no other program. Default false.
	Inheritable bool
	// From is a server of another program that this one goes on for. Default none.
	From *HandedOver
	// Loops is the number of event loops, 1 to MaxLoops. Default DefaultLoops of GOMAXPROCS.
	Loops int

	// Auth says which clients may subscribe. Default AuthNone.
	Auth Auth
	// Secret is the key that tokens are derived with. Default random. A token ends
	// with its channel.
	Secret []byte

	// FrontAllow, FrontDeny, AdminAllow and AdminDeny say from where a side's
	// requests may come, each a list for ParseAddresses; Rules has the precedence.
	// A request from elsewhere is answered 403. Default: they may come from anywhere.
	FrontAllow, FrontDeny []string
	AdminAllow, AdminDeny []string
	// TrustedProxies, a list for ParseAddresses too, are peers that are believed
	// for whom they ask, by X-Forwarded-For or the PROXY protocol. Default none.
	TrustedProxies []string
	// ProxyProtocol has the sides, "front" or "admin", where a connection from a
	// trusted proxy must begin with a PROXY protocol header, of version 1 or 2; its
	// X-Forwarded-For is then not looked at. Default none.
	ProxyProtocol []string

	// StateFile keeps channels, their numbers and messages, leases, and a random
	// Secret, from one run of the server to the next. It is written every
	// StateInterval (default a minute; below zero: never) and when the server ends,
	// with a new file beside it that takes its place; StateFile.lock keeps other
	// servers away. One that is damaged, or of another version, is renamed to
	// StateFile.bad-YYYYMMDD-HHMMSS. Default none.
	StateFile     string
	StateInterval time.Duration

	// MaxChannels bounds the channels, MaxSubscribersPerChannel the subscribers
	// of each. 0 is no bound.
	MaxChannels              int
	MaxSubscribersPerChannel int

	// ChannelBufferSize is how many messages a channel keeps for those that come
	// back. Default 100; below zero keeps none.
	ChannelBufferSize int
	// ChannelBufferBytes bounds the bytes of memory of those messages. Default 1 MiB.
	ChannelBufferBytes int
	// MaxHistoryBytes bounds the memory of what all channels keep together, shared out
	// evenly among the loops; the collector wants up to as much again for itself.
	// Beyond it, channels keep HistoryMinimum messages, and less at the worst.
	// Default 1 GiB and 1.
	MaxHistoryBytes int
	HistoryMinimum  int
	// MaxHeldBytes bounds what is held for readers that are stuck, in all, shared out
	// evenly among the loops: a connection that would take more is closed. As much may be held of
	// requests that are still arriving; at the bound one that has been for over a second
	// makes room, the oldest first, else the new one is refused with 503. As much, of
	// all loops together, may be on its way from publishers to subscribers: beyond that
	// a publish is refused with 503. Default 256 MiB.
	MaxHeldBytes int
	// MaxConnections bounds the connections of all sides but the admin's. At the bound
	// a connection that is idle between requests makes room, or one whose request has
	// been arriving for over a second, the oldest first; else the new one is refused
	// with 503. 0: only descriptors bound them.
	MaxConnections int
	// MaxConnectionsPerAddress bounds those of one address (of IPv6, of one /64), but
	// for trusted proxies; more are refused with 429. 0 is no bound.
	MaxConnectionsPerAddress int
	// AcceptRate bounds the connections that are accepted in a second, on each
	// address that is listened on; the rest wait in the kernel. 0 is no bound.
	AcceptRate int
	// PublishRatePerAddress and PublishRatePerChannel bound the publishes in a second,
	// of an address and to a channel; more are refused with 429. 0 is no bound.
	PublishRatePerAddress int
	PublishRatePerChannel int
	// MaxMessage bounds the bytes of one message's content. Default 64 KiB.
	MaxMessage int
	// MaxBatch and MaxBatchMessages bound the bytes and the messages of one request to
	// /publish; a message to several channels counts once for each. Default 1 MiB and 10,000.
	MaxBatch, MaxBatchMessages int
	// MaxPublishKeys bounds the keys of messages that are remembered for two minutes, so that
	// a message which is sent again is not published again, shared out evenly among the loops.
	// Beyond it the oldest are forgotten. A key takes about 40 bytes. Default 1,000,000.
	MaxPublishKeys int
	// MaxHead bounds the bytes of a request's head, of which the request line may
	// take half; beside them, the line of what publishes has room for a message of
	// MaxMessage bytes, escaped. Default 32 KiB.
	MaxHead int

	// WSPublish lets clients publish on WebSockets: to any channel, or, with AuthToken, to
	// those that they are subscribed to. Pages of other origins may only if CORSOrigins
	// names them.
	WSPublish bool
	// WSDeflate agrees to compress what goes to clients of WebSockets that offer it, each
	// message by itself, once for all of them.
	WSDeflate bool
	// WSMaxMessage bounds the bytes of a client's message on a WebSocket, and of what a
	// compressed one inflates to: it is closed with 1009. With WSDeflate it is at most 64
	// KiB. Default 64 KiB.
	WSMaxMessage int
	// WSRate bounds the messages in a second that a client sends on a WebSocket: those
	// beyond it are answered 429, pings and pongs close it with 1008. Default 100; below
	// zero there is no bound.
	WSRate int
	// WSMaxChannels bounds the channels of a WebSocket: a sub beyond it is answered 429.
	// Default 64, at most 1024.
	WSMaxChannels int

	// ChannelTimeout is how long a channel lives without subscribers. Default 30 s.
	ChannelTimeout time.Duration
	// PollingTimeout is the longest a subscriber hears nothing: then it is sent
	// a noop. Default 30 s.
	PollingTimeout time.Duration
	// RetryTime is when browsers are told to come back, on the average, where an event
	// stream has broken: each is told another time, from half of it to half as much
	// again, so that they do not all come at once. Default 3 s; below zero leaves it
	// to the browser.
	RetryTime time.Duration
	// RequestTimeout is how long a request's head may take to arrive, BodyTimeout its
	// body. Default 10 s each.
	RequestTimeout time.Duration
	BodyTimeout    time.Duration
	// IdleTimeout is how long a connection may stay open between requests. It is to be
	// longer than a proxy in front keeps such connections, so that it is the proxy that
	// closes them, and none is closed under a request. Default 75 s: proxies keep them
	// for 60.
	IdleTimeout time.Duration
	// AdminIdleTimeout is the same for the admin side's, where backends keep connections
	// for their next message. Default 10 minutes.
	AdminIdleTimeout time.Duration
	// WriteTimeout is how long a reader may be stuck before it is cut; one for which much
	// is held has a second more for each reactor.SlowestReader bytes. Default 30 s.
	WriteTimeout time.Duration

	// Compat is what is let pass for the sake of another server's clients. Default none.
	Compat web.Compat

	// CORSOrigins, a list for ParseOrigins, are those of the pages that may read the
	// front side's answers, and embed /iframe: they are posted each message. Default
	// none but its own.
	CORSOrigins []string
	// AdminOrigins, a list for ParseOrigins too, are those of the pages that may ask the
	// admin side, and read its answers. A browser's request for any other page than the
	// admin side's own is answered 403.
	AdminOrigins []string
	// AdminHosts are names that the admin side is reached by: a request with another Host
	// is answered 403, unless that is an address or localhost, since any page may have its
	// own name lead here. "*.example.com" is all below a domain, "*" is every name.
	AdminHosts []string
	// Pages are served on the front side.
	Pages []web.Page
	// Public maps paths on the front side to paths of the admin side, which are
	// open to every client there: for demonstrations. What changes something takes
	// only POST; /readyz, /explain and what Handlers serve stay where it is.
	Public map[string]string
	// Handlers serve paths of the admin side, GET and HEAD, on goroutines of their
	// own; a path that ends in / stands for all below it. At most MaxHandling requests
	// are with them at a time, the rest get 503; an answer has at most MaxHandled bytes.
	// The request's context ends when the client has gone, or the server ends.
	Handlers map[string]http.Handler

	// Carried has the channels of a server whose place this one takes (Server.DrainInto), in
	// place of those in the state file. It is the caller's, who may close it when New has
	// returned. Default none.
	Carried *os.File

	// Version is what /info tells. Default "dev".
	Version string
	// Log takes the server's own words. The zero Logger is silent.
	Log zerolog.Logger
	// Clock is read once a turn. Default time.Now.
	Clock func() time.Time

	// Cluster is what numbers and keeps messages for several servers, in the place of this one:
	// package cluster makes it. It is the server's from New on. Default none.
	Cluster Cluster

	// What decides which clients may subscribe, in the place of tokens. Nil: tokens do.
	judge func(broker.Inbox) broker.Judge
}

func orDefault[T int | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// DefaultLoops is how many event loops suit so many CPUs: one for two of them, 1 to MaxLoops.
// So 2 CPUs have 1 loop, 4 have 2 and 16 have 8.
//
// What one loop has for another costs a wake-up, a turn of it and a switch to its thread, as
// much as half a publish. A publish to one client goes from the loop of its publisher to the
// channel's home, from there to the client's loop, and is answered. Where these are as it
// happens, it wakes no loop of one, 1.25 of two, 2.5 of eight and nearly 3 of many: that is
// the price of a loop where one client is told at a time, and it grows little from four
// loops on. What loops are good for is many clients: each writes to its own. As much as a
// loop takes, the kernel's network, the publishers and a proxy take beside it, so that more
// than one for two CPUs helps only where the server has the machine to itself.
func DefaultLoops(cpus int) int { return min(max(cpus/2, 1), record.MaxLoops) }

// fill sets the defaults and refuses what makes no sense.
func (c *Config) fill() error {
	if len(c.Front) == 0 {
		c.Front = []string{"127.0.0.1:8100"}
	}
	if len(c.Admin) == 0 {
		c.Admin = []string{"127.0.0.1:8000"}
	}
	if c.From != nil { // where nothing says otherwise: the CPUs may have changed
		orDefault(&c.Loops, c.From.server.Loops)
	}
	orDefault(&c.Loops, DefaultLoops(runtime.GOMAXPROCS(0)))
	orDefault(&c.ChannelBufferSize, 100)
	orDefault(&c.ChannelBufferBytes, 1<<20)
	orDefault(&c.MaxHistoryBytes, 1<<30)
	orDefault(&c.HistoryMinimum, 1)
	orDefault(&c.MaxHeldBytes, 256<<20)
	orDefault(&c.MaxMessage, 64<<10)
	orDefault(&c.MaxBatch, 1<<20)
	orDefault(&c.MaxBatchMessages, 10_000)
	orDefault(&c.MaxPublishKeys, 1_000_000)
	orDefault(&c.MaxHead, 32<<10)
	orDefault(&c.WSMaxMessage, 64<<10)
	orDefault(&c.WSRate, 100)
	orDefault(&c.WSMaxChannels, hub.MaxBundle)
	orDefault(&c.ChannelTimeout, 30*time.Second)
	orDefault(&c.PollingTimeout, 30*time.Second)
	orDefault(&c.RetryTime, 3*time.Second)
	orDefault(&c.RequestTimeout, 10*time.Second)
	orDefault(&c.BodyTimeout, 10*time.Second)
	orDefault(&c.IdleTimeout, 75*time.Second)
	orDefault(&c.AdminIdleTimeout, 10*time.Minute)
	orDefault(&c.WriteTimeout, 30*time.Second)
	orDefault(&c.StateInterval, time.Minute)
	c.ChannelBufferSize, c.WSRate = max(c.ChannelBufferSize, 0), max(c.WSRate, 0)
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.From != nil {
		c.Inheritable = true
		return c.From.fits(c)
	}
	return nil
}

func (c *Config) check() error {
	var errs []error
	atLeast := func(name string, v, least int) {
		if v < least {
			errs = append(errs, fmt.Errorf("%s is %d: at least %d", name, v, least))
		}
	}
	if c.Loops < 1 || c.Loops > record.MaxLoops {
		errs = append(errs, fmt.Errorf("loops is %d: 1 to %d", c.Loops, record.MaxLoops))
	}
	atLeast("max channels", c.MaxChannels, 0)
	atLeast("max subscribers per channel", c.MaxSubscribersPerChannel, 0)
	atLeast("channel buffer bytes", c.ChannelBufferBytes, 1)
	atLeast("max history bytes", c.MaxHistoryBytes, 1)
	atLeast("history minimum", c.HistoryMinimum, 1)
	atLeast("max held bytes", c.MaxHeldBytes, 1)
	atLeast("max connections", c.MaxConnections, 0)
	atLeast("max connections per address", c.MaxConnectionsPerAddress, 0)
	atLeast("accept rate", c.AcceptRate, 0)
	atLeast("publish rate per address", c.PublishRatePerAddress, 0)
	atLeast("publish rate per channel", c.PublishRatePerChannel, 0)
	atLeast("max message", c.MaxMessage, 1)
	atLeast("max batch", c.MaxBatch, 1)
	atLeast("max batch messages", c.MaxBatchMessages, 1)
	atLeast("max publish keys", c.MaxPublishKeys, 1)
	atLeast("max head", c.MaxHead, 1024)
	atLeast("ws max message", c.WSMaxMessage, 128)
	atLeast("ws max channels", c.WSMaxChannels, 1)
	if c.WSMaxChannels > MaxWSChannels {
		errs = append(errs, fmt.Errorf("ws max channels is %d: at most %d", c.WSMaxChannels, MaxWSChannels))
	}
	if c.WSDeflate && c.WSMaxMessage > MaxWSDeflated {
		errs = append(errs, fmt.Errorf("ws max message is %d: at most %d with compression", c.WSMaxMessage, MaxWSDeflated))
	}
	for _, t := range []struct {
		name string
		d    time.Duration
	}{
		{"channel timeout", c.ChannelTimeout}, {"polling timeout", c.PollingTimeout}, {"request timeout", c.RequestTimeout}, {"body timeout", c.BodyTimeout},
		{"idle timeout", c.IdleTimeout}, {"admin idle timeout", c.AdminIdleTimeout}, {"write timeout", c.WriteTimeout},
	} {
		if t.d < time.Second || t.d > broker.MaxLease {
			errs = append(errs, fmt.Errorf("%s is %v: 1s to %v", t.name, t.d, broker.MaxLease))
		}
	}
	if c.Cluster != nil && c.StateFile != "" {
		errs = append(errs, errors.New("a state file is for one server by itself: of several, what numbers messages keeps them"))
	}
	if err := c.web().Check(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// broker, hub and web are what the actors are told.

func (c *Config) broker() *broker.Config {
	theBroker := &broker.Config{
		Tokens: c.Auth == AuthToken, Secret: c.Secret,
		MaxChannels: c.MaxChannels, MaxSubscribersPerChannel: c.MaxSubscribersPerChannel, PublishRatePerChannel: c.PublishRatePerChannel,
		ChannelBufferSize: c.ChannelBufferSize, ChannelBufferBytes: c.ChannelBufferBytes,
		MaxHistoryBytes: c.MaxHistoryBytes, HistoryMinimum: c.HistoryMinimum, MaxDelivering: c.MaxHeldBytes, Loops: c.Loops,
		MaxPublishKeys: c.MaxPublishKeys,
		ChannelTimeout: c.ChannelTimeout, PollMost: c.pollMost(), Judge: c.judge,
		AttachTime: c.RequestTimeout / 2,
	}
	if c.Cluster != nil {
		theBroker.Authority = c.Cluster.Open
	}
	return theBroker
}

func (c *Config) hub() *hub.Config {
	return &hub.Config{
		Tokens: c.Auth == AuthToken, PollingTimeout: c.PollingTimeout, RequestTimeout: c.RequestTimeout, RetryTime: c.RetryTime,
		PollMost: c.pollMost(),
	}
}

func (c *Config) web() *web.Config {
	return &web.Config{
		FrontAllow: c.FrontAllow, FrontDeny: c.FrontDeny, AdminAllow: c.AdminAllow, AdminDeny: c.AdminDeny,
		TrustedProxies: c.TrustedProxies, ProxyProtocol: c.ProxyProtocol,
		CORSOrigins: c.CORSOrigins, AdminOrigins: c.AdminOrigins, AdminHosts: c.AdminHosts,
		Tokens: c.Auth == AuthToken, Secret: c.Secret, Loops: c.Loops,
		MaxChannels: c.MaxChannels, MaxSubscribersPerChannel: c.MaxSubscribersPerChannel,
		MaxConnections: c.MaxConnections, MaxConnectionsPerAddress: c.MaxConnectionsPerAddress,
		MaxHeldBytes: c.MaxHeldBytes, MaxMessage: c.MaxMessage, MaxHead: c.MaxHead,
		MaxBatch: c.MaxBatch, MaxBatchMessages: c.MaxBatchMessages,
		PublishRatePerAddress: c.PublishRatePerAddress, PublishRatePerChannel: c.PublishRatePerChannel,
		WSPublish: c.WSPublish, WSDeflate: c.WSDeflate, WSMaxMessage: c.WSMaxMessage, WSRate: c.WSRate, WSMaxChannels: c.WSMaxChannels,
		ChannelTimeout: c.ChannelTimeout, PollingTimeout: c.PollingTimeout,
		RequestTimeout: c.RequestTimeout, BodyTimeout: c.BodyTimeout, IdleTimeout: c.IdleTimeout, AdminIdleTimeout: c.AdminIdleTimeout,
		Compat: c.Compat, Pages: c.Pages, Public: c.Public, Handlers: c.Handlers, RetryTime: c.RetryTime, Version: c.Version, Log: &c.Log, Cluster: c.Cluster,
	}
}

// MaxWSChannels bounds Config.WSMaxChannels: what a client asks on a WebSocket is looked for
// among its channels. MaxWSDeflated bounds Config.WSMaxMessage with WSDeflate: a message that
// was made to be expensive to inflate takes some 0.1 µs a byte.
const (
	MaxWSChannels = 1024
	MaxWSDeflated = 64 << 10
)

// pollBytes are what a poll is given of messages at once; then it asks again.
const pollBytes = 1 << 20

// heldPolls is how many responses to polls there is room for at the least among what is
// held for stuck readers: such a response is held whole, and one that had no room would
// be asked for again and again, in vain.
const heldPolls = 8

// pollMost is how many bytes of messages a poll is given at once.
func (c *Config) pollMost() int { return min(pollBytes, c.MaxHeldBytes/c.Loops/heldPolls) }
