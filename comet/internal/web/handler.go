package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/httplite"
	"ccomet/reactor"
)

// A path of Config.Handlers is served by a net/http handler, which runs on a goroutine of its
// own:
//
//  1. handle copies the request, and adds a pending reply to the connection's pipeline.
//  2. serveHandler runs the handler, which writes into memory. When it returns, the loop gets
//     mail.
//  3. Handled marks the reply done. When all earlier replies are written (pipeline.go),
//     sendHandled passes the whole answer to the socket.
//  4. handlers.drop forgets the request once its answer is written or the connection has gone.
//
// From step 1 to step 4 the request counts towards MaxHandling. If the connection closes before
// the handler returns, the context of the request is cancelled; the request counts until the
// handler returns.

// handlers holds the handled requests of a loop's connections, until their answers are
// completely written.
type handlers struct {
	list   []*handling
	loop   *reactor.Loop
	totals *limit.Totals
}

// find returns the request of a connection with that number in its pipeline, or nil.
func (hs *handlers) find(c reactor.Conn, number uint32) *handling {
	for _, h := range hs.list {
		if h.conn == c && h.number == number {
			return h
		}
	}
	return nil
}

// runs reports whether a handler of a connection's request has not returned yet.
func (hs *handlers) runs(c reactor.Conn) bool {
	return slices.ContainsFunc(hs.list, func(h *handling) bool { return h.conn == c && h.state == handlingRuns })
}

// Cancel cancels the contexts of a connection's requests, or of all requests if c is 0.
func (hs *handlers) Cancel(c reactor.Conn) {
	for _, h := range hs.list {
		if h.conn == c || c == 0 {
			h.cancel()
		}
	}
}

// drop forgets the requests of a connection whose answers are sent, and those that wait for
// their turn if the connection is gone.
func (hs *handlers) drop(c reactor.Conn) {
	if len(hs.list) == 0 {
		return
	}
	alive, before := hs.loop.Alive(c), len(hs.list)
	hs.list = slices.DeleteFunc(hs.list, func(h *handling) bool {
		return h.conn == c && (h.state == handlingSent || h.state == handlingWaits && !alive)
	})
	hs.totals.Handling.Add(int64(len(hs.list) - before))
}

const (
	MaxHandling = 4        // concurrent handled requests, on all loops
	MaxHandled  = 16 << 20 // maximum size of a handler's answer, in bytes
)

// handling is one request that a handler serves, with its answer. It belongs to the handler's
// goroutine until the loop gets the mail that the handler has returned.
type handling struct {
	conn   reactor.Conn
	number uint32 // number of its pending reply
	cancel context.CancelFunc
	state  handlingState // only the loop uses it

	header http.Header
	status int
	answer []byte // starts at headRoom
	err    error  // why the handler has failed
}

type handlingState uint8

const (
	handlingRuns handlingState = iota
	handlingWaits
	handlingSent // passed to the socket, perhaps not completely written
)

// headRoom bytes are reserved in front of an answer for the response head, which is rendered
// when the answer is sent. So a long answer need not be copied.
const headRoom = 2 << 10

var errTooLong = fmt.Errorf("the answer is longer than %d bytes: ask for less, or for a shorter time", MaxHandled)

func (h *handling) Header() http.Header { return h.header }

func (h *handling) WriteHeader(status int) {
	if h.status == 0 && status >= 200 {
		h.status = status
	}
}

func (h *handling) Write(p []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	if len(h.answer)-headRoom+len(p) > MaxHandled {
		h.err = errTooLong
		return 0, h.err
	}
	h.answer = append(h.answer, p...)
	return len(p), nil
}

// checkHandlers returns an error for each path that cannot be served.
func checkHandlers(handlers map[string]http.Handler) error {
	var errs []error
	taken := table(&Config{})[conn.Admin]
	for path, handler := range handlers {
		_, known := taken[path]
		switch {
		case !strings.HasPrefix(path, "/"):
			errs = append(errs, fmt.Errorf("handler of path %q: a path begins with /", path))
		case known:
			errs = append(errs, fmt.Errorf("handler of path %s: the admin side has that path already", path))
		case handler == nil:
			errs = append(errs, fmt.Errorf("handler of path %s is nil", path))
		}
	}
	return errors.Join(errs...)
}

// subtrees returns the paths that end in "/", which serve everything below them, longest first.
func subtrees(handlers map[string]http.Handler) (paths []string) {
	for path := range handlers {
		if strings.HasSuffix(path, "/") {
			paths = append(paths, path)
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return paths
}

// handledBy returns the endpoint of a handler.
func handledBy(handler http.Handler) func(*Web, *exchange) {
	return func(w *Web, x *exchange) { w.handle(x, handler) }
}

// handle starts a handler for a request.
func (w *Web) handle(x *exchange, handler http.Handler) {
	req, err := x.toNetHTTP(w.loop)
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	if w.totals.Handling.Add(1) > MaxHandling {
		w.totals.Handling.Add(-1)
		x.headers = limit.RetryAfter(w.Object[:0], limit.RefusedSeconds)
		w.Object = x.headers
		w.fail(x, 503, "too many requests of this kind are under way: at most "+strconv.Itoa(MaxHandling))
		return
	}
	h := &handling{conn: x.conn, header: http.Header{}, answer: make([]byte, headRoom)}
	h.number = w.pipelines.await(x, pendingReply{handled: true})
	req, h.cancel = withCancel(req)
	w.Handlers.list = append(w.Handlers.list, h)
	inbox := w.Inbox // the goroutine may use nothing else of the loop
	go serveHandler(w.cfg.Log, handler, h, req, func() { inbox.Post(mail.OfRequest(mail.Handled, mail.ReplyTo{Conn: h.conn, Reply: h.number})) })
}

func withCancel(req *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	return req.WithContext(ctx), cancel
}

// toNetHTTP copies a request, which has no body.
func (x *exchange) toNetHTTP(loop *reactor.Loop) (*http.Request, error) {
	target := string(x.req.Path())
	if query := x.req.Query(); len(query) > 0 {
		target += "?" + string(query)
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, errors.New("the request target cannot be decoded")
	}
	req := &http.Request{
		Method: x.req.Method().String(), URL: u, RequestURI: target, Host: string(x.req.Host()),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody,
	}
	if x.http10 {
		req.Proto, req.ProtoMinor = "HTTP/1.0", 0
	}
	for i := range x.req.NumHeaders() {
		if name, value := x.req.HeaderAt(i); !strings.EqualFold(string(name), "Host") {
			req.Header.Add(string(name), string(value))
		}
	}
	if peer, err := loop.Peer(x.conn); err == nil && peer.IsValid() {
		req.RemoteAddr = peer.String()
	}
	return req, nil
}

// serveHandler runs a handler, and tells the loop when it has returned or panicked.
func serveHandler(log *zerolog.Logger, handler http.Handler, h *handling, req *http.Request, tell func()) {
	defer tell()
	defer func() {
		if v := recover(); v != nil {
			h.err = errors.New("the handler of this path failed: see the log")
			log.Error().Str("path", req.URL.Path).Str("panic", fmt.Sprint(v)).Str("stack", string(debug.Stack())).Msg("a handler panicked")
		}
	}()
	handler.ServeHTTP(h, req)
}

// Handled handles mail.Handled: a handler has returned.
func (w *Web) Handled(m *mail.Mail) {
	h := w.Handlers.find(m.Conn, m.Reply())
	h.cancel() // releases the context's resources
	h.state = handlingWaits
	i := w.pipelines.of(m.Conn)
	if i == 0 {
		w.Handlers.drop(m.Conn) // the connection is gone
		return
	}
	w.pipelines.at(i).reply(m.Reply()).done = true
	w.pipelines.markReady(i)
}

// sendHandled writes a handler's answer. Bytes that the socket does not accept are buffered
// where they are, without a copy.
func (w *Web) sendHandled(c reactor.Conn, reply *pendingReply, number uint32) {
	h := w.Handlers.find(c, number)
	response := w.renderHandled(h, reply)
	n, err := w.loop.TryWrite(c, response)
	if err == nil && n < len(response) {
		w.loop.Hold(c, &reactor.Frame{Bytes: response, Uncounted: true}, n)
	}
	h.state = handlingSent
	if !w.loop.Blocked(c) {
		w.Handlers.drop(c)
	}
}

// ownHeaders are header fields that the server writes itself; a handler's values are ignored.
var ownHeaders = []string{"Content-Type", "Content-Length", "Date", "Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade",
	"Cache-Control", "Expires", "X-Content-Type-Options"}

// renderHandled returns the response with a handler's answer, with the head in front.
func (r *responder) renderHandled(h *handling, reply *pendingReply) []byte {
	x := reply.exchange()
	if h.err != nil {
		r.totals.Refused.Add(1)
		return r.appendResponse(nil, &x, 500, frame.TypeText, []byte(h.err.Error()+"\n"))
	}
	h.WriteHeader(http.StatusOK)
	body := h.answer[headRoom:]
	contentType := h.header.Get("Content-Type")
	if contentType == "" {
		contentType = http.DetectContentType(body)
	}
	for _, name := range ownHeaders {
		h.header.Del(name)
	}
	head := r.AppendHead(r.Scratch[:0], x.side, frame.Head{Conn: h.conn.Index(), Status: h.status, ContentType: contentType, HTTP10: x.http10, CloseAfter: x.closeAfter})
	for _, name := range slices.Sorted(maps.Keys(h.header)) {
		for _, value := range h.header[name] {
			head = httplite.AppendHeader(head, name, value)
		}
	}
	head = httplite.EndHeaders(httplite.AppendHeaderInt(head, "Content-Length", int64(len(body))))
	r.Scratch = head
	if x.isHEAD {
		return slices.Clone(head)
	}
	if len(head) > headRoom {
		return append(slices.Clone(head), body...)
	}
	return append(h.answer[:headRoom-len(head)], head...)[headRoom-len(head) : len(h.answer)]
}
