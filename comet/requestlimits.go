package comet

import (
	"bytes"

	"ccomet/httplite"
)

// requestLimits are what a request may cost. What publishes may say it in its query, so its
// line may be as long as the largest message, escaped.
type requestLimits struct{ plain, publish httplite.Limits }

// escapedSize is how many bytes a byte of content may take in a query or a form.
const escapedSize = 3

func newRequestLimits(cfg *Config) (l requestLimits) {
	message := escapedSize * cfg.MaxMessage
	l.plain = httplite.Limits{Line: cfg.MaxHead / 2, Head: cfg.MaxHead, Body: message + 4096}
	l.publish = l.plain
	l.publish.Line += message
	l.publish.Head += message
	return l
}

// limitsOf returns the limits of a request that begins with p. On the admin side, which is
// for whoever publishes, they are the same for all; elsewhere the path decides, which is long
// here when a line meets the lower limit.
func (w *web) limitsOf(side uint8, p []byte) *httplite.Limits {
	l := &w.srv.limits
	if side == sideAdmin || len(p) > l.plain.Line && w.srv.publishes(side, p) {
		return &l.publish
	}
	return &l.plain
}

// publishes says whether a request that begins with p is for a path that publishes.
func (srv *Server) publishes(side uint8, p []byte) bool {
	p = bytes.TrimPrefix(p, []byte("\r\n")) // an empty line may come first
	_, target, _ := bytes.Cut(p, []byte(" "))
	path := target[:max(bytes.IndexByte(target, '?'), 0)]
	return srv.endpoints[side][string(path)].publishes
}
