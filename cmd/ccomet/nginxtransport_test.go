package main

import (
	"fmt"
	"strings"
	"testing"
)

// transport is what a transport sends first, and around a message.
type transport struct{ path, contentType, begin, before, after string }

// endless are the transports whose responses do not end.
var endless = []transport{
	{"/stream", "application/json; charset=utf-8", "", "", "\n"},
	{"/iframe", "text/html; charset=utf-8", "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>comet</title></head><body>\n",
		"<script>parent.icomet_cb(", ");</script>\n"},
	{"/sse", "text/event-stream; charset=utf-8", "", "id: %d.%s\ndata: ", "\n\n"},
}

const (
	spoken  = `she says "héllo" & </leaves>`
	escaped = `she says \"héllo\" & </leaves>`
)

var large = strings.Repeat("0123456789", 6000)

// TestNginxTransports: on each route, every transport delivers each message immediately,
// exactly as without nginx. A message that nginx buffered would never arrive, since nothing
// follows it.
func TestNginxTransports(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--polling-timeout 3600 --retry-time 0")
	direct := way{"without nginx", "http://" + p.front, client, 1}
	channel := 0
	for _, w := range append(x.ways(), direct) {
		for _, e := range endless {
			channel++
			t.Run(w.name+" "+e.path, func(t *testing.T) { e.through(t, p, w, "c"+itoa(channel), w == direct) })
		}
		for _, cb := range []string{"", "f"} {
			channel++
			t.Run(w.name+" /poll "+cb, func(t *testing.T) { pollThrough(t, p, w, "c"+itoa(channel), cb) })
		}
	}
}

// frame returns an object in the transport's framing. id is an event's, of a channel of that
// epoch.
func (e *transport) frame(id int, epoch, object string) string {
	before := e.before
	switch e.path {
	case "/sse":
		before = fmt.Sprintf(before, id, epoch)
	case "/iframe":
		object = strings.ReplaceAll(object, "<", `\u003c`)
	}
	return before + object + e.after
}

// through checks messages, one after the other, the last one large.
func (e *transport) through(t *testing.T, p *process, w way, cname string, direct bool) {
	resp := w.get(t, e.path+"?cname="+cname)
	buffering := "" // nginx obeys it, and does not pass it on
	if direct {
		buffering = "no"
	}
	if h := resp.Header; resp.StatusCode != 200 || h.Get("Content-Type") != e.contentType ||
		h.Get("Cache-Control") != "no-cache, no-transform" || h.Get("X-Accel-Buffering") != buffering || resp.Uncompressed {
		t.Errorf("%s %v", resp.Status, h)
	}
	epoch := p.epoch(cname)
	expect(t, resp.Body, e.begin+e.frame(0, epoch, object("next_seq", cname, 1, "")))
	for n := 1; n <= 3; n++ {
		p.push(cname, spoken)
		expect(t, resp.Body, e.frame(n, epoch, object("data", cname, n, escaped)))
	}
	p.push(cname, large)
	expect(t, resp.Body, e.frame(4, epoch, object("data", cname, 4, large)))
}

// pollThrough polls for two messages, one after the other, and then for two together.
func pollThrough(t *testing.T, p *process, w way, cname, cb string) {
	contentType, before, after := "application/json; charset=utf-8", "", "\n"
	if cb != "" {
		contentType, before, after = "text/javascript; charset=utf-8", cb+"(", ");\n"
	}
	p.push(cname, spoken)
	poll := func(seq int) chan reply {
		return w.begin("/sub?cname=" + cname + "&cb=" + cb + "&seq=" + itoa(seq))
	}
	check := func(r reply, want string) {
		t.Helper()
		a := read(t, r.resp, r.err)
		if want = before + want + after; a.status != 200 || a.body != want || a.header.Get("Content-Type") != contentType {
			t.Errorf("%.1000v, want %.1000q", a, want)
		}
	}
	for n := 2; n <= 3; n++ {
		answered := poll(n)
		p.waits(t, 1, cname)
		p.push(cname, spoken)
		check(<-answered, object("data", cname, n, escaped))
	}
	p.push(cname, large)
	check(<-poll(3), "["+object("data", cname, 3, escaped)+","+object("data", cname, 4, large)+"]")
}
