package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ccomet/demo"
)

// TestTransportPages: each page has a client that works, shows its source and the received
// bytes, and closes its connections while the page is hidden.
func TestTransportPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	sources := make(map[string]string)
	for _, page := range demo.Pages() {
		if name, ok := strings.CutPrefix(page.Path, "/demo/transport/"); ok {
			sources[strings.TrimSuffix(name, ".js")] = string(page.Body)
		}
	}
	const one, two = `{"type":"data","cname":"transports","seq":1,"content":"one"}`, `{"type":"data","cname":"transports","seq":2,"content":"two"}`
	for _, way := range []struct {
		page string
		both string   // the bytes if both messages were waiting
		live []string // the bytes of the second: an array if it was published before the page polled again
	}{
		{"ws", "81 3c " + one + "81 3c " + two, []string{"81 3c " + two}},
		{"history", `"messages":[` + one + "," + two + "]}↵\n", []string{`"messages":[` + two + "]}↵\n"}},
		{"poll", "[" + one + "," + two + "]↵\n", []string{two + "↵\n", "[" + two + "]↵\n"}},
		{"stream", one + "↵\n" + two + "↵\n", []string{two + "↵\n"}},
		{"sse", "id: 1.EPOCH↵\ndata: " + one + "↵\n↵\nid: 2.EPOCH↵\ndata: " + two + "↵\n↵\n", []string{"id: 2.EPOCH↵\ndata: " + two + "↵\n↵\n"}},
		{"jsonp", "answer([" + one + "," + two + "]);↵\n", []string{"answer(" + two + ");↵\n", "answer([" + two + "]);↵\n"}},
		{"iframe", "<script>parent.icomet_cb(" + one + ");</script>↵\n<script>parent.icomet_cb(" + two + ");</script>↵\n",
			[]string{"<script>parent.icomet_cb(" + two + ");</script>↵\n"}},
	} {
		t.Run(way.page, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, "--demo", "--polling-timeout", "3600") // no heartbeat may follow the expected bytes
			w := b.open(t, "http://"+p.front+"/demo/"+way.page, "")
			w.holds(`document.querySelector(".source").textContent === ` + quoted(sources[way.page]))
			w.holds(`document.querySelector("script[src='/demo/transport/` + way.page + `.js']") !== null`)
			w.fill("#text", "one")
			w.do(chromedp.Click(chromedp.CSS("#publish button")))
			w.got("one\n")
			w.holds(`document.querySelector("#published").textContent === "published as number 1"`)
			p.push("transports", "two")
			w.got("one\ntwo\n")
			epoch := p.epoch("transports")
			for i := range way.live {
				way.live[i] = strings.ReplaceAll(way.live[i], "EPOCH", epoch)
			}
			w.bytes(way.live...)
			// While the page is hidden, no connection is open. Then it is shown.
			w.looks(false)
			p.subscribers(0)
			w.looks(true)
			w.arrives()
			w.got("one\ntwo\n")
			w.bytes(strings.ReplaceAll(way.both, "EPOCH", epoch))
		})
	}
}

// got waits until the page's client has these messages.
func (w *window) got(text string) {
	w.t.Helper()
	w.holds(`document.querySelector("#messages").textContent === ` + quoted(text))
}

// bytes waits until one of these texts has arrived, possibly in several pieces.
func (w *window) bytes(texts ...string) {
	w.t.Helper()
	came := `[...document.querySelectorAll("#bytes .bytes pre")].map((row) => row.textContent).join("")`
	var ends []string
	for _, text := range texts {
		ends = append(ends, came+".endsWith("+quoted(text)+")")
	}
	w.holds(strings.Join(ends, " || "))
}

// arrives waits until the page was reloaded.
func (w *window) arrives() {
	w.t.Helper()
	loaded := chromedp.Evaluate[bool](`!window.before && document.readyState === "complete"`)
	for limit := time.Now().Add(hangTimeout); ; {
		if there, err := chromedp.Run(w.ctx, loaded); err == nil && there {
			return // error: the old page is being unloaded
		}
		if time.Now().After(limit) {
			w.t.Fatal("the page does not start again")
		}
	}
}

// looks makes the page visible or hidden.
func (w *window) looks(somebody bool) {
	w.t.Helper()
	w.run(`(() => {
		window.before = true;
		Object.defineProperty(document, "hidden", { configurable: true, get: () => ` + strconv.FormatBool(!somebody) + ` });
		document.dispatchEvent(new Event("visibilitychange"));
	})()`)
}
