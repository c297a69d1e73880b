package web

import (
	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
)

// iComet's dialect, on the front side and the admin side. topic.go parses the requests of its
// clients, admin.go those of its backends; icometanswer.go writes the answers.
var icometDialect = dialect{addPaths: addICometPaths, nameBuffer: icometNameBuffer, maxName: record.MaxName}

// eventsPath is the path of server-sent events.
const eventsPath = "/sse"

func icometNameBuffer(cname []byte) (*bytebufferpool.ByteBuffer, uint8) {
	return pool.NameBuffer(cname), uint8(len(cname))
}

func addICometPaths(t *endpoints, cfg *Config) {
	t.addAll(conn.Front, map[string]endpoint{
		"/sub":     {methods: getHead, serve: subscribeBy(frame.Poll)},
		"/poll":    {methods: getHead, serve: subscribeBy(frame.Poll)},
		"/stream":  {methods: getHead, serve: subscribeBy(frame.Stream)},
		"/iframe":  {methods: getHead, serve: subscribeBy(frame.Iframe)},
		eventsPath: {methods: getHead, serve: subscribeBy(frame.SSE)},
		"/history": {methods: getHead, serve: (*Web).history},
		"/ws":      {methods: get, serve: (*Web).upgrade},
		"/ping":    {methods: getHead, serve: (*Web).ping},
	})
	t.addAll(conn.Admin, map[string]endpoint{
		"/push":      {methods: getPost, serve: publishing(false), changes: true, publishes: true},
		"/pub":       {methods: getPost, serve: publishing(true), changes: true, publishes: true},
		"/publish":   {methods: post, serve: (*Web).publishBatch, changes: true, batch: true},
		"/broadcast": {methods: getPost, serve: (*Web).broadcast, changes: true, publishes: true},
		"/sign":      {methods: getPost, serve: controlling(mail.OpSign, (*responder).signed), changes: true},
		"/close":     {methods: getPost, serve: controlling(mail.OpClose, (*responder).ended), changes: true},
		"/clear":     {methods: getPost, serve: controlling(mail.OpClear, (*responder).ended), changes: true},
		"/check":     {methods: getHeadPost, serve: controlling(mail.OpCheck, (*responder).checked)},
		"/info":      {methods: getHeadPost, serve: (*Web).info},
		"/explain":   {methods: getHead, serve: (*Web).explain},
		"/psub":      {methods: getHeadPost, serve: (*Web).psub},
		"/healthz":   {methods: getHead, serve: (*Web).health},
		"/readyz":    {methods: getHead, serve: (*Web).ready},
		"/stats":     {methods: getHead, serve: (*Web).stats},
	})
	if !cfg.Compat.AnyMethod {
		return
	}
	for _, path := range [...]string{"/ping", "/sign", "/close", "/clear", "/check", "/info"} {
		for _, side := range [...]uint8{conn.Front, conn.Admin} {
			if e, ok := t[side][path]; ok {
				e.methods = anyMethod
				t[side][path] = e
			}
		}
	}
}

// subscribeBy returns the endpoint of a transport.
func subscribeBy(t frame.Transport) func(*Web, *exchange) {
	return func(w *Web, x *exchange) {
		if err := w.startSub(x, t); err != nil {
			w.fail(x, 400, err.Error())
		}
	}
}
