package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// TestClients runs the clients of demo/web/js in a real browser against the real server.
func TestClients(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	for name, test := range map[string]func(*testing.T, browser){
		"ws":                  func(t *testing.T, b browser) { clientTransport(t, b, "ws") },
		"sse":                 func(t *testing.T, b browser) { clientTransport(t, b, "sse") },
		"poll":                func(t *testing.T, b browser) { clientTransport(t, b, "poll") },
		"jsonp":               func(t *testing.T, b browser) { clientTransport(t, b, "jsonp") },
		"six tabs":            clientTabs,
		"a reload":            clientReload,
		"put away":            clientBackForward,
		"another origin":      clientOrigins,
		"icomet.js, its page": clientIComet,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// empty is a document of the server's own origin without a script.
const empty = "/demo/js/comet.d.ts"

// listen loads comet.js into a window, and records its callbacks.
func (w *window) listen(front, options string) {
	w.t.Helper()
	w.listenAt("http://"+front+"/", options)
}

// listenAt is listen for a URL of the server's front side.
func (w *window) listenAt(url, options string) {
	w.t.Helper()
	w.run(`(async () => {
		await new Promise((done, failed) => {
			const script = document.createElement("script");
			script.src = "` + url + `demo/js/comet.js";
			script.onload = done;
			script.onerror = failed;
			document.head.append(script);
		});
		window.got = [];
		window.states = [];
		window.lost = 0;
		window.comet = new Comet({
			url: "` + url + `",
			firstDelay: 10, longestDelay: 100,
			onmessage: (m) => got.push(m.content),
			onstate: (state) => states.push(state),
			onlost: () => lost++,
			...` + options + `,
		});
	})()`)
}

// gets waits until a window has exactly the numbers from..to.
func (w *window) gets(from, to int) {
	w.t.Helper()
	w.holds("window.got.length >= " + strconv.Itoa(to-from+1))
	var want []string
	for i := from; i <= to; i++ {
		want = append(want, strconv.Itoa(i))
	}
	w.holds(`window.got.join() === "` + strings.Join(want, ",") + `"`)
	if n := w.number("window.lost"); n != 0 {
		w.t.Errorf("%d times messages were lost", n)
	}
}

// pushNumbers publishes the numbers from..to.
func (p *process) pushNumbers(cname string, from, to int) {
	p.t.Helper()
	for i := from; i <= to; i++ {
		p.push(cname, strconv.Itoa(i))
	}
}

// clientTransport: one transport, while the network goes down and comes back.
func clientTransport(t *testing.T, b browser, transport string) {
	p := start(t, nil, "--demo")
	w := b.open(t, "http://"+p.front+empty, "")
	w.listen(p.front, `{channels: {a: 1}, transport: "`+transport+`", share: false}`)
	p.pushNumbers("a", 1, 5)
	w.gets(1, 5)
	for round := 1; round <= 3; round++ {
		w.offline(true)
		w.holds(`comet.state === "offline"`)
		p.pushNumbers("a", round*10-4, round*10+3)
		w.offline(false)
		p.pushNumbers("a", round*10+4, round*10+5)
		w.gets(1, round*10+5)
		w.holds(`comet.state === "open" && comet.transport === "` + transport + `"`)
	}
	w.run("comet.close()")
	if transport == "jsonp" {
		w.close() // a script element's request cannot be aborted
	}
	p.subscribers(0)
}

// clientTabs: six tabs share a connection, and publish on it. When the tab with the connection
// is closed, another takes over, and no client misses or repeats anything.
func clientTabs(t *testing.T, b browser) {
	p := start(t, nil, "--demo")
	visitor := b.visitor(t)
	var tabs []*window
	for range 6 {
		w := visitor.tab(t, "http://"+p.front+empty, "")
		w.listen(p.front, `{channels: {a: 1, b: 0}}`)
		tabs = append(tabs, w)
	}
	p.pushNumbers("a", 1, 20)
	for _, w := range tabs {
		w.gets(1, 20)
		w.holds(`comet.state === "open"`)
	}
	for i, w := range tabs {
		w.run(`comet.publish("a", "` + strconv.Itoa(21+i) + `").then((seq) => window.number = seq)`)
		w.holds(`number === ` + strconv.Itoa(21+i) + ` && comet.transport === "ws"`)
	}
	p.pushNumbers("a", 27, 40)
	p.waits(t, 1, "a") // the server may not have noticed yet that earlier connections are closed
	for said := 40; len(tabs) > 1; said += 20 {
		leader := -1
		for i, w := range tabs {
			if w.number("comet.hub.line ? 1 : 0") == 1 {
				leader = i
			}
		}
		if leader < 0 {
			t.Fatal("no window has the connection")
		}
		p.pushNumbers("a", said+1, said+10)
		tabs[leader].close()
		tabs = append(tabs[:leader], tabs[leader+1:]...)
		p.pushNumbers("a", said+11, said+20)
		for _, w := range tabs {
			w.gets(1, said+20)
		}
	}
	p.subscribers(2) // one tab's connection, once for each channel
}

// clientReload: a reloaded tab continues at its position.
func clientReload(t *testing.T, b browser) {
	p := start(t, nil, "--demo")
	w := b.open(t, "http://"+p.front+empty, "")
	w.listen(p.front, `{channels: {a: 1}}`)
	p.pushNumbers("a", 1, 3)
	w.gets(1, 3)
	w.reload()
	p.pushNumbers("a", 4, 6)
	w.listen(p.front, `{channels: {a: 1}}`)
	w.gets(4, 6)
}

// clientBackForward: a page in the back/forward cache holds no connection, and has missed
// nothing when it is shown again.
func clientBackForward(t *testing.T, b browser) {
	p := start(t, nil, "--demo")
	w := b.open(t, "http://"+p.front+empty, "")
	w.listen(p.front, `{channels: {a: 1}}`)
	p.pushNumbers("a", 1, 3)
	w.gets(1, 3)
	w.run("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
	p.subscribers(0)
	p.pushNumbers("a", 4, 6)
	w.run("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
	w.gets(1, 6)
}

// clientOrigins: a page of another origin receives everything: by WebSocket if the server
// permits it, else by script.
func clientOrigins(t *testing.T, b browser) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!DOCTYPE html><title>a page of another origin</title>")
	}))
	defer site.Close()
	for _, with := range []struct{ cors, transport string }{{"", "jsonp"}, {site.URL, "ws"}} {
		p := start(t, nil, "--demo", "--cors-origin", with.cors)
		w := b.open(t, site.URL, "")
		w.listen(p.front, `{channels: {a: 1}}`)
		p.pushNumbers("a", 1, 5)
		w.gets(1, 5)
		p.pushNumbers("a", 6, 7)
		w.gets(1, 7)
		w.holds(`comet.state === "open" && comet.transport === "` + with.transport + `"`)
		w.run("comet.close()")
	}
}

// clientIComet: a page as written for iComet works with only the script's address changed.
func clientIComet(t *testing.T, b browser) {
	const page = `<!DOCTYPE html><title>a page of iComet's</title>
<script src="http://FRONT/demo/js/icomet.js"></script>
<script>
var got = [], lost = 0;
var comet = new iComet({
	channel: 'abc',
	signUrl: 'http://ADMIN/sign',
	subUrl: 'http://FRONT/sub',
	pubUrl: 'http://ADMIN/push?cb=?',
	callback: function (content, type) {
		got.push(JSON.parse(content).text);
	}
});
function send(text) { comet.pub(JSON.stringify({text: text})); }
</script>`
	for _, without := range []string{"", "delete window.EventSource"} {
		var p *process
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.NewReplacer("FRONT", p.front, "ADMIN", p.admin).Replace(page))
		}))
		p = start(t, nil, "--demo", "--auth", "token", "--cors-origin", site.URL, "--compat", "icomet") // permits the page to publish
		w := b.open(t, site.URL, without)
		p.subscribers(1)
		for i := 1; i <= 5; i++ {
			w.run("send('" + strconv.Itoa(i) + "')")
			w.gets(1, i)
		}
		w.close()
		p.subscribers(0)
		site.Close()
	}
}
