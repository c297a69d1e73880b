package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goclient "ccomet/comet/client"
)

// counting is a prelude that counts what a client opens, and what fails.
const counting = `window.opened = 0; window.failed = [];
for (const name of ["EventSource", "WebSocket"]) {
	const Real = window[name];
	window[name] = class extends Real {
		constructor(...args) {
			super(...args);
			opened++;
			this.addEventListener("error", () => failed.push(name + " error"));
			this.addEventListener("close", () => failed.push(name + " close"));
		}
	};
}
const fetched = window.fetch;
window.fetch = (...args) => fetched(...args).then((r) => (r.ok || failed.push("fetch " + r.status), r), (e) => { failed.push("fetch " + e); throw e; });
addEventListener("error", (e) => failed.push("error " + (e.message || e.target.src)), true);`

// TestUpgradeClients: the clients for browsers and the Go client stay connected over upgrades in a row,
// with other loops and records, too. They receive every message once, and nothing that they open fails or
// is opened again.
func TestUpgradeClients(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := install(t, "--demo", "--ccomet", "127.0.0.1:0", "--cors-origin", "*", "--polling-timeout", "600", "--compat", "icomet")
	windows := map[string]*window{}
	for _, transport := range []string{"ws", "sse", "poll", "jsonp"} {
		w := b.open(t, "http://"+s.front+empty, counting)
		w.listen(s.front, `{channels: {a: 1}, transport: "`+transport+`", share: false}`)
		w.holds(`comet.state === "open"`)
		windows["comet.js, "+transport] = w
	}
	for name, page := range map[string]string{
		"icomet.js": `<script>var got = [], lost = 0;</script><script src="http://FRONT/demo/js/icomet.js"></script><script>
new iComet({channel: "a", signUrl: "http://ADMIN/sign", subUrl: "http://FRONT/sub", callback: function (content) { got.push(content); }});</script>`,
		"ccomet.js": `<script>var got = [], lost = 0;</script><script src="http://FRONT/demo/js/ccomet.js"></script><script>
var who = "channel=b&sname=me";
new CComet({sign_url: "http://CCOMET/sign?" + who, sub_url: "http://CCOMET/subscribe?" + who + "&seqid=", pub_url: "http://CCOMET/publish?" + who + "&msg=",
	callback: function (item) { if (item.type === "MSG") { got.push(item.msg); } }});</script>`,
	} {
		text := "<!DOCTYPE html><title>" + name + "</title>" + strings.NewReplacer("FRONT", s.front, "ADMIN", s.admin, "CCOMET", s.address("ccomet")).Replace(page)
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
		defer site.Close()
		windows[name] = b.open(t, site.URL, counting)
	}
	goClients := listenWithGo(t, s.process)
	s.subscribers(len(windows) + len(goClients))
	published := 0
	publish := func() {
		t.Helper()
		for range 5 {
			published++
			s.push("a", itoa(published))
			s.pushCComet(itoa(published))
		}
	}
	publish()
	for n := range *upgrades {
		s.instead([]int{1, 0, 2}[n%3], fmt.Sprintf("--loops %d", 1+n%3))
		if said, err := s.upgrade(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		publish()
	}
	for name, w := range windows {
		w.gets(1, published)
		w.holds(`(failed.join("; ") || "none") === "none"`)
		w.holds(`opened <= 1`)
		if strings.HasPrefix(name, "comet.js") {
			w.holds(`states.filter((s) => s !== "open" && s !== "connecting").length === 0 && states.filter((s) => s === "open").length === 1`)
		}
		w.close()
	}
	for transport, c := range goClients {
		until(t, func() bool { return c.got.Load() == int64(published) })
		c.stop()
		if n := c.retries.Load(); n > 0 {
			t.Errorf("the Go client reconnected %d times, with transport %v", n, transport)
		}
	}
}

// pushCComet publishes to channel b of CComet's own dialect.
func (i *replaceable) pushCComet(content string) {
	i.t.Helper()
	if a := get(i.t, i.address("ccomet"), "/publish?channel=b&sname=other&callback=f&msg="+content); a.status != 200 {
		i.t.Fatalf("%+v", a)
	}
}

// goListener is a Go client that must receive the numbers from 1 on.
type goListener struct {
	got, retries atomic.Int64
	stop         func()
}

func listenWithGo(t *testing.T, p *process) map[goclient.Transport]*goListener {
	list := map[goclient.Transport]*goListener{}
	for _, transport := range []goclient.Transport{goclient.WebSocket, goclient.Events} {
		c := &goListener{}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		c.stop = func() { cancel(); all.Wait() }
		sub := goclient.Subscriber{
			URL: "http://" + p.front, Transport: transport, Channels: []goclient.Channel{{Name: "a", From: goclient.Place{Next: 1}}},
			Retrying: func(error, time.Duration) { c.retries.Add(1) },
		}
		all.Go(func() {
			for event, err := range sub.All(ctx) {
				if err != nil {
					return
				}
				if event.Kind == goclient.Data && event.Content != itoa(int(c.got.Add(1))) {
					t.Errorf("event %+v, want %d", event, c.got.Load())
				}
			}
		})
		list[transport] = c
	}
	return list
}
