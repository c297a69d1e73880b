package comet

import (
	"strconv"

	"ccomet/httplite"
)

// endpoint is what a path does, and for which methods.
type endpoint struct {
	methods   []httplite.Method
	serve     func(s *web, x *exchange)
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
func table(cfg *webConfig) (t [sides]map[string]endpoint) {
	t[sideFront] = map[string]endpoint{
		"/sub":    {methods: getHead, serve: subscribeBy(transportPoll)},
		"/poll":   {methods: getHead, serve: subscribeBy(transportPoll)},
		"/stream": {methods: getHead, serve: subscribeBy(transportStream)},
		"/iframe": {methods: getHead, serve: subscribeBy(transportIframe)},
		"/sse":    {methods: getHead, serve: subscribeBy(transportSSE)},
		"/ping":   {methods: getHead, serve: (*web).ping},
	}
	t[sideAdmin] = map[string]endpoint{
		"/push":      {methods: getPost, serve: (*web).push, changes: true, publishes: true},
		"/pub":       {methods: getPost, serve: (*web).pub, changes: true, publishes: true},
		"/broadcast": {methods: getPost, serve: (*web).broadcast, changes: true, publishes: true},
		"/sign":      {methods: getPost, serve: controlling(opSign), changes: true},
		"/close":     {methods: getPost, serve: controlling(opClose), changes: true},
		"/clear":     {methods: getPost, serve: controlling(opClear), changes: true},
		"/check":     {methods: getHeadPost, serve: controlling(opCheck)},
		"/info":      {methods: getHeadPost, serve: (*web).info},
		"/explain":   {methods: getHead, serve: (*web).explain},
		"/psub":      {methods: getHeadPost, serve: (*web).psub},
		"/healthz":   {methods: getHead, serve: (*web).health},
		"/readyz":    {methods: getHead, serve: (*web).ready},
		"/stats":     {methods: getHead, serve: (*web).stats},
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
		t[sideAdmin][path] = endpoint{methods: getHead, serve: handledBy(handler)}
	}
	t[sideCComet] = ccometTable()
	for _, page := range cfg.Pages {
		t[sideFront][page.Path] = endpoint{methods: getHead, serve: func(w *web, x *exchange) {
			w.reply(x, 200, page.ContentType, page.Body)
		}}
	}
	for path, of := range cfg.Public {
		e := t[sideAdmin][of]
		if e.changes {
			e.methods = post // it is not done by following a link
		}
		t[sideFront][path] = e
	}
	return t
}

// subscribeBy makes the endpoint of a transport.
func subscribeBy(t transport) func(*web, *exchange) {
	return func(w *web, x *exchange) {
		if err := w.startSub(x, t); err != nil {
			w.fail(x, 400, err.Error())
		}
	}
}

// ping answers without a channel.
func (w *web) ping(x *exchange) {
	cb, err := w.callbackArg(x)
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	if len(cb) == 0 {
		cb = []byte("icomet_cb")
	}
	w.object = append(w.object[:0], `{"type":"ping","sub_timeout":`...)
	w.object = strconv.AppendInt(w.object, int64(w.cfg.PollingTimeout.Seconds()), 10)
	w.object = append(w.object, '}')
	w.replyJSON(x, cb, w.object)
}

func (w *web) health(x *exchange) {
	if w.drain.on() {
		w.reply(x, 503, typeText, []byte("draining"))
		return
	}
	w.reply(x, 200, typeText, []byte("ok"))
}
