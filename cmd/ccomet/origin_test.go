package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A page of another origin subscribes by iframe and CORS if --cors-origin permits it, and by
// JSONP, which needs no permission.
func TestOtherOrigin(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newStranger(t)
	p := start(t, nil, "--cors-origin", s.URL)
	w := s.visits(b, p, strangerPage)
	p.subscribers(3)
	p.push("a", "hello <!-- </script> 'you'")
	for _, by := range []string{"iframe", "cors", "jsonp"} {
		w.holds(`got.` + by + ` === "hello <!-- </script> 'you'"`)
	}
}

func TestOtherOriginRefused(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newStranger(t)
	p := start(t, nil, "--cors-origin", "https://example.com")
	w := s.visits(b, p, strangerPage)
	p.subscribers(3)
	p.push("a", "hello")
	w.holds(`got.jsonp === "hello" && got.cors === "refused"`)
	if n := w.number(`got.iframe === undefined ? 0 : 1`); n != 0 {
		t.Error("the frame posted to a page that is not admitted")
	}
}

// A page whose origin matches a pattern subscribes in every way that needs a permission from
// the server, with credentials. No page publishes on the admin side.
func TestOtherOriginByPattern(t *testing.T) {
	b := newBrowser(t)
	s := newStranger(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	s.URL = "http://page.localhost:" + port // browsers resolve it to this machine
	p := start(t, nil, "--cors-origin", "https://example.com", "--cors-origin", "http://*.localhost:"+port, "--demo")
	w := s.visits(b, p, strings.ReplaceAll(credentialsPage, "ADMIN", "http://"+p.admin))
	w.holds(`got.image === "refused" && got.push === "refused" && got.form === "sent"`)
	p.subscribers(4)
	p.push("a", "hello")
	for _, by := range []string{"iframe", "fetch", "events", "comet"} {
		w.holds(`got.` + by + ` === "hello"`)
	}
	w.holds(`got.transport === "ws"`)
	if kept := get(t, p.front, "/poll?cname=a&seq=1").body; kept != "["+object("data", "a", 1, "hello")+"]\n" {
		t.Errorf("the channel has %s", kept)
	}
}

const credentialsPage = `<!DOCTYPE html><title>stranger</title><script src="FRONT/demo/js/comet.js"></script><body><script>
var got = {}, image = new Image();
function icomet_cb(m) { if (m.type === "data") got.iframe = m.content; }
onmessage = function (e) { if (e.origin === "FRONT") icomet_cb(e.data); };
function publish() { // in all ways that need no permission
	image.onerror = function () { got.image = "refused"; };
	image.src = "ADMIN/push?cname=a&content=image";
	fetch("ADMIN/push?cname=a&content=fetch").then(function () { got.push = "read"; }, function () { got.push = "refused"; });
	fetch("ADMIN/push", { method: "POST", mode: "no-cors", body: new URLSearchParams({ cname: "a", content: "form" }) })
		.then(function () { got.form = "sent"; });
}
onload = function () {
	publish();
	var frame = document.createElement("iframe");
	frame.src = "FRONT/iframe?cname=a&seq=1";
	document.body.appendChild(frame);
	fetch("FRONT/sub?cname=a&seq=1", { credentials: "include", headers: { "Last-Event-ID": "0", "X-Requested-With": "fetch" } })
		.then(function (r) { return r.json(); }).then(function (m) { got.fetch = (m[0] || m).content; }, function () { got.fetch = "refused"; });
	new EventSource("FRONT/sse?cname=a&seq=1", { withCredentials: true })
		.onmessage = function (e) { var m = JSON.parse(e.data); if (m.type === "data") got.events = m.content; };
	var comet = new Comet({ url: "FRONT", channels: ["a"], credentials: true, share: false, onmessage: function (m) {
		got.comet = m.content;
		got.transport = comet.transport;
	} });
};
</script>`

// stranger is a server of another origin, with one page.
type stranger struct {
	*httptest.Server
	t    *testing.T
	page string
}

func newStranger(t *testing.T) *stranger {
	s := &stranger{t: t}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, s.page)
	}))
	t.Cleanup(s.Close)
	return s
}

// visits opens the stranger's page, in which FRONT is the server's address.
func (s *stranger) visits(b browser, p *process, page string) *window {
	s.page = strings.ReplaceAll(page, "FRONT", "http://"+p.front)
	return b.open(s.t, s.URL, "")
}

const strangerPage = `<!DOCTYPE html><title>stranger</title><body><script>
var got = {};
function icomet_cb(m) { got.iframe = m.content; }
onmessage = function (e) { if (e.origin === "FRONT") icomet_cb(e.data); };
function jsonp(m) { got.jsonp = m.content; }
function add(tag, src) { var e = document.createElement(tag); e.src = src; document.body.appendChild(e); }
onload = function () { // a response that never ends would delay it
	add("iframe", "FRONT/iframe?cname=a&seq=1");
	add("script", "FRONT/sub?cname=a&seq=1&cb=jsonp");
	fetch("FRONT/sub?cname=a&seq=1").then(function (r) { return r.json(); })
		.then(function (m) { got.cors = m.content; }, function () { got.cors = "refused"; });
};
</script>`

// subscribers waits until the server counts n subscribers.
func (p *process) subscribers(n int) {
	p.t.Helper()
	p.waits(p.t, n, "")
}
