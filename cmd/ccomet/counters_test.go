package main

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// TestCounters: the page's counters follow the connections.
func TestCounters(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	p := start(t, nil, "--demo")
	w := b.open(t, "http://"+p.front+"/demo/counters", "")
	w.counts("Connections", "n >= 1 && n < 100")
	w.counts("Subscribers", "n === 0")
	w.holds(`document.querySelector("#verdict").textContent.includes("means little yet")`)
	const streams = 1100 // enough for a measurable amount of memory
	conns := make([]net.Conn, streams)
	for i := range conns {
		conns[i] = p.stream("a")
		defer conns[i].Close()
	}
	w.counts("Connections", "n > 1100")
	w.counts("Subscribers", "n === 1100")
	w.counts("Channels", "n === 1")
	w.counts("Bytes per connection", "n >= 0")
	w.holds(`/^With 1,1\d\d connections, one takes [\d,]+ bytes/.test(document.querySelector("#verdict").textContent)`)
	p.push("a", "to all")
	w.counts("Delivered in total", "n === 1100")
	w.holds(`document.querySelectorAll(".spark path[d*=L]").length > 3`)
	for _, c := range conns {
		c.Close()
	}
	w.counts("Subscribers", "n === 0")
	w.holds(`document.querySelector("#verdict").textContent.includes("means little yet")`)
	p.kill()
	w.holds(`document.querySelector("#reading").textContent.startsWith("The server does not answer")`)
}

// counts waits until a counter shows this value, on its card and in the table.
func (w *window) counts(name, so string) {
	w.t.Helper()
	w.holds(fmt.Sprintf(`[...document.querySelectorAll("#cards li, #table tr")].filter((one) => {
		const n = Number((one.querySelector(".value, td").textContent).replaceAll(",", ""));
		return one.querySelector("h2, th").textContent === %q && (%s);
	}).length === 2`, name, so))
}

// stream opens a stream, and returns when the server has answered.
func (p *process) stream(cname string) net.Conn {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.front)
	if err != nil {
		p.t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /stream?cname=%s HTTP/1.1\r\nHost: a\r\n\r\n", cname)
	if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 200"))); err != nil {
		p.t.Fatal(err)
	}
	return conn
}
