package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/peer"
)

// Config configures the webs of a server. The comments of the server's Config explain its
// fields.
type Config struct {
	FrontAllow, FrontDeny, AdminAllow, AdminDeny []string
	TrustedProxies, ProxyProtocol                []string
	CORSOrigins, AdminOrigins, AdminHosts        []string
	Tokens                                       bool // a subscriber must send its channel's token
	Secret                                       []byte
	Loops                                        int
	MaxChannels, MaxSubscribersPerChannel        int // only named in error texts here
	MaxConnections, MaxConnectionsPerAddress     int
	MaxHeldBytes, MaxMessage, MaxHead            int
	MaxBatch, MaxBatchMessages                   int
	PublishRatePerAddress, PublishRatePerChannel int
	WSPublish, WSDeflate                         bool
	WSMaxMessage, WSRate, WSMaxChannels          int
	ChannelTimeout, PollingTimeout               time.Duration
	RequestTimeout, BodyTimeout                  time.Duration
	IdleTimeout, AdminIdleTimeout                time.Duration
	Compat                                       Compat
	Pages                                        []Page
	Public                                       map[string]string
	Handlers                                     map[string]http.Handler
	RetryTime                                    time.Duration
	Version                                      string
	Log                                          *zerolog.Logger
	Stats                                        func(dst []byte) []byte // appends the answer to /stats
	Cluster                                      broker.Cluster          // nil: no cluster
}

// NeverPublic are paths of the admin side that Config.Public must not expose.
var NeverPublic = []string{"/readyz", "/explain"}

// Check returns an error for each invalid setting.
func (c *Config) Check() error {
	var errs []error
	for path, of := range c.Public {
		switch _, handled := c.Handlers[of]; {
		case handled || slices.Contains(NeverPublic, of):
			errs = append(errs, fmt.Errorf("public path %s: %s is for the admin side alone", path, of))
		case table(&Config{})[conn.Admin][of].serve == nil:
			errs = append(errs, fmt.Errorf("public path %s: the admin side has no %s", path, of))
		}
	}
	if err := checkHandlers(c.Handlers); err != nil {
		errs = append(errs, err)
	}
	if _, err := newAccess(c); err != nil {
		errs = append(errs, err)
	}
	for name, list := range map[string][]string{"CORS origins": c.CORSOrigins, "admin origins": c.AdminOrigins} {
		if _, err := peer.ParseOrigins(list); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	if _, err := ParseHosts(c.AdminHosts); err != nil {
		errs = append(errs, fmt.Errorf("admin hosts: %w", err))
	}
	return errors.Join(errs...)
}

// Page is a static document.
type Page struct {
	Path, ContentType string
	Body              []byte
}
