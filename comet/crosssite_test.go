package comet

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
)

// A web page may not publish, or send any other request to the admin side, whether it
// is served on its own side or on the front side. A client that is no page may.
func TestPagesMayNotPublish(t *testing.T) {
	const cross, own = "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-origin\r\n"
	named := []string{"https://admin.example"}
	for name, c := range map[string]struct {
		origins, hosts []string
		host, lines    string
		refused        string // part of the reason, empty for none
	}{
		"curl":                             {nil, nil, "127.0.0.1:8000", "", ""},
		"no Host":                          {nil, nil, "", "", ""},
		"IPv6":                             {nil, nil, "[::1]:8000", "", ""},
		"localhost":                        {nil, nil, "LocalHost:8000", "", ""},
		"below localhost":                  {nil, nil, "a.localhost", "", ""},
		"an address typed into a browser":  {nil, nil, "127.0.0.1:8000", "Sec-Fetch-Site: none\r\n", ""},
		"its own page":                     {nil, nil, "127.0.0.1:8000", own + "Origin: http://127.0.0.1:8000\r\n", ""},
		"its own page, an old browser":     {nil, nil, "127.0.0.1:8000", "Origin: http://127.0.0.1:8000\r\n", ""},
		"its own page, behind a proxy":     {nil, nil, "127.0.0.1:8000", own + "Origin: https://admin.example\r\n", ""},
		"an image":                         {nil, nil, "127.0.0.1:8000", cross + "Referer: https://evil.example/\r\n", "(its origin is https://evil.example): admin-origin"},
		"an image without a referrer":      {nil, nil, "127.0.0.1:8000", cross, "a page of another site may not send this request: admin-origin"},
		"another port":                     {nil, nil, "127.0.0.1:8000", "Sec-Fetch-Site: same-site\r\nOrigin: http://127.0.0.1:3000\r\n", "(its origin is http://127.0.0.1:3000)"},
		"a script, an old browser":         {nil, nil, "127.0.0.1:8000", "Origin: https://evil.example\r\n", "https://evil.example"},
		"a sandboxed page":                 {nil, nil, "127.0.0.1:8000", "Origin: null\r\n", "(its origin is null)"},
		"a page that is named":             {named, nil, "127.0.0.1:8000", cross + "Origin: https://admin.example\r\n", ""},
		"an image of a page that is named": {named, nil, "127.0.0.1:8000", cross + "Referer: https://admin.example/a/b\r\n", ""},
		"another than is named":            {named, nil, "127.0.0.1:8000", cross + "Origin: https://evil.example\r\n", "https://evil.example"},
		"any page":                         {[]string{"*"}, nil, "127.0.0.1:8000", cross + "Origin: https://evil.example\r\n", ""},
		"a name that leads here":           {nil, nil, "evil.example:8000", own, "the host name evil.example is not accepted: admin-host"},
		"a name that ends in an address":   {nil, nil, "evil.127.0.0.1", "", "admin-host"},
		"a name like localhost":            {nil, nil, "localhost.evil.example", "", "admin-host"},
		"a name that is known":             {nil, []string{"comet.internal, *.example.org"}, "Comet.Internal:8000", "", ""},
		"a name below one that is known":   {nil, []string{"*.example.org"}, "a.b.example.org", "", ""},
		"beside a name that is known":      {nil, []string{"*.example.org"}, "example.org", "", "admin-host"},
		"any name":                         {nil, []string{"*"}, "evil.example", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := startWire(t, Config{Loops: 1, Version: "v", AdminOrigins: c.origins, AdminHosts: c.hosts})
			for _, request := range []string{"GET /push?cname=a&content=x", "POST /push?cname=a&content=x", "GET /sign?cname=a&cb=f", "GET /info", "GET /explain?cname=a"} {
				got := srv.talk(conn.Admin, request+" HTTP/1.1\r\nHost: "+c.host+"\r\n"+c.lines+closing+"\r\n")
				if c.refused == "" && strings.HasPrefix(got, "HTTP/1.1 403 ") ||
					c.refused != "" && (!strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, c.refused)) {
					t.Errorf("%s: %q", request, got)
				}
			}
		})
	}
}

// Paths of the admin side on the front side are for its own pages, and for those that
// are named one by one.
func TestPagesMayNotUseTheDemo(t *testing.T) {
	for _, c := range []struct {
		origins []string
		lines   string
		refused bool
	}{
		{nil, "Sec-Fetch-Site: same-origin\r\nOrigin: http://h\r\n", false},
		{nil, "", false},
		{nil, fromOther, true},
		{[]string{"*"}, "Sec-Fetch-Site: cross-site\r\n" + fromOther, true},
		{[]string{"https://x.example"}, "Sec-Fetch-Site: cross-site\r\n" + fromOther, false},
	} {
		srv := startWire(t, Config{Loops: 1, CORSOrigins: c.origins, Public: map[string]string{"/demo/push": "/push", "/demo/stats": "/stats"}})
		for _, request := range []string{reqForm(1, "/demo/push", "cname=a&content=x", c.lines, closing), reqGet(1, "/demo/stats", c.lines, closing)} {
			if got := srv.talk(conn.Front, request); strings.HasPrefix(got, "HTTP/1.1 403 ") != c.refused {
				t.Errorf("%v, %q: %q", c.origins, c.lines, got)
			}
		}
		if got := srv.talk(conn.Front, reqGet(1, "/ping", c.lines, closing)); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("for all origins: %q", got)
		}
	}
}

// iComet's pages may publish, which is logged once.
func TestPagesMayPublishForICometsSake(t *testing.T) {
	var log bytes.Buffer
	t.Cleanup(func() { // after the end of the server, which writes the log
		if n := strings.Count(log.String(), "as compat = icomet permits"); n != 1 {
			t.Errorf("it was logged %d times: %s", n, log.String())
		}
	})
	srv := startWire(t, Config{Loops: 1, Log: zerolog.New(&log), Compat: web.Compat{PagesMayPublish: true}})
	for range 3 {
		for _, lines := range []string{"Host: evil.example\r\n", "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n" + fromOther} {
			got := srv.talk(conn.Admin, "GET /push?cname=a&content=x HTTP/1.1\r\n"+lines+closing+"\r\n")
			same(t, got, answer(ok200, asJSON, done, closing))
		}
	}
}
