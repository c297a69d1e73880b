package comet

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// TestLinesOfPublishes: the request line of a publish has room for the largest message,
// escaped, on every path; that of any other request has not.
func TestLinesOfPublishes(t *testing.T) {
	const most = 10000
	st := newStage(t, Config{Loops: 1, MaxHead: 2048, MaxMessage: most, Public: map[string]string{"/demo/push": "/push", "/demo/stats": "/stats"}})
	largest := strings.Repeat("%E4%BD%A0", most/3)
	for _, r := range []struct {
		side             uint8
		request, target  string
		status, contains string
	}{
		{conn.Admin, "GET ", "/push?cname=a&content=" + largest, "200", `"ok"`},
		{conn.Admin, "GET ", "/broadcast?content=" + largest, "200", "ok"},
		{conn.Admin, "GET ", "/push?cname=a&content=" + strings.Repeat("%78", most+1), "413", "max-message is 10000"},
		{conn.Admin, "GET ", "/push?cname=a&content=" + strings.Repeat("x", 3*most+1024), "414", "the limit is 31024 bytes (max-head is 2048, max-message is 10000)"},
		{conn.Front, "POST ", "/demo/push?cname=a&content=" + largest, "200", `"ok"`},
		{conn.Front, "\r\nPOST ", "/demo/push?cname=a&content=" + largest, "200", `"ok"`},
		{conn.Front, "GET ", "/demo/push?cname=a&content=" + largest, "405", "not allowed"},
		{conn.Front, "GET ", "/demo/stats?x=" + largest, "414", "the limit is 1024 bytes (max-head is 2048)"},
		{conn.Front, "GET ", "/demo/pushed?x=" + largest, "414", "the limit is 1024 bytes (max-head is 2048)"},
		{conn.Front, "GET ", "/sub?cname=a&x=" + largest, "414", "the limit is 1024 bytes (max-head is 2048)"},
		{conn.Front, "GET ", strings.Repeat("x", 2000), "414", "the limit is 1024 bytes (max-head is 2048)"},
		{conn.CComet, "GET ", "/publish?channel=c&sname=u&callback=f&msg=" + largest, "200", `"publish"`},
		{conn.CComet, "GET ", "/subscribe?channel=c&sname=u&callback=f&msg=" + largest, "414", "the limit is 1024 bytes (max-head is 2048)"},
	} {
		p := st.enter(0, r.side)
		request := r.request + r.target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
		got := ""
		for at := 0; got == "" && at < len(request); at += 997 {
			p.send(request[at:min(at+997, len(request))])
			got = p.take()
		}
		if !strings.HasPrefix(got, "HTTP/1.1 "+r.status) || !strings.Contains(got, r.contains) {
			t.Errorf("%s%.40s: %.300q, want %s %q", r.request, r.target, got, r.status, r.contains)
		}
		p.leave()
		st.settle()
	}
	if text, _ := url.QueryUnescape(largest); !strings.Contains(st.admin(0, "/sign?cname=a"), `"seq":1,`) || len(text) != most-1 {
		t.Errorf("%d bytes", len(text))
	}
}

// TestIdleBackends: a backend's connection is kept for its next message, for longer than a
// client's.
func TestIdleBackends(t *testing.T) {
	st := newStage(t, Config{Loops: 1, IdleTimeout: 30 * time.Second, AdminIdleTimeout: 5 * time.Minute})
	backend, client := st.enter(0, conn.Admin), st.enter(0, conn.Front)
	ask := func() {
		backend.send(reqGet(1, "/push?cname=a&content=x"))
		client.send(reqGet(1, "/ping"))
		if got := backend.take() + client.take(); strings.Count(got, "200 OK") != 2 {
			t.Fatalf("%q", got)
		}
	}
	ask()
	st.later(25 * time.Second)
	ask()
	st.later(40 * time.Second)
	if client.take(); !client.ended {
		t.Error("the client is not cut")
	}
	st.later(4 * time.Minute)
	backend.send(reqGet(1, "/push?cname=a&content=x"))
	if got := backend.take(); !strings.Contains(got, "200 OK") {
		t.Errorf("the backend's: %q", got)
	}
	st.later(6 * time.Minute)
	if backend.take(); !backend.ended {
		t.Error("the backend's key is never dropped")
	}
}
