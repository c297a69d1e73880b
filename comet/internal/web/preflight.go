package web

import "ccomet/comet/internal/conn"

// corsPreflight permits header fields to a page for two hours, the longest time for which
// browsers cache a preflight.
const corsPreflight = "Access-Control-Allow-Headers: Last-Event-ID, Authorization, Cache-Control, X-Requested-With, Content-Type, If-None-Match\r\n" +
	"Access-Control-Max-Age: 7200\r\n"

// preflight answers a CORS preflight. It returns false if x is not one.
func (w *Web) preflight(x *exchange, e endpoint) bool {
	origin := x.req.Header("Origin")
	if len(origin) == 0 || x.req.Header("Access-Control-Request-Method") == nil {
		return false
	}
	forAll := x.side == conn.Front && string(x.req.Path()) == eventsPath && w.EventsForAll()
	if w.Page(x.side, x.conn.Index()) == 0 && !w.site.cors[x.side].Origins.Any && !forAll {
		w.Body = append(append(w.Body[:0], "pages of "...), origin...)
		w.Body = append(append(append(w.Body, " are not permitted: "...), originSetting(x.side)...), " lists the permitted origins\n"...)
		w.failed(x, 403)
		return true
	}
	w.Object = append(appendMethods(w.Object[:0], "Access-Control-Allow-Methods: ", e.methods), corsPreflight...)
	if forAll { // else a script could not reconnect with Last-Event-ID
		w.Object = w.AppendEventsOrigin(w.Object)
	}
	x.headers = w.Object
	w.reply(x, 204, "", nil)
	return true
}

// originSetting returns the name of the setting that lists a side's permitted origins.
func originSetting(side uint8) string {
	if side == conn.Admin {
		return "admin-origin"
	}
	return "cors-origin"
}
