package comet

import (
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
)

const (
	corsAny   = "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Retry-After, ETag\r\n"
	corsVary  = "Vary: Origin\r\n"
	fromPage  = "Origin: https://a.example\r\n"
	fromOther = "Origin: https://x.example\r\n"
)

func corsNamed(origin string) string {
	return "Access-Control-Allow-Origin: " + origin + "\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: Retry-After, ETag\r\nVary: Origin\r\n"
}

// Each page gets the CORS headers for it, in every kind of answer, whenever
// that comes.
func TestCrossOrigin(t *testing.T) {
	pageA, pageB := corsNamed("https://a.example"), corsNamed("https://b.example.org")
	for name, c := range map[string]struct {
		origins              []string
		none, first, pattern string // headers for a request without an Origin, for each named one, for others
		other                string
	}{
		"none":           {nil, "", "", "", ""},
		"all":            {[]string{"*"}, corsAny, corsAny, corsAny, corsAny},
		"named":          {[]string{"https://a.example,https://*.example.org"}, corsVary, pageA, pageB, corsVary},
		"named, and all": {[]string{"https://a.example", "https://*.example.org", "*"}, corsAny + corsVary, pageA, pageB, corsAny + corsVary},
	} {
		t.Run(name, func(t *testing.T) {
			srv := startWire(t, Config{Loops: 1, CORSOrigins: c.origins})
			for from, told := range map[string]string{
				"": c.none, fromPage: c.first, "Origin: https://b.example.org\r\n": c.pattern, fromOther: c.other,
			} {
				same(t, srv.talk(conn.Front, reqGet(0, "/sub?cname=a", from)), answer("200 OK", asJSON, object("next_seq", 1, "")+"\n", told))
				same(t, srv.talk(conn.Front, reqGet(1, "/nowhere", from, closing)), answer(gone, asText, "no such path: /nowhere\n", told, closing))
				same(t, srv.talk(conn.Front, "HEAD /sse?cname=a HTTP/1.0\r\n"+from+"\r\n"), streamHead(0, asEvents, told))
				same(t, srv.talk(conn.Admin, reqGet(0, "/healthz")), answer("200 OK", asText, "ok"))
				c := srv.dial(conn.Front)
				c.send(reqGet(1, "/sse?cname=a&seq=1", from))
				c.expect(streamHead(1, asEvents, told))
				c.Close()
			}
		})
	}
}

// Polls of different pages that wait for the same message each get their own
// headers.
func TestCrossOriginPolls(t *testing.T) {
	st := newStage(t, Config{Loops: 1, CORSOrigins: []string{"https://*.example"}})
	pages := []string{"https://a.example", "https://b.example", "", "https://a.example", "https://x.test"}
	var waiting []*player
	for _, origin := range pages {
		p := st.enter(0, conn.Front)
		line := ""
		if origin != "" {
			line = "Origin: " + origin + "\r\n"
		}
		p.send(reqGet(1, "/sub?cname=a&seq=1", line))
		waiting = append(waiting, p)
	}
	same(t, st.admin(0, "/push?cname=a&content=x"), done)
	for i, p := range waiting {
		told := corsVary
		if strings.HasSuffix(pages[i], ".example") {
			told = corsNamed(pages[i])
		}
		same(t, p.take(), answer("200 OK", asJSON, object("data", 1, "x")+"\n", told))
		p.send(reqGet(1, "/ping?cb=f")) // for another page, on the same connection
		same(t, p.take(), answer("200 OK", asScript, `f({"type":"ping","sub_timeout":30});`+"\n", corsVary))
		p.leave()
	}
	st.settle()
	if s := st.srv.shards[0]; len(s.web.Pages.Index) != 0 || len(s.web.Pages.List) != 1+len(s.web.Pages.Free) {
		t.Errorf("pages without a connection are left: %v", s.web.Pages.Index)
	}
}

func TestPreflight(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, CORSOrigins: []string{"https://a.example"}, AdminOrigins: []string{"https://a.example"}, Public: map[string]string{"/demo/push": "/push"}})
	const asks = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: last-event-id\r\n" + closing
	for _, c := range []struct {
		side                    uint8
		path, origin, want, let string
	}{
		{conn.Front, "/sse?cname=a", fromPage, "204", "GET, HEAD, OPTIONS"},
		{conn.Front, "/demo/push", fromPage, "204", "POST, OPTIONS"},
		{conn.Admin, "/push", fromPage, "204", "GET, POST, OPTIONS"},
		{conn.Front, "/sse", fromOther, "403", "pages of https://x.example are not permitted: cors-origin lists the permitted origins\n"},
		{conn.Admin, "/push", fromOther, "403", "pages of https://x.example are not permitted: admin-origin lists the permitted origins\n"},
		{conn.Front, "/nowhere", fromPage, "404", ""},
	} {
		got := srv.talk(c.side, "OPTIONS "+c.path+" HTTP/1.1\r\nHost: h\r\n"+c.origin+asks+"\r\n")
		switch {
		case !strings.HasPrefix(got, "HTTP/1.1 "+c.want+" "):
			t.Errorf("%s of %s: %q", c.path, c.origin, got)
		case c.want == "204":
			same(t, got, noContent(corsNamed("https://a.example"), closing, "Access-Control-Allow-Methods: "+c.let+"\r\n",
				"Access-Control-Allow-Headers: Last-Event-ID, Authorization, Cache-Control, X-Requested-With, Content-Type, If-None-Match\r\nAccess-Control-Max-Age: 7200\r\n"))
		case !strings.HasSuffix(got, c.let):
			t.Errorf("%s of %s: %q", c.path, c.origin, got)
		}
	}
}

// iComet's pages on other origins may read /sse, and nothing else.
func TestEventsForAnyOrigin(t *testing.T) {
	for _, c := range []struct {
		origins []string
		told    string
	}{{nil, "Access-Control-Allow-Origin: *\r\n"}, {[]string{"https://a.example"}, corsVary}} {
		srv := startWire(t, Config{Loops: 1, Compat: web.Compat{EventsForAnyOrigin: true}, CORSOrigins: c.origins})
		same(t, srv.talk(conn.Front, "HEAD /sse?cname=a HTTP/1.0\r\n"+fromOther+"\r\n"), streamHead(0, asEvents, c.told))
		live := srv.dial(conn.Front)
		live.send(reqGet(1, "/sse?cname=a&seq=1", fromOther))
		live.expect(streamHead(1, asEvents, c.told))
		if got := srv.talk(conn.Front, reqGet(0, "/sub?cname=a", fromOther)); strings.Contains(got, "Access-Control-Allow-Origin") {
			t.Errorf("got %q", got)
		}
		// A script comes back with a field for which its browser asks first
		// (preflight).
		for path, let := range map[string]bool{"/sse": c.origins == nil, "/sub": false} {
			got := srv.talk(conn.Front, "OPTIONS "+path+" HTTP/1.0\r\n"+fromOther+"Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: last-event-id\r\n\r\n")
			if strings.Contains(got, " 204 ") != let || strings.Contains(got, "Access-Control-Allow-Origin: *\r\n") != let || strings.Contains(got, "Last-Event-ID") != let {
				t.Errorf("%v: %s: %q", c.origins, path, got)
			}
		}
	}
}
