package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A page of another origin subscribes by iframe and by CORS where --cors-origin
// lets it in, and by JSONP, which asks nobody.
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
		t.Error("the frame has told a page that is not let in")
	}
}

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

// visits opens the stranger's page, in which FRONT is where the server is.
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
onload = function () { // which what never ends would hold up
	add("iframe", "FRONT/iframe?cname=a&seq=1");
	add("script", "FRONT/sub?cname=a&seq=1&cb=jsonp");
	fetch("FRONT/sub?cname=a&seq=1").then(function (r) { return r.json(); })
		.then(function (m) { got.cors = m.content; }, function () { got.cors = "refused"; });
};
</script>`

// subscribers waits until the server counts n of them.
func (p *process) subscribers(n int) {
	p.t.Helper()
	p.waits(p.t, n, "")
}
