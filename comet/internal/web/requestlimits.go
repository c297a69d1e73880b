package web

import (
	"bytes"
	"strconv"

	"ccomet/comet/internal/conn"
	"ccomet/httplite"
	"ccomet/reactor"
)

// requestLimits are the limits on the size of a request. An endpoint that publishes accepts the
// largest message, escaped, in the query. A batch has its own limit on the body.
type requestLimits struct{ plain, Publish, Batch httplite.Limits }

// escapedSize is the maximum number of bytes that one byte of content takes in a query or form.
const escapedSize = 3

func newRequestLimits(cfg *Config) (l requestLimits) {
	message := escapedSize * cfg.MaxMessage
	l.plain = httplite.Limits{Line: cfg.MaxHead / 2, Head: cfg.MaxHead, Body: message + 4096}
	l.Publish = l.plain
	l.Publish.Line += message
	l.Publish.Head += message
	l.Batch = l.plain
	l.Batch.Body = cfg.MaxBatch
	return l
}

// limitsOf returns the limits of a request that begins with p. On the admin side all requests
// except batches have the limits of a publish. On the other sides the path decides, and only
// once the line exceeds the plain limit: then the path has completely arrived.
func (s *Site) limitsOf(side uint8, p []byte) *httplite.Limits {
	l := &s.Limits
	if s.isBatch(side, p) {
		return &l.Batch
	}
	if side == conn.Admin || len(p) > l.plain.Line && s.publishes(side, p) {
		return &l.Publish
	}
	return &l.plain
}

// isBatch reports whether a request that begins with p is for a path that accepts batches.
func (s *Site) isBatch(side uint8, p []byte) bool {
	target, post := bytes.CutPrefix(bytes.TrimPrefix(p, []byte("\r\n")), []byte("POST "))
	if !post {
		return false
	}
	end := bytes.IndexAny(target, " ?")
	return end > 0 && s.Endpoints[side][string(target[:end])].batch
}

// namedLimit returns the error of a request that could not be parsed. If a limit was exceeded,
// the text also names the settings that the limit comes from (newRequestLimits).
func (w *Web) namedLimit(c reactor.Conn, req *httplite.Request, err error) *httplite.Error {
	e, plain := err.(*httplite.Error), &w.site.Limits.plain
	head, message := "max-head is "+strconv.Itoa(w.cfg.MaxHead), "max-message is "+strconv.Itoa(w.cfg.MaxMessage)
	reason := e.Error()
	switch e.Kind {
	case httplite.BodyTooLarge:
		if at, _ := w.site.endpoint(w.Side(c), req.Path()); at.batch && e.Limit == w.cfg.MaxBatch {
			reason = "the body is too long: max-batch is " + strconv.Itoa(w.cfg.MaxBatch)
		} else {
			reason += " (" + message + ")"
		}
	case httplite.LineTooLong, httplite.HeadTooLarge, httplite.ChunkExtTooLarge:
		if e.Limit == plain.Line || e.Limit == plain.Head {
			reason += " (" + head + ")"
		} else {
			reason += " (" + head + ", " + message + ")"
		}
	default:
		return e
	}
	return &httplite.Error{Kind: e.Kind, Status: e.Status, Reason: reason}
}
