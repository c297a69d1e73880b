package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/httplite"
	"strconv"
)

// endpoint is what a path does, and for which methods.
type endpoint struct {
	methods   []httplite.Method
	serve     func(s *Web, x *exchange)
	changes   bool // something: it is no link to follow
	publishes bool // its query, or a POST's body, holds a message
}

var (
	get         = []httplite.Method{httplite.GET}
	getHead     = []httplite.Method{httplite.GET, httplite.HEAD}
	getPost     = []httplite.Method{httplite.GET, httplite.POST}
	post        = []httplite.Method{httplite.POST}
	getHeadPost = []httplite.Method{httplite.GET, httplite.HEAD, httplite.POST}
	anyMethod   = []httplite.Method{httplite.GET, httplite.HEAD, httplite.POST, httplite.PUT, httplite.DELETE}
)

func (e *endpoint) allows(m httplite.Method) bool {
	for _, allowed := range e.methods {
		if m == allowed {
			return true
		}
	}
	return false
}

// table maps the paths of each side to their endpoints.
func table(cfg *Config) (t [conn.NumSides]map[string]endpoint) {
	t[conn.Front] = map[string]endpoint{
		"/sub":    {methods: getHead, serve: subscribeBy(frame.Poll)},
		"/poll":   {methods: getHead, serve: subscribeBy(frame.Poll)},
		"/stream": {methods: getHead, serve: subscribeBy(frame.Stream)},
		"/iframe": {methods: getHead, serve: subscribeBy(frame.Iframe)},
		"/sse":    {methods: getHead, serve: subscribeBy(frame.SSE)},
		"/ping":   {methods: getHead, serve: (*Web).ping},
	}
	t[conn.Admin] = map[string]endpoint{
		"/push":      {methods: getPost, serve: (*Web).push, changes: true, publishes: true},
		"/pub":       {methods: getPost, serve: (*Web).pub, changes: true, publishes: true},
		"/broadcast": {methods: getPost, serve: (*Web).broadcast, changes: true, publishes: true},
		"/sign":      {methods: getPost, serve: controlling(mail.OpSign), changes: true},
		"/close":     {methods: getPost, serve: controlling(mail.OpClose), changes: true},
		"/clear":     {methods: getPost, serve: controlling(mail.OpClear), changes: true},
		"/check":     {methods: getHeadPost, serve: controlling(mail.OpCheck)},
		"/info":      {methods: getHeadPost, serve: (*Web).info},
		"/explain":   {methods: getHead, serve: (*Web).explain},
		"/psub":      {methods: getHeadPost, serve: (*Web).psub},
		"/healthz":   {methods: getHead, serve: (*Web).health},
		"/readyz":    {methods: getHead, serve: (*Web).ready},
		"/stats":     {methods: getHead, serve: (*Web).stats},
	}
	if cfg.Compat.AnyMethod {
		for _, path := range [...]string{"/ping", "/sign", "/close", "/clear", "/check", "/info"} {
			for side := range t {
				if e, ok := t[side][path]; ok {
					e.methods = anyMethod
					t[side][path] = e
				}
			}
		}
	}
	for path, handler := range cfg.Handlers {
		t[conn.Admin][path] = endpoint{methods: getHead, serve: handledBy(handler)}
	}
	t[conn.CComet] = ccometTable()
	for _, page := range cfg.Pages {
		t[conn.Front][page.Path] = endpoint{methods: getHead, serve: func(w *Web, x *exchange) {
			w.reply(x, 200, page.ContentType, page.Body)
		}}
	}
	for path, of := range cfg.Public {
		e := t[conn.Admin][of]
		if e.changes {
			e.methods = post // it is not done by following a link
		}
		t[conn.Front][path] = e
	}
	return t
}

// subscribeBy makes the endpoint of a transport.
func subscribeBy(t frame.Transport) func(*Web, *exchange) {
	return func(w *Web, x *exchange) {
		if err := w.startSub(x, t); err != nil {
			w.fail(x, 400, err.Error())
		}
	}
}

// ping answers without a channel.
func (w *Web) ping(x *exchange) {
	cb, err := w.callbackArg(x)
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	if len(cb) == 0 {
		cb = []byte("icomet_cb")
	}
	w.Object = append(w.Object[:0], `{"type":"ping","sub_timeout":`...)
	w.Object = strconv.AppendInt(w.Object, int64(w.cfg.PollingTimeout.Seconds()), 10)
	w.Object = append(w.Object, '}')
	w.replyJSON(x, cb, w.Object)
}

func (w *Web) health(x *exchange) {
	if w.drain.On() {
		w.reply(x, 503, frame.TypeText, []byte("draining"))
		return
	}
	w.reply(x, 200, frame.TypeText, []byte("ok"))
}
