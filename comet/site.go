package comet

import (
	"bytes"
	"sync/atomic"
)

// site is what the webs of all loops share. It is settled before any of them runs, but
// for what they count together.
type site struct {
	cfg        *webConfig
	access     access
	cors       [sides]cors
	adminHosts Hosts
	iframeHead []byte
	limits     requestLimits
	endpoints  [sides]map[string]endpoint
	subtrees   []string // paths of Config.Handlers that stand for all below them

	denials    denials
	pageWarned atomic.Bool   // of a page that may not publish, but does
	crowd      *crowd        // nil: connections are not counted by address
	publishers *addressRates // nil: nor publishes
}

// newSite makes the site of a configuration that check has found good.
func newSite(cfg *webConfig) *site {
	s := &site{cfg: cfg, limits: newRequestLimits(cfg), endpoints: table(cfg), subtrees: subtrees(cfg.Handlers)}
	s.access, _ = newAccess(cfg)
	s.access.warnClosed(cfg.Log)
	s.cors = [sides]cors{sideFront: newCORS(cfg.CORSOrigins), sideAdmin: newCORS(cfg.AdminOrigins)}
	s.iframeHead = newIframeHead(&s.cors[sideFront].origins)
	s.adminHosts, _ = ParseHosts(cfg.AdminHosts)
	if cfg.MaxConnectionsPerAddress > 0 {
		s.crowd = new(crowd)
	}
	if cfg.PublishRatePerAddress > 0 {
		s.publishers = new(addressRates)
	}
	return s
}

// tellsApart says whether it matters which address a connection is from.
func (s *site) tellsApart() bool { return s.crowd != nil || s.publishers != nil }

// endpoint is what serves a path.
func (s *site) endpoint(side uint8, path []byte) (e endpoint, known bool) {
	if e, known = s.endpoints[side][string(path)]; known || side != sideAdmin {
		return e, known
	}
	for _, above := range s.subtrees {
		if bytes.HasPrefix(path, []byte(above)) {
			return s.endpoints[side][above], true
		}
	}
	return e, false
}

// publishes says whether a request that begins with p is for a path that publishes.
func (s *site) publishes(side uint8, p []byte) bool {
	p = bytes.TrimPrefix(p, []byte("\r\n")) // an empty line may come first
	_, target, _ := bytes.Cut(p, []byte(" "))
	path := target[:max(bytes.IndexByte(target, '?'), 0)]
	return s.endpoints[side][string(path)].publishes
}
