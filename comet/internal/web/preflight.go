package web

import "ccomet/comet/internal/conn"

// corsPreflight is what a page may ask, if it may ask at all: for two hours, which is
// as long as browsers believe it.
const corsPreflight = "Access-Control-Allow-Headers: Last-Event-ID, Authorization, Cache-Control, X-Requested-With, Content-Type, If-None-Match\r\n" +
	"Access-Control-Max-Age: 7200\r\n"

// preflight answers what a browser asks before a page's request, if x is that.
func (w *Web) preflight(x *exchange, e endpoint) bool {
	origin := x.req.Header("Origin")
	if len(origin) == 0 || x.req.Header("Access-Control-Request-Method") == nil {
		return false
	}
	forAll := x.side == conn.Front && string(x.req.Path()) == eventsPath && w.EventsForAll()
	if w.Page(x.side, x.conn.Index()) == 0 && !w.site.cors[x.side].Origins.Any && !forAll {
		w.Body = append(append(w.Body[:0], "pages of "...), origin...)
		w.Body = append(append(append(w.Body, " are not let in: "...), originSetting(x.side)...), " names those that are\n"...)
		w.failed(x, 403)
		return true
	}
	w.Object = append(appendMethods(w.Object[:0], "Access-Control-Allow-Methods: ", e.methods), corsPreflight...)
	if forAll { // or a script that has read it could not come back with its place
		w.Object = w.AppendEventsOrigin(w.Object)
	}
	x.headers = w.Object
	w.reply(x, 204, "", nil)
	return true
}

// originSetting names the setting that has the origins whose pages may ask a side.
func originSetting(side uint8) string {
	if side == conn.Admin {
		return "admin-origin"
	}
	return "cors-origin"
}
