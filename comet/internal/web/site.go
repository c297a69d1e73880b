package web

import (
	"bytes"
	"sync/atomic"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/httplite/websocket"
)

// Site is what the webs of all loops share. It does not change once they run, except for common
// counters and flags.
type Site struct {
	cfg        *Config
	Access     access
	cors       [conn.NumSides]frame.Cors
	adminHosts Hosts
	iframeHead []byte
	Limits     requestLimits
	Endpoints  [conn.NumSides]map[string]endpoint
	subtrees   []string // paths of Config.Handlers that end in "/"

	Sockets                   websocket.Options
	socketRules, deflateRules websocket.Rules

	Upgrading   atomic.Bool // an upgrade to another program is imminent; /readyz reports it
	denials     denials
	pageWarned  atomic.Bool        // the warning about requests of foreign pages was logged
	AddrCounter *limit.AddrCounter // nil: connections are not counted by address
	Publishers  *limit.AddrRates   // nil: publishes are not limited by address
}

// NewSite returns the Site of a configuration that has passed Check.
func NewSite(cfg *Config) *Site {
	s := &Site{cfg: cfg, Limits: newRequestLimits(cfg), Endpoints: table(cfg), subtrees: subtrees(cfg.Handlers)}
	s.Access, _ = newAccess(cfg)
	s.Access.warnClosed(cfg.Log)
	s.cors = [conn.NumSides]frame.Cors{conn.Front: frame.NewCORS(cfg.CORSOrigins), conn.Admin: frame.NewCORS(cfg.AdminOrigins)}
	s.iframeHead = frame.NewIframeHead(&s.cors[conn.Front].Origins)
	s.Sockets = websocket.Options{Protocols: []string{subprotocol}, Deflate: cfg.WSDeflate}
	s.socketRules = websocket.Rules{Message: cfg.WSMaxMessage}
	s.deflateRules = websocket.Rules{Message: cfg.WSMaxMessage, Deflate: true}
	s.adminHosts, _ = ParseHosts(cfg.AdminHosts)
	if cfg.MaxConnectionsPerAddress > 0 {
		s.AddrCounter = new(limit.AddrCounter)
	}
	if cfg.PublishRatePerAddress > 0 {
		s.Publishers = new(limit.AddrRates)
	}
	return s
}

// endpoint returns the endpoint of a path.
func (s *Site) endpoint(side uint8, path []byte) (e endpoint, known bool) {
	if e, known = s.Endpoints[side][string(path)]; known || side != conn.Admin {
		return e, known
	}
	for _, above := range s.subtrees {
		if bytes.HasPrefix(path, []byte(above)) {
			return s.Endpoints[side][above], true
		}
	}
	return e, false
}

// publishes reports whether a request that begins with p is for a path that publishes.
func (s *Site) publishes(side uint8, p []byte) bool {
	p = bytes.TrimPrefix(p, []byte("\r\n")) // an empty line may come first
	_, target, _ := bytes.Cut(p, []byte(" "))
	path := target[:max(bytes.IndexByte(target, '?'), 0)]
	return s.Endpoints[side][string(path)].publishes
}
