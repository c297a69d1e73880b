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

// Config configures a Server. A zero field means the default that is named.
type Config struct {
	// Addresses and loops.

	// Front lists the addresses where clients subscribe, Admin those where backends publish:
	// "host:port" with a numeric host, or "unix:/path". Default 127.0.0.1:8100 and
	// 127.0.0.1:8000.
	Front, Admin []string
	// CComet lists the addresses where clients of CComet's own dialect subscribe and publish,
	// in the same form. It has no tokens. The access rules of the front side hold there, too.
	// Default none.
	CComet []string
	// Loops is the number of event loops, 1 to MaxLoops. Default: DefaultLoops of GOMAXPROCS.
	Loops int

	// Which clients may subscribe, and where requests may come from.

	// Auth is the rule by which clients may subscribe. Default AuthNone.
	Auth Auth
	// Secret is the key from which tokens are derived. Default random. A token ends with its
	// channel.
	Secret []byte
	// FrontAllow, FrontDeny, AdminAllow and AdminDeny restrict where a side's requests may come
	// from; each is a list for ParseAddresses. An address that is allowed by an element other
	// than "all" is let in, even if it is denied. Any other address gets 403 if it is denied,
	// or if the side has a list and none allows it. Default: anywhere.
	FrontAllow, FrontDeny []string
	AdminAllow, AdminDeny []string
	// TrustedProxies, a list for ParseAddresses, are peers that may name the client for which
	// they ask, by X-Forwarded-For or the PROXY protocol. Default none.
	TrustedProxies []string
	// ProxyProtocol lists the sides, "front" or "admin", where a connection from a trusted
	// proxy must begin with a PROXY protocol header, of version 1 or 2. Its X-Forwarded-For is
	// then ignored. Default none.
	ProxyProtocol []string

	// Which web pages may send requests.

	// CORSOrigins, a list for ParseOrigins, are the origins of pages that may read the front
	// side's responses, and embed /iframe, which posts each message to them. Default: only the
	// side's own origin.
	CORSOrigins []string
	// AdminOrigins, a list for ParseOrigins, are the origins of pages that may send requests to
	// the admin side and read its responses. A browser's request for any other page, except the
	// admin side's own, gets 403.
	AdminOrigins []string
	// AdminHosts are the names by which the admin side is reached. A request with another Host
	// gets 403, unless that is an address or localhost, because any page may let its own name
	// resolve to this server. "*.example.com" is every name below a domain, "*" every name.
	AdminHosts []string

	// Channels and their history.

	// MaxChannels bounds the channels, MaxSubscribersPerChannel the subscribers of each. 0: no
	// bound.
	MaxChannels              int
	MaxSubscribersPerChannel int
	// ChannelBufferSize is how many messages a channel keeps for clients that come back.
	// Default 100; negative: none.
	ChannelBufferSize int
	// ChannelBufferBytes bounds the memory of these messages, in bytes. Default 1 MiB.
	ChannelBufferBytes int
	// MaxHistoryBytes bounds the memory of the messages that all channels keep. It is divided
	// evenly among the loops; the garbage collector may need as much again. Beyond it, channels
	// keep HistoryMinimum messages, and in the worst case fewer. Default 1 GiB and 1.
	MaxHistoryBytes int
	HistoryMinimum  int
	// ChannelTimeout is how long a channel lives without subscribers. Default 30 s.
	ChannelTimeout time.Duration

	// Messages.

	// MaxMessage bounds the bytes of a message's content. Default 64 KiB.
	MaxMessage int
	// MaxBatch and MaxBatchMessages bound the bytes and the messages of one request to
	// /publish. A message to several channels counts once for each. Default 1 MiB and 10,000.
	MaxBatch, MaxBatchMessages int
	// MaxPublishKeys bounds the message keys that are remembered, for two minutes, so that a
	// message that is sent again is not published again. It is divided evenly among the loops.
	// Beyond it the oldest keys are forgotten, those of clients (WSPublish) first. A key takes
	// about 40 bytes. Default 1,000,000.
	MaxPublishKeys int
	// PublishRatePerAddress and PublishRatePerChannel bound the publishes per second from an
	// address and to a channel; more get 429. 0: no bound.
	PublishRatePerAddress int
	PublishRatePerChannel int

	// Connections and their requests.

	// MaxConnections bounds the connections of all sides except the admin side. At the bound
	// the oldest connection makes room that is idle between requests, or whose request has been
	// arriving for over a second. If there is none, the new one gets 503. 0: only descriptors
	// bound them.
	MaxConnections int
	// MaxConnectionsPerAddress bounds the connections of one address (for IPv6: of one /64),
	// but not those of trusted proxies; more get 429. 0: no bound.
	MaxConnectionsPerAddress int
	// AcceptRate bounds the connections that are accepted per second, on each listening
	// address; the rest wait in the kernel. 0: no bound.
	AcceptRate int
	// MaxHead bounds the bytes of a request's head. The request line may take half of it; that
	// of a publish may also contain a message of MaxMessage bytes, escaped. Default 32 KiB.
	MaxHead int
	// MaxHeldBytes bounds the output that is held for stuck readers, in total, divided evenly
	// among the loops. A connection that would exceed it is closed; but a backend's connection
	// just gets no more answers before it has read the last ones. The same bound applies to
	// requests that are still arriving: at the bound the oldest one makes room that has been
	// arriving for over a second, else the new one gets 503. It also applies to messages on
	// their way from publishers to subscribers, for all loops together: beyond it a publish
	// gets 503. Default 256 MiB.
	MaxHeldBytes int
	// RequestTimeout is how long the head of a request may take to arrive, BodyTimeout its
	// body. Default 10 s each.
	RequestTimeout time.Duration
	BodyTimeout    time.Duration
	// IdleTimeout is how long a connection may stay open between requests. It should be longer
	// than a proxy in front keeps idle connections, so that the proxy closes them: otherwise
	// the server may close one just as a request is sent on it. Default 75 s, because proxies
	// keep them for 60 s.
	IdleTimeout time.Duration
	// AdminIdleTimeout is IdleTimeout for the admin side, where backends keep connections for
	// their next message. Default 10 minutes.
	AdminIdleTimeout time.Duration
	// WriteTimeout is how long a reader may be stuck before its connection is cut, plus a
	// second for each reactor.SlowestReader bytes that the server holds for it, or that the
	// kernel has not sent yet. Default 30 s.
	WriteTimeout time.Duration

	// Clients that wait.

	// PollingTimeout is the longest time in which a subscriber gets nothing: then it is sent a
	// noop. Default 30 s.
	PollingTimeout time.Duration
	// RetryTime is the average delay with which browsers reconnect a broken event stream. Each
	// is told another delay, from half to one and a half times this, so that they do not all
	// come at once. Default 3 s; negative: the browser chooses.
	RetryTime time.Duration

	// WebSockets.

	// WSPublish lets clients publish on WebSockets: to any channel or, with AuthToken, to those
	// to which they are subscribed. Pages of other origins may do so only if CORSOrigins has
	// them. A client that has subscribed with a token to publish (/sign with publish=1) may
	// always publish to that channel.
	WSPublish bool
	// WSDeflate compresses messages to clients whose WebSockets offer it. Each message is
	// compressed by itself, once for all of them.
	WSDeflate bool
	// WSMaxMessage bounds the bytes of a client's message on a WebSocket, also after
	// decompression. A longer one closes the WebSocket with 1009. With WSDeflate it is at most
	// 64 KiB. Default 64 KiB.
	WSMaxMessage int
	// WSRate bounds the messages per second that a client sends on a WebSocket. Messages beyond
	// it get 429; pings and pongs beyond it close the WebSocket with 1008. Default 100;
	// negative: no bound.
	WSRate int
	// WSMaxChannels bounds the channels of a WebSocket: a further one gets 429. Default 64, at
	// most 1024.
	WSMaxChannels int

	// Other requests.

	// Compat lists the leniencies for another server's clients. Default none.
	Compat web.Compat
	// Pages are served on the front side.
	Pages []web.Page
	// Public maps paths on the front side to paths of the admin side, which are then open to
	// every client: for demonstrations. Paths that change something accept only POST there.
	// /readyz, /explain and Handlers cannot be mapped.
	Public map[string]string
	// Handlers serve paths of the admin side, GET and HEAD, on goroutines of their own. A path
	// that ends in / stands for all paths below it. At most MaxHandling requests are served at
	// a time, further ones get 503; a response has at most MaxHandled bytes. The request's
	// context ends when the client has gone, or the server ends.
	Handlers map[string]http.Handler
	// Version is the version that /info reports. Default "dev".
	Version string

	// What a server takes over from the one before it, and gives to the next.

	// StateFile names a file that keeps channels, with their numbers, messages and leases, and
	// a random Secret, from one run of the server to the next. It is written every
	// StateInterval (default a minute; negative: never) and when the server ends. Each write
	// makes a new file beside it, which then replaces it. StateFile.lock keeps other servers
	// away. A file that is damaged, or of another version, is renamed to
	// StateFile.bad-YYYYMMDD-HHMMSS. Default none.
	StateFile     string
	StateInterval time.Duration
	// Carried has the channels of a server whose place this one takes (Server.DrainInto). They
	// replace those in the state file. The caller owns it and may close it when New has
	// returned. Default none.
	Carried *os.File
	// Sockets are the listening sockets of a server whose place this one takes. Their addresses
	// are not opened again. The server owns them from New on, and closes those for which it has
	// no address. Default none.
	Sockets []Sockets
	// Inheritable lets another program take over the running server (Server.Park). The process
	// must then execute no other program. Default false.
	Inheritable bool
	// From is a server of another program that this one continues. Default none.
	From *HandedOver

	// Several servers that share channels.

	// Cluster numbers and keeps messages for several servers, instead of this server. Package
	// cluster makes one. The server owns it from New on. Default none.
	Cluster Cluster

	// The surrounding program.

	// Log gets the server's log. The zero Logger is silent.
	Log zerolog.Logger
	// Clock returns the time. Several goroutines call it; a loop does so twice a turn. Default
	// time.Now.
	Clock func() time.Time
	// judge decides which clients may subscribe, instead of tokens. nil: tokens do.
	judge func(broker.Inbox) broker.Judge
}

// DefaultLoops returns how many event loops suit that many CPUs: one for two of them, 1 to
// MaxLoops. So 2 CPUs have 1 loop, 4 have 2 and 16 have 8.
//
// Loops that have little to do share one thread, and then cost what one loop costs
// (reactor/share.go). When one thread is not enough, each gets its own. From then on, mail from
// one loop to another costs a wake-up, a turn and a thread switch, as much as half a publish. A
// publish to one client goes from the publisher's loop to the channel's home, from there to the
// client's loop, and is answered. If these loops are random, it wakes no loop of one, 1.25 of
// two, 2.5 of eight and nearly 3 of many. That is the price of more loops for messages to one
// client at a time; it grows little from four loops on. More loops help when there are many
// clients: each loop writes to its own. The kernel's network, the publishers and a proxy take
// as much CPU as a loop does. So more than one loop for two CPUs helps only if the server has
// the machine to itself.
func DefaultLoops(cpus int) int { return min(max(cpus/2, 1), record.MaxLoops) }

// MaxWSChannels bounds Config.WSMaxChannels, because each request of a client on a WebSocket
// searches its channels. MaxWSDeflated bounds Config.WSMaxMessage with WSDeflate, because a
// message that was made to be expensive takes some 0.1 µs a byte to decompress.
const (
	MaxWSChannels = 1024
	MaxWSDeflated = 64 << 10
)
