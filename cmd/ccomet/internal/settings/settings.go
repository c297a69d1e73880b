// Package settings defines the server's settings: names, defaults, bounds.
package settings

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"ccomet/cmd/ccomet/internal/logging"
	"ccomet/comet"
)

// Settings are the server's settings from flags, environment and file. The tags define
// names and defaults, Check the bounds, ccomet.toml the explanations.
type Settings struct {
	Front []string `placeholder:"ADDR" default:"127.0.0.1:8100"`
	Admin []string `placeholder:"ADDR" default:"127.0.0.1:8000"`

	CComet []string `name:"ccomet" placeholder:"ADDR"`

	Auth       auth     `default:"none" placeholder:"none|token"`
	Secret     string   `placeholder:"KEY"`
	CORSOrigin []string `name:"cors-origin" placeholder:"ORIGINS"`

	AdminHost   []string `placeholder:"NAMES"`
	AdminOrigin []string `placeholder:"ORIGINS"`

	FrontAllow    []string `placeholder:"ADDRS"`
	FrontDeny     []string `placeholder:"ADDRS"`
	AdminAllow    []string `placeholder:"ADDRS"`
	AdminDeny     []string `placeholder:"ADDRS"`
	TrustedProxy  []string `placeholder:"ADDRS"`
	ProxyProtocol []string `placeholder:"front|admin"`

	MaxChannels              int `default:"0" placeholder:"N"`
	MaxSubscribersPerChannel int `default:"0" placeholder:"N"`
	ChannelBufferSize        int `default:"100" placeholder:"N"`
	ChannelBufferBytes       int `default:"1048576" placeholder:"BYTES"`
	MaxHistoryBytes          int `default:"1073741824" placeholder:"BYTES"`
	HistoryMinimum           int `default:"1" placeholder:"N"`
	MaxHeldBytes             int `default:"268435456" placeholder:"BYTES"`
	MaxConnections           int `default:"0" placeholder:"N"`
	MaxConnectionsPerAddress int `default:"0" placeholder:"N"`
	AcceptRate               int `default:"0" placeholder:"N"`
	PublishRatePerAddress    int `default:"0" placeholder:"N"`
	PublishRatePerChannel    int `default:"0" placeholder:"N"`
	MaxMessage               int `default:"65536" placeholder:"BYTES"`
	MaxBatch                 int `default:"1048576" placeholder:"BYTES"`
	MaxBatchMessages         int `default:"10000" placeholder:"N"`
	MaxPublishKeys           int `default:"1000000" placeholder:"N"`
	MaxHead                  int `default:"32768" placeholder:"BYTES"`

	WSPublish     bool `name:"ws-publish"`
	WSDeflate     bool `name:"ws-deflate"`
	WSMaxMessage  int  `name:"ws-max-message" default:"65536" placeholder:"BYTES"`
	WSRate        int  `name:"ws-rate" default:"100" placeholder:"N"`
	WSMaxChannels int  `name:"ws-max-channels" default:"64" placeholder:"N"`

	ChannelTimeout   Seconds `default:"30" placeholder:"S"`
	PollingTimeout   Seconds `default:"30" placeholder:"S"`
	RetryTime        Seconds `default:"3" placeholder:"S"`
	RequestTimeout   Seconds `default:"10" placeholder:"S"`
	BodyTimeout      Seconds `default:"10" placeholder:"S"`
	IdleTimeout      Seconds `default:"75" placeholder:"S"`
	AdminIdleTimeout Seconds `default:"600" placeholder:"S"`
	WriteTimeout     Seconds `default:"30" placeholder:"S"`

	DrainTime DrainTime `default:"5" placeholder:"S"`

	Cluster `embed:""`

	Compat        Compat  `default:"" placeholder:"none|icomet"`
	Config        string  `placeholder:"FILE" group:"The process" help:"A file to read settings from: TOML, whose keys are the names of these flags without the leading dashes, or an icomet.conf. The server recognises which by the text."`
	Pidfile       string  `placeholder:"FILE"`
	State         string  `placeholder:"FILE"`
	StateInterval Seconds `default:"60" placeholder:"S"`
	Loops         int     `default:"0" placeholder:"N"`
	LiveUpgrade   bool    `default:"true" negatable:""`
	Demo          bool
	Pprof         bool
	LogLevel      logging.Level  `default:"info" placeholder:"LEVEL"`
	LogFormat     logging.Format `default:"" placeholder:"console|json"`
	LogOutput     string         `default:"stderr" placeholder:"FILE"`
	LogRotateSize int            `default:"0" placeholder:"BYTES"`
}

// Trim removes white space around the elements of lists.
func (s *Settings) Trim() {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if list, ok := v.Field(i).Interface().([]string); ok {
			TrimList(list)
		}
	}
	TrimList(s.Redis)
}

// TrimList removes white space around each element of a list, in place.
func TrimList(list []string) {
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
}

// auth selects which clients may subscribe.
type auth comet.Auth

// UnmarshalText parses "none" or "token".
func (a *auth) UnmarshalText(text []byte) error {
	v, err := comet.ParseAuth(string(text))
	if err != nil {
		return fmt.Errorf("%q: want none or token", text)
	}
	*a = auth(v)
	return nil
}

// MaxTime is the largest duration that can be set, MaxCount the largest number.
const (
	MaxTime       = Seconds(comet.MaxLease)
	MaxSeconds    = int64(comet.MaxLease / time.Second)
	MaxCount      = 1 << 30
	MaxRotateSize = 1 << 40 // bytes
)

// Bad is a setting with an invalid value.
type Bad struct{ Name, Reason string }

func (e *Bad) Error() string { return "--" + e.Name + " " + e.Reason }

// Check returns the settings that are out of bounds, by their names. comet.Config is
// checked too, but there 0 means the default.
func (s *Settings) Check() (bad []*Bad) {
	for _, n := range []struct {
		name             string
		value, low, high int
	}{
		{"max-channels", s.MaxChannels, 0, MaxCount},
		{"max-subscribers-per-channel", s.MaxSubscribersPerChannel, 0, MaxCount},
		{"channel-buffer-size", s.ChannelBufferSize, 0, MaxCount},
		{"channel-buffer-bytes", s.ChannelBufferBytes, 1, 1 << 40},
		{"max-history-bytes", s.MaxHistoryBytes, 1, 1 << 40},
		{"history-minimum", s.HistoryMinimum, 1, MaxCount},
		{"max-held-bytes", s.MaxHeldBytes, 1, 1 << 40},
		{"max-connections", s.MaxConnections, 0, MaxCount},
		{"max-connections-per-address", s.MaxConnectionsPerAddress, 0, MaxCount},
		{"accept-rate", s.AcceptRate, 0, MaxCount},
		{"publish-rate-per-address", s.PublishRatePerAddress, 0, MaxCount},
		{"publish-rate-per-channel", s.PublishRatePerChannel, 0, MaxCount},
		{"max-message", s.MaxMessage, 1, 1 << 28},
		{"max-batch", s.MaxBatch, 1, 1 << 28},
		{"max-batch-messages", s.MaxBatchMessages, 1, 1 << 20},
		{"max-publish-keys", s.MaxPublishKeys, 1, 1 << 28},
		{"max-head", s.MaxHead, 1024, 1 << 24},
		{"ws-max-message", s.WSMaxMessage, 128, 1 << 28},
		{"ws-rate", s.WSRate, 0, 100_000},
		{"ws-max-channels", s.WSMaxChannels, 1, comet.MaxWSChannels},
		{"loops", s.Loops, 0, comet.MaxLoops},
		{"log-rotate-size", s.LogRotateSize, 0, MaxRotateSize},
	} {
		if n.value < n.low || n.value > n.high {
			bad = append(bad, &Bad{n.name, fmt.Sprintf("is %d: want %d to %d", n.value, n.low, n.high)})
		}
	}
	if s.WSDeflate && s.WSMaxMessage > comet.MaxWSDeflated {
		bad = append(bad, &Bad{"ws-max-message", fmt.Sprintf("is %d: with --ws-deflate want 128 to %d", s.WSMaxMessage, comet.MaxWSDeflated)})
	}
	return append(append(bad, s.checkTimes()...), s.checkText()...)
}

func (s *Settings) checkTimes() (bad []*Bad) {
	for _, t := range []struct {
		name  string
		value Seconds
	}{
		{"channel-timeout", s.ChannelTimeout},
		{"polling-timeout", s.PollingTimeout},
		{"request-timeout", s.RequestTimeout},
		{"body-timeout", s.BodyTimeout},
		{"idle-timeout", s.IdleTimeout},
		{"admin-idle-timeout", s.AdminIdleTimeout},
		{"write-timeout", s.WriteTimeout},
	} {
		if t.value < Seconds(time.Second) || t.value > MaxTime {
			bad = append(bad, &Bad{t.name, fmt.Sprintf("is %v: want 1s to %v", t.value, MaxTime)})
		}
	}
	if s.RetryTime < 0 || s.RetryTime > Seconds(time.Hour) {
		bad = append(bad, &Bad{"retry-time", fmt.Sprintf("is %v: want 0s to 1h", s.RetryTime)})
	}
	for _, t := range []struct {
		name  string
		value Seconds
	}{{"drain-time", Seconds(s.DrainTime)}, {"state-interval", s.StateInterval}} {
		if t.value < 0 || t.value > MaxTime {
			bad = append(bad, &Bad{t.name, fmt.Sprintf("is %v: want 0s to %v", t.value, MaxTime)})
		}
	}
	return bad
}

func (s *Settings) checkText() (bad []*Bad) {
	for _, listen := range []struct {
		name string
		list []string
	}{{"front", s.Front}, {"admin", s.Admin}, {"ccomet", s.CComet}} {
		for _, address := range listen.list {
			if err := CheckAddress(address); err != nil {
				bad = append(bad, &Bad{listen.name, "is " + err.Error()})
			}
		}
	}
	bad = append(bad, s.checkAccess()...)
	return append(bad, s.Cluster.check()...)
}

func (s *Settings) checkAccess() (bad []*Bad) {
	for _, addresses := range []struct {
		name string
		list []string
	}{
		{"front-allow", s.FrontAllow}, {"front-deny", s.FrontDeny}, {"admin-allow", s.AdminAllow}, {"admin-deny", s.AdminDeny},
		{"trusted-proxy", s.TrustedProxy},
	} {
		if _, err := comet.ParseAddresses(addresses.list); err != nil {
			bad = append(bad, &Bad{addresses.name, "has " + err.Error()})
		}
	}
	for _, origins := range []struct {
		name string
		list []string
	}{{"cors-origin", s.CORSOrigin}, {"admin-origin", s.AdminOrigin}} {
		if _, err := comet.ParseOrigins(origins.list); err != nil {
			bad = append(bad, &Bad{origins.name, "has " + oneLine(err)})
		}
	}
	if _, err := comet.ParseHosts(s.AdminHost); err != nil {
		bad = append(bad, &Bad{"admin-host", "has " + oneLine(err)})
	}
	for _, side := range s.ProxyProtocol {
		if side != "front" && side != "admin" {
			bad = append(bad, &Bad{"proxy-protocol", fmt.Sprintf("has %q: want front or admin", side)})
		}
	}
	if len(s.ProxyProtocol) > 0 && len(s.TrustedProxy) == 0 {
		bad = append(bad, &Bad{"proxy-protocol", "is set without --trusted-proxy, and only trusted proxies may use it"})
	}
	return bad
}

// oneLine returns the text of an error, also of a joined one, on one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", ", and ") }

// ServerConfig converts the settings to the server's configuration.
func (s *Settings) ServerConfig(log zerolog.Logger) comet.Config {
	buffer := s.ChannelBufferSize
	if buffer == 0 {
		buffer = -1 // means none in comet.Config
	}
	rate := s.WSRate
	if rate == 0 {
		rate = -1 // likewise
	}
	retry := time.Duration(s.RetryTime)
	if retry == 0 {
		retry = -1 // likewise
	}
	interval := time.Duration(s.StateInterval)
	if interval == 0 {
		interval = -1 // means never
	}
	return comet.Config{
		Front: s.Front, Admin: s.Admin, CComet: s.CComet, Loops: s.Loops, Inheritable: s.LiveUpgrade,
		Auth: comet.Auth(s.Auth), Secret: []byte(s.Secret), CORSOrigins: s.CORSOrigin, AdminOrigins: s.AdminOrigin, AdminHosts: s.AdminHost,
		FrontAllow: s.FrontAllow, FrontDeny: s.FrontDeny, AdminAllow: s.AdminAllow, AdminDeny: s.AdminDeny,
		TrustedProxies: s.TrustedProxy, ProxyProtocol: s.ProxyProtocol,
		MaxChannels: s.MaxChannels, MaxSubscribersPerChannel: s.MaxSubscribersPerChannel,
		ChannelBufferSize: buffer, ChannelBufferBytes: s.ChannelBufferBytes,
		MaxHistoryBytes: s.MaxHistoryBytes, HistoryMinimum: s.HistoryMinimum, MaxHeldBytes: s.MaxHeldBytes,
		MaxConnections: s.MaxConnections, MaxConnectionsPerAddress: s.MaxConnectionsPerAddress, AcceptRate: s.AcceptRate,
		PublishRatePerAddress: s.PublishRatePerAddress, PublishRatePerChannel: s.PublishRatePerChannel,
		MaxBatch: s.MaxBatch, MaxBatchMessages: s.MaxBatchMessages, MaxPublishKeys: s.MaxPublishKeys,
		MaxMessage: s.MaxMessage, MaxHead: s.MaxHead, Compat: s.Compat.leniencies(),
		WSPublish: s.WSPublish, WSDeflate: s.WSDeflate, WSMaxMessage: s.WSMaxMessage, WSRate: rate, WSMaxChannels: s.WSMaxChannels,
		ChannelTimeout:   time.Duration(s.ChannelTimeout),
		PollingTimeout:   time.Duration(s.PollingTimeout),
		RequestTimeout:   time.Duration(s.RequestTimeout),
		BodyTimeout:      time.Duration(s.BodyTimeout),
		RetryTime:        retry,
		IdleTimeout:      time.Duration(s.IdleTimeout),
		AdminIdleTimeout: time.Duration(s.AdminIdleTimeout),
		WriteTimeout:     time.Duration(s.WriteTimeout),
		StateFile:        s.State,
		StateInterval:    interval,
		Log:              log,
	}
}

// New parses settings from the given resolvers alone, and returns them with their flags.
func New(options ...kong.Option) (*Settings, []*kong.Flag, error) {
	var s struct{ Settings }
	parser, err := kong.New(&s, options...)
	if err != nil {
		return nil, nil, err
	}
	_, err = parser.Parse(nil)
	return &s.Settings, parser.Model.Flags, err
}
