package comet

import (
	"net/http"
	"os"
	"time"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
)

// Config of a Server. Zero fields take the default that is named.
type Config struct {
	// Where it serves.

	// Front are the addresses where clients subscribe, Admin those where
	// backends publish: "host:port" with a numeric host, or "unix:/path".
	// Default 127.0.0.1:8100 and 127.0.0.1:8000.
	Front, Admin []string
	// CComet are the addresses where clients of CComet's own dialect subscribe and
	// publish, in the same form; there are no tokens there. What is said of the
	// front side's access holds there, too. Default none.
	CComet []string
	// Loops is the number of event loops, 1 to MaxLoops. Default DefaultLoops of GOMAXPROCS.
	Loops int

	// Which clients may subscribe, and from where requests may come.

	// Auth says which clients may subscribe. Default AuthNone.
	Auth Auth
	// Secret is the key that tokens are derived with. Default random. A token ends
	// with its channel.
	Secret []byte
	// FrontAllow, FrontDeny, AdminAllow and AdminDeny say from where a side's
	// requests may come, each a list for ParseAddresses. An address that is allowed
	// by itself, and not by "all", is let in whatever is denied. Of the others, those that
	// are denied, or that no list of a side which has one allows, are answered 403.
	// Default: they may come from anywhere.
	FrontAllow, FrontDeny []string
	AdminAllow, AdminDeny []string
	// TrustedProxies, a list for ParseAddresses too, are peers that are believed
	// which client they ask for, by X-Forwarded-For or the PROXY protocol. Default none.
	TrustedProxies []string
	// ProxyProtocol has the sides, "front" or "admin", where a connection from a
	// trusted proxy must begin with a PROXY protocol header, of version 1 or 2; its
	// X-Forwarded-For is then not looked at. Default none.
	ProxyProtocol []string

	// Which web pages may ask.

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

	// Channels, and what they keep.

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
	// ChannelTimeout is how long a channel lives without subscribers. Default 30 s.
	ChannelTimeout time.Duration

	// Messages.

	// MaxMessage bounds the bytes of one message's content. Default 64 KiB.
	MaxMessage int
	// MaxBatch and MaxBatchMessages bound the bytes and the messages of one request to
	// /publish; a message to several channels counts once for each. Default 1 MiB and 10,000.
	MaxBatch, MaxBatchMessages int
	// MaxPublishKeys bounds the keys of messages that are remembered for two minutes, so that
	// a message which is sent again is not published again, shared out evenly among the loops.
	// Beyond it the oldest are forgotten, first those of clients (WSPublish). A key takes about
	// 40 bytes. Default 1,000,000.
	MaxPublishKeys int
	// PublishRatePerAddress and PublishRatePerChannel bound the publishes in a second,
	// of an address and to a channel; more are refused with 429. 0 is no bound.
	PublishRatePerAddress int
	PublishRatePerChannel int

	// Connections and their requests.

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
	// MaxHead bounds the bytes of a request's head, of which the request line may
	// take half; beside them, the line of what publishes has room for a message of
	// MaxMessage bytes, escaped. Default 32 KiB.
	MaxHead int
	// MaxHeldBytes bounds what is held for readers that are stuck, in all, shared out
	// evenly among the loops: a connection that would take more is closed, but for a backend's,
	// which is given no more answers before it has read the last ones. As much may be held of
	// requests that are still arriving; at the bound one that has been for over a second
	// makes room, the oldest first, else the new one is refused with 503. As much, of
	// all loops together, may be on its way from publishers to subscribers: beyond that
	// a publish is refused with 503. Default 256 MiB.
	MaxHeldBytes int
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

	// Clients that wait.

	// PollingTimeout is the longest a subscriber hears nothing: then it is sent
	// a noop. Default 30 s.
	PollingTimeout time.Duration
	// RetryTime is when browsers are told to come back, on the average, where an event
	// stream has broken: each is told another time, from half of it to half as much
	// again, so that they do not all come at once. Default 3 s; below zero leaves it
	// to the browser.
	RetryTime time.Duration

	// WebSockets.

	// WSPublish lets clients publish on WebSockets: to any channel, or, with AuthToken, to
	// those that they are subscribed to. Pages of other origins may only if CORSOrigins
	// names them. A client that has subscribed with a token to publish (/sign with
	// publish=1) may to that channel, whatever is set here.
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

	// What else it answers.

	// Compat is what is let pass for the sake of another server's clients. Default none.
	Compat web.Compat
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
	// Version is what /info tells. Default "dev".
	Version string

	// From one run of the server to the next, and from one program to another.

	// StateFile keeps channels, their numbers and messages, leases, and a random
	// Secret, from one run of the server to the next. It is written every
	// StateInterval (default a minute; below zero: never) and when the server ends,
	// with a new file beside it that takes its place; StateFile.lock keeps other
	// servers away. One that is damaged, or of another version, is renamed to
	// StateFile.bad-YYYYMMDD-HHMMSS. Default none.
	StateFile     string
	StateInterval time.Duration
	// Carried has the channels of a server whose place this one takes (Server.DrainInto), in
	// place of those in the state file. It is the caller's, which may close it when New has
	// returned. Default none.
	Carried *os.File
	// Sockets are those of a server whose place this one takes: an address that they are
	// for is not opened. They are the server's from New on, which closes those that no
	// address is for. Default none.
	Sockets []Sockets
	// Inheritable has the server be one that another program can go on with (Server.Park).
	// Its process must then execute no other program. Default false.
	Inheritable bool
	// From is a server of another program that this one goes on for. Default none.
	From *HandedOver

	// Several servers that share channels.

	// Cluster is what numbers and keeps messages for several servers, in the place of this one:
	// package cluster makes it. It is the server's from New on. Default none.
	Cluster Cluster

	// The program that it is part of.

	// Log takes the server's own words. The zero Logger is silent.
	Log zerolog.Logger
	// Clock is read once a turn. Default time.Now.
	Clock func() time.Time
	// What decides which clients may subscribe, in the place of tokens. Nil: tokens do.
	judge func(broker.Inbox) broker.Judge
}

// DefaultLoops is how many event loops suit so many CPUs: one for two of them, 1 to MaxLoops.
// So 2 CPUs have 1 loop, 4 have 2 and 16 have 8.
//
// Loops that have little to do turn on one thread, and then cost what one loop does
// (reactor/share.go). Each has a thread of its own where one is not enough. From then on what
// one loop has for another costs a wake-up, a turn of it and a switch to its thread, as much
// as half a publish. A publish to one client goes from the loop of its publisher to the
// channel's home, from there to the client's loop, and is answered. Where these are as it
// happens, it wakes no loop of one, 1.25 of two, 2.5 of eight and nearly 3 of many: that is
// the price of a loop where one client is told at a time, and it grows little from four
// loops on. What loops are good for is many clients: each writes to its own. As much as a
// loop takes, the kernel's network, the publishers and a proxy take beside it, so that more
// than one for two CPUs helps only where the server has the machine to itself.
func DefaultLoops(cpus int) int { return min(max(cpus/2, 1), record.MaxLoops) }

// MaxWSChannels bounds Config.WSMaxChannels: what a client asks on a WebSocket is looked for
// among its channels. MaxWSDeflated bounds Config.WSMaxMessage with WSDeflate: a message that
// was made to be expensive to inflate takes some 0.1 µs a byte.
const (
	MaxWSChannels = 1024
	MaxWSDeflated = 64 << 10
)
