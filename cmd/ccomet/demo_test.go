package main

import (
	"net/url"
	"strings"
	"testing"

	"ccomet/demo"
)

// TestDemoPages: the pages are served completely, and only with --demo.
func TestDemoPages(t *testing.T) {
	t.Parallel()
	with, without := start(t, nil, "--demo"), start(t, nil)
	pages := demo.Pages()
	if len(pages) < 3 {
		t.Fatalf("%d pages", len(pages))
	}
	for _, page := range pages {
		a := get(t, with.front, page.Path)
		if a.status != 200 || a.body != string(page.Body) || a.header.Get("Content-Type") != page.ContentType || page.ContentType == "" {
			t.Errorf("%s: %d, %d bytes of %s", page.Path, a.status, len(a.body), a.header.Get("Content-Type"))
		}
		if a := get(t, without.front, page.Path); a.status != 404 {
			t.Errorf("%s without --demo: %d", page.Path, a.status)
		}
		if strings.Contains(a.body, "//cdn") || strings.Contains(a.body, "https://") {
			t.Errorf("%s makes requests to other sites", page.Path)
		}
	}
	with.stop(15)
	for _, path := range []string{demo.ChatPath, demo.TransportsPath, demo.CountersPath} {
		if out := with.stdout.String(); !strings.Contains(out, "http://"+with.front+path+" ") {
			t.Errorf("it does not say to open %s: %q", path, out)
		}
	}
	without.stop(15)
	if out := without.stdout.String(); out != "" {
		t.Errorf("it printed %q", out)
	}
}

// TestDemoPush: any client may publish on the front side, only with --demo. The admin side's
// own paths are never there.
func TestDemoPush(t *testing.T) {
	t.Parallel()
	with, without := start(t, nil, "--demo"), start(t, nil)
	form := url.Values{"cname": {"a"}, "content": {"hello"}}
	if a := post(t, with.front, demo.PushPath, form); a.status != 200 {
		t.Errorf("push: %d %s", a.status, a.body)
	}
	if a := get(t, with.front, "/poll?cname=a&seq=1"); !strings.Contains(a.body, `"content":"hello"`) {
		t.Error(a.body)
	}
	if a := get(t, with.front, demo.PushPath+"?"+form.Encode()); a.status != 405 {
		t.Errorf("push by GET: %d", a.status)
	}
	if a := post(t, without.front, demo.PushPath, form); a.status != 404 {
		t.Errorf("push without --demo: %d", a.status)
	}
	if a := post(t, with.front, "/push", form); a.status != 404 {
		t.Errorf("the admin side's /push on the front side: %d", a.status)
	}
}
