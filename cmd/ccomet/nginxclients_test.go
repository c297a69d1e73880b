package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestNginxClients: comet.js in Chromium behind an nginx that passes WebSockets on, or does
// not. In the second case the next page does not try a WebSocket.
func TestNginxClients(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	const upgrade = "proxy_set_header Upgrade $http_upgrade;"
	for _, way := range []struct{ name, becomes, transport string }{
		{"with Upgrade", upgrade, "ws"},
		{"without", "", "sse"},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			p, x := behind(t, "--demo", upgrade, way.becomes)
			url := "https://" + x.current + "/comet/"
			cname := "behind-" + way.transport
			visitor := b.visitor(t)
			w := visitor.tab(t, strings.TrimSuffix(url, "/")+empty, "")
			const options = `{channels: {%q: 1}, share: false, publishURL: %q}`
			w.listenAt(url, fmt.Sprintf(options, cname, url+"demo/push"))
			p.pushNumbers(cname, 1, 3)
			w.gets(1, 3)
			w.holds(`comet.state === "open" && comet.transport === ` + quoted(way.transport))
			w.run(`comet.publish(` + quoted(cname) + `, "4").then((seq) => window.number = seq)`)
			w.gets(1, 4)
			w.holds("number === 4")
			// The next page remembers what works.
			next := visitor.tab(t, strings.TrimSuffix(url, "/")+empty, "const Socket = WebSocket; window.sockets = 0; window.WebSocket = class extends Socket { constructor(url) { super(url); sockets++; } };")
			next.listenAt(url, fmt.Sprintf(options, cname, ""))
			next.gets(1, 4)
			next.holds(`comet.transport === ` + quoted(way.transport))
			if n, want := next.number("sockets"), map[string]int{"ws": 1, "sse": 0}[way.transport]; n != want {
				t.Errorf("the next page has tried %d WebSockets, want %d", n, want)
			}
		})
	}
}

// TestNginxClientRestart: the server restarts behind nginx, with its state. The client
// reconnects by a WebSocket, and gets all messages.
func TestNginxClientRestart(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	x := newProxy(t)
	state := t.TempDir() + "/state"
	flags := []string{"--demo", "--front", "127.0.0.1:0", "--front", x.socket(), "--state", state, "--drain-time", "0.2"}
	p := start(t, nil, flags...)
	x.start(p.front)
	url := "https://" + x.current + "/comet/"
	w := b.open(t, strings.TrimSuffix(url, "/")+empty, "window.streams = 0; window.EventSource = class { constructor() { streams++; } };")
	w.listenAt(url, `{channels: {a: 1}}`)
	p.pushNumbers("a", 1, 3)
	w.gets(1, 3)
	p.stop(syscall.SIGTERM)
	w.holds(`comet.state !== "open"`)
	p = start(t, nil, flags...)
	x.giveAway() // the socket is a new one
	p.pushNumbers("a", 4, 6)
	w.gets(1, 6)
	w.holds(`comet.state === "open" && comet.transport === "ws"`)
	if n := w.number("streams"); n != 0 {
		t.Errorf("a WebSocket was given up %d times because there was no server", n)
	}
}
