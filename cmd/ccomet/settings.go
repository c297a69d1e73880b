package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"ccomet/comet"
)

// describe is how --help tells what a flag does, its default and its variable.
func describe(v *kong.Value) string {
	var notes []string
	if v.HasDefault && v.Default != "" {
		notes = append(notes, "default "+v.Default)
	}
	for _, name := range v.Tag.Envs {
		notes = append(notes, "$"+name)
	}
	if len(notes) == 0 {
		return v.Help
	}
	return v.Help + " (" + strings.Join(notes, "; ") + ")"
}

// groups are the headings of "serve --help".
var groups = []kong.Group{
	{Key: "listen", Title: "Where it listens:", Description: "ADDR is HOST:PORT with a numeric host, :PORT for every address, unix:/PATH, or fd:N, a listening socket that the process is started with. Port 0 takes a free one."},
	{Key: "who", Title: "Who may come:", Description: "ADDRS are addresses (10.0.0.5), beginnings of them (10.0.), networks (10.0.0.0/8, fd00::/8), all, or unix for peers on unix sockets; with commas, or the flag repeated. Who is in an allow list may come, whatever else is denied, and who is in neither may not; all, in either list, counts last."},
	{Key: "limits", Title: "Limits:", Description: "Whatever is beyond one is refused with an answer that names it."},
	{Key: "times", Title: "Times:", Description: "S is in seconds (90), or with units (1m30s)."},
	{Key: "process", Title: "The process:"},
	{Key: "server", Title: "The server:"},
	{Key: "proxy", Title: "A proxy in front:"},
}

// settings are what can be set of the server, by flag, environment or file.
// Names and defaults are these tags'; bounds are in check.
type settings struct {
	Front []string `placeholder:"ADDR" default:"127.0.0.1:8100" group:"listen" help:"Where clients subscribe; public. May be repeated."`
	Admin []string `placeholder:"ADDR" default:"127.0.0.1:8000" group:"listen" help:"Where backends publish; keep it private. May be repeated."`

	CComet []string `name:"ccomet" placeholder:"ADDR" group:"listen" help:"Where clients of CComet's own dialect subscribe and publish, without tokens; public. May be repeated. Default: nowhere."`

	Auth       auth   `default:"none" placeholder:"none|token" group:"who" help:"none: anybody; subscribing makes the channel. token: who brings what /sign gave for the channel."`
	Secret     string `placeholder:"KEY" group:"who" help:"The key that tokens are made with. Better set it by the environment than by the flag, which other users can see. Default: random. A token ends with its channel."`
	CORSOrigin string `name:"cors-origin" placeholder:"ORIGIN" group:"who" help:"Let scripts of pages from ORIGIN (such as https://example.com, or *) read answers. Default: only pages of the same origin."`

	FrontAllow    []string `placeholder:"ADDRS" group:"who" help:"From where clients may subscribe. Default, without a deny list: from everywhere."`
	FrontDeny     []string `placeholder:"ADDRS" group:"who" help:"From where they may not."`
	AdminAllow    []string `placeholder:"ADDRS" group:"who" help:"From where backends may publish. Default, without a deny list: from everywhere."`
	AdminDeny     []string `placeholder:"ADDRS" group:"who" help:"From where they may not."`
	TrustedProxy  []string `placeholder:"ADDRS" group:"who" help:"Proxies that are believed when they say whom they ask for, by X-Forwarded-For or the PROXY protocol."`
	ProxyProtocol []string `placeholder:"front|admin" group:"who" help:"Trusted proxies must begin each connection to this side with a PROXY protocol header, of version 1 or 2. May be repeated."`

	MaxChannels              int `default:"0" placeholder:"N" group:"limits" help:"Channels; 0 is no limit."`
	MaxSubscribersPerChannel int `default:"0" placeholder:"N" group:"limits" help:"Subscribers of one channel; 0 is no limit."`
	ChannelBufferSize        int `default:"100" placeholder:"N" group:"limits" help:"Messages a channel keeps for those who come back; 0 keeps none."`
	ChannelBufferBytes       int `default:"1048576" placeholder:"BYTES" group:"limits" help:"Bytes of memory that these messages take."`
	MaxHistoryBytes          int `default:"1073741824" placeholder:"BYTES" group:"limits" help:"Bytes of memory that the messages of all channels take together; beyond it they keep less. Go's garbage collector wants up to as much again."`
	HistoryMinimum           int `default:"1" placeholder:"N" group:"limits" help:"Messages that a channel still keeps then, if that is enough."`
	MaxHeldBytes             int `default:"268435456" placeholder:"BYTES" group:"limits" help:"Bytes held for readers that are stuck, all together; the one that would go beyond it is cut."`
	MaxConnections           int `default:"0" placeholder:"N" group:"limits" help:"Connections, but for the admin side's. Beyond it one that is idle between requests is closed, or the new one is answered 503; 0 is what descriptors allow."`
	MaxConnectionsPerAddress int `default:"0" placeholder:"N" group:"limits" help:"Connections from one address (IPv6: one /64), trusted proxies not counted; beyond it 429. 0 is no limit."`
	AcceptRate               int `default:"0" placeholder:"N" group:"limits" help:"Connections accepted in a second, on each address; the rest wait in the kernel. 0 is no limit."`
	PublishRatePerAddress    int `default:"0" placeholder:"N" group:"limits" help:"Publishes in a second from one address; beyond it 429. 0 is no limit."`
	PublishRatePerChannel    int `default:"0" placeholder:"N" group:"limits" help:"Publishes in a second to one channel; beyond it 429. 0 is no limit."`
	MaxMessage               int `default:"65536" placeholder:"BYTES" group:"limits" help:"Bytes of one message."`
	MaxHead                  int `default:"16384" placeholder:"BYTES" group:"limits" help:"Bytes of a request's line and headers."`

	ChannelTimeout seconds `default:"30" placeholder:"S" group:"times" help:"How long a channel lives without subscribers."`
	PollingTimeout seconds `default:"30" placeholder:"S" group:"times" help:"The longest a subscriber hears nothing: then it gets a noop."`
	RetryTime      seconds `default:"3" placeholder:"S" group:"times" help:"When browsers come back to a broken event stream, on the average: each is told another time, from half to half as much again. 0 leaves it to them."`
	RequestTimeout seconds `default:"10" placeholder:"S" group:"times" help:"How long a request's head may take to arrive."`
	BodyTimeout    seconds `default:"10" placeholder:"S" group:"times" help:"How long its body may take then."`
	IdleTimeout    seconds `default:"75" placeholder:"S" group:"times" help:"How long a connection may stay open between requests: longer than a proxy in front keeps it, which is 60 for most."`
	WriteTimeout   seconds `default:"30" placeholder:"S" group:"times" help:"How long a reader may be stuck before it is cut; a second more for each 8 KiB that are held for it."`

	DrainTime seconds `default:"5" placeholder:"S" group:"times" help:"How long a server that is told to stop takes to send its clients away, so that they do not all come back at once; 0 cuts them."`

	Compat        compat    `default:"" placeholder:"none|icomet" group:"process" help:"icomet: let pass what iComet's server lets pass, and take its limits where none are set. Default: icomet where the server is started as icomet-server, by the icomet command or with an icomet.conf, else none."`
	Config        string    `placeholder:"FILE" group:"process" help:"Read settings from a file: iComet's, which its text tells, or TOML, whose keys are the names of these flags without the dashes in front."`
	Pidfile       string    `placeholder:"FILE" group:"process" help:"Write the process's number there, and refuse to start where it is that of a server that runs."`
	State         string    `placeholder:"FILE" group:"process" help:"Keep channels there from one run to the next: their numbers, messages and leases, and the key of tokens if it is random. Default: they end with the process."`
	StateInterval seconds   `default:"60" placeholder:"S" group:"process" help:"How often that file is written while the server runs; 0 only when it stops."`
	Loops         int       `default:"0" placeholder:"N" group:"process" help:"Event loops; 0 is one a CPU."`
	Demo          bool      `group:"process" help:"Serve a chat page on the front side, and let anybody who opens it publish there."`
	Pprof         bool      `group:"process" help:"Serve profiles of the program on the admin side, under /debug/pprof/, for go tool pprof."`
	LogLevel      logLevel  `default:"info" placeholder:"LEVEL" group:"process" help:"trace, debug, info, warn, error, fatal or none."`
	LogFormat     logFormat `default:"" placeholder:"console|json" group:"process" help:"How log lines look. Default: console on a terminal, else json."`
	LogOutput     string    `default:"stderr" placeholder:"FILE" group:"process" help:"stderr, stdout, or a file that the log is added to."`
	LogRotateSize int       `default:"0" placeholder:"BYTES" group:"process" help:"When the log file is larger than this, rename it to FILE.YYYYMMDD-HHMMSS and begin a new one; 0 never does."`
}

// auth says who may subscribe.
type auth comet.Auth

// UnmarshalText reads "none" or "token".
func (a *auth) UnmarshalText(text []byte) error {
	v, err := comet.ParseAuth(string(text))
	if err != nil {
		return fmt.Errorf("%q: want none or token", text)
	}
	*a = auth(v)
	return nil
}

// maxTime bounds every time that can be set, maxCount what is counted.
const (
	maxTime       = seconds(comet.MaxLease)
	maxSeconds    = int64(comet.MaxLease / time.Second)
	maxCount      = 1 << 30
	maxRotateSize = 1 << 40 // bytes
)

// badSetting is a setting whose value cannot be.
type badSetting struct{ name, reason string }

func (e *badSetting) Error() string { return "--" + e.name + " " + e.reason }

// check tells of values out of bounds, by the names that users know them by.
// The server checks too, but takes 0 for a default.
func (s *settings) check() (bad []*badSetting) {
	for _, n := range []struct {
		name             string
		value, low, high int
	}{
		{"max-channels", s.MaxChannels, 0, maxCount},
		{"max-subscribers-per-channel", s.MaxSubscribersPerChannel, 0, maxCount},
		{"channel-buffer-size", s.ChannelBufferSize, 0, maxCount},
		{"channel-buffer-bytes", s.ChannelBufferBytes, 1, 1 << 40},
		{"max-history-bytes", s.MaxHistoryBytes, 1, 1 << 40},
		{"history-minimum", s.HistoryMinimum, 1, maxCount},
		{"max-held-bytes", s.MaxHeldBytes, 1, 1 << 40},
		{"max-connections", s.MaxConnections, 0, maxCount},
		{"max-connections-per-address", s.MaxConnectionsPerAddress, 0, maxCount},
		{"accept-rate", s.AcceptRate, 0, maxCount},
		{"publish-rate-per-address", s.PublishRatePerAddress, 0, maxCount},
		{"publish-rate-per-channel", s.PublishRatePerChannel, 0, maxCount},
		{"max-message", s.MaxMessage, 1, 1 << 28},
		{"max-head", s.MaxHead, 1024, 1 << 24},
		{"loops", s.Loops, 0, comet.MaxLoops},
		{"log-rotate-size", s.LogRotateSize, 0, maxRotateSize},
	} {
		if n.value < n.low || n.value > n.high {
			bad = append(bad, &badSetting{n.name, fmt.Sprintf("is %d: want %d to %d", n.value, n.low, n.high)})
		}
	}
	for _, t := range []struct {
		name  string
		value seconds
	}{
		{"channel-timeout", s.ChannelTimeout},
		{"polling-timeout", s.PollingTimeout},
		{"request-timeout", s.RequestTimeout},
		{"body-timeout", s.BodyTimeout},
		{"idle-timeout", s.IdleTimeout},
		{"write-timeout", s.WriteTimeout},
	} {
		if t.value < seconds(time.Second) || t.value > maxTime {
			bad = append(bad, &badSetting{t.name, fmt.Sprintf("is %v: want 1s to %v", t.value, maxTime)})
		}
	}
	if s.RetryTime < 0 || s.RetryTime > seconds(time.Hour) {
		bad = append(bad, &badSetting{"retry-time", fmt.Sprintf("is %v: want 0s to 1h", s.RetryTime)})
	}
	for _, t := range []struct {
		name  string
		value seconds
	}{{"drain-time", s.DrainTime}, {"state-interval", s.StateInterval}} {
		if t.value < 0 || t.value > maxTime {
			bad = append(bad, &badSetting{t.name, fmt.Sprintf("is %v: want 0s to %v", t.value, maxTime)})
		}
	}
	return append(bad, s.checkText()...)
}

func (s *settings) checkText() (bad []*badSetting) {
	for _, listen := range []struct {
		name string
		list []string
	}{{"front", s.Front}, {"admin", s.Admin}, {"ccomet", s.CComet}} {
		for _, address := range listen.list {
			if err := checkAddress(address); err != nil {
				bad = append(bad, &badSetting{listen.name, "is " + err.Error()})
			}
		}
	}
	bad = append(bad, s.checkAccess()...)
	for _, b := range []byte(s.CORSOrigin) {
		if b <= ' ' || b > '~' {
			bad = append(bad, &badSetting{"cors-origin", fmt.Sprintf("is %q: want an origin, as in https://example.com", s.CORSOrigin)})
			break
		}
	}
	return bad
}

func (s *settings) checkAccess() (bad []*badSetting) {
	for _, addresses := range []struct {
		name string
		list []string
	}{
		{"front-allow", s.FrontAllow}, {"front-deny", s.FrontDeny}, {"admin-allow", s.AdminAllow}, {"admin-deny", s.AdminDeny},
		{"trusted-proxy", s.TrustedProxy},
	} {
		if _, err := comet.ParseAddresses(addresses.list); err != nil {
			bad = append(bad, &badSetting{addresses.name, "has " + err.Error()})
		}
	}
	for _, side := range s.ProxyProtocol {
		if side != "front" && side != "admin" {
			bad = append(bad, &badSetting{"proxy-protocol", fmt.Sprintf("has %q: want front or admin", side)})
		}
	}
	if len(s.ProxyProtocol) > 0 && len(s.TrustedProxy) == 0 {
		bad = append(bad, &badSetting{"proxy-protocol", "is set without --trusted-proxy, and only trusted proxies may speak it"})
	}
	return bad
}

// server is the server's configuration that the settings come to.
func (s *settings) server(log zerolog.Logger) comet.Config {
	buffer := s.ChannelBufferSize
	if buffer == 0 {
		buffer = -1 // the server's word for none
	}
	retry := time.Duration(s.RetryTime)
	if retry == 0 {
		retry = -1 // the same
	}
	interval := time.Duration(s.StateInterval)
	if interval == 0 {
		interval = -1 // and for never
	}
	return comet.Config{
		Front: s.Front, Admin: s.Admin, CComet: s.CComet, Loops: s.Loops,
		Auth: comet.Auth(s.Auth), Secret: []byte(s.Secret), CORSOrigin: s.CORSOrigin,
		FrontAllow: s.FrontAllow, FrontDeny: s.FrontDeny, AdminAllow: s.AdminAllow, AdminDeny: s.AdminDeny,
		TrustedProxies: s.TrustedProxy, ProxyProtocol: s.ProxyProtocol,
		MaxChannels: s.MaxChannels, MaxSubscribersPerChannel: s.MaxSubscribersPerChannel,
		ChannelBufferSize: buffer, ChannelBufferBytes: s.ChannelBufferBytes,
		MaxHistoryBytes: s.MaxHistoryBytes, HistoryMinimum: s.HistoryMinimum, MaxHeldBytes: s.MaxHeldBytes,
		MaxConnections: s.MaxConnections, MaxConnectionsPerAddress: s.MaxConnectionsPerAddress, AcceptRate: s.AcceptRate,
		PublishRatePerAddress: s.PublishRatePerAddress, PublishRatePerChannel: s.PublishRatePerChannel,
		MaxMessage: s.MaxMessage, MaxHead: s.MaxHead, Compat: s.Compat.leniencies(),
		ChannelTimeout: time.Duration(s.ChannelTimeout),
		PollingTimeout: time.Duration(s.PollingTimeout),
		RequestTimeout: time.Duration(s.RequestTimeout),
		BodyTimeout:    time.Duration(s.BodyTimeout),
		RetryTime:      retry,
		IdleTimeout:    time.Duration(s.IdleTimeout),
		WriteTimeout:   time.Duration(s.WriteTimeout),
		StateFile:      s.State,
		StateInterval:  interval,
		Version:        versionName(),
		Log:            log,
	}
}
