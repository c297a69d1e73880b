package web

import (
	"strconv"

	"ccomet/comet/internal/frame"
	"ccomet/httplite"
)

// endpoint is what a path does, and the methods that it accepts.
type endpoint struct {
	methods   []httplite.Method
	serve     func(w *Web, x *exchange)
	changes   bool // it changes something, so a link must not trigger it
	publishes bool // its query, or a POST's body, contains a message
	batch     bool // its body contains messages
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

// ping answers without looking at any channel.
func (w *Web) ping(x *exchange) {
	cb, err := x.callbackArg()
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
