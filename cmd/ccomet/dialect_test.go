package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// dialectPage is a client of CComet's dialect. It puts texts into the URL unescaped, polls
// again from the number after the last message unless that was only a SIGN, gives up after 10
// seconds and polls again, and stops forever on an error or on an array that it cannot read.
const dialectPage = `<!DOCTYPE html><meta charset="utf-8"><body><p id="status" data-state="open"><script>
const at = new URL(location).searchParams;
const names = "channel=" + at.get("channel") + "&sname=" + at.get("sname");
let calls = 0, seqid = 0, stopped = "", heard = [], signs = 0, polls = 0;
function jsonp(path, answered, failed) {
	const name = "jsonp_" + calls++, script = document.createElement("script");
	const over = (next) => { clearTimeout(timer); delete window[name]; script.remove(); next && next(); };
	const timer = setTimeout(() => over(failed), 10000);
	window[name] = (text) => over(() => answered(JSON.parse(text)));
	script.onerror = () => over(() => setTimeout(() => failed && failed(), 50));
	script.src = "http://" + at.get("server") + path + "&time=" + Date.now() + "&callback=" + name + "&_=" + Date.now();
	document.body.append(script);
}
function subscribe() {
	polls++;
	jsonp("/subscribe?" + names + "&seqid=" + seqid, (list) => {
		if (["401", "402", "403", "404"].includes(list[0].type)) { stopped = list[0].type; return; }
		if (list.length === 1 && list[0].type === "SIGN") { signs++; }
		else {
			for (const m of list) { heard.push(m.sname + ": " + m.msg); }
			seqid = parseInt(list[list.length - 1].seqid) + 1;
		}
		subscribe();
	}, subscribe);
}
function say(text) { jsonp("/publish?" + names + "&msg=" + text, () => {}); }
addEventListener("load", () => setTimeout(() => jsonp("/sign?" + names, subscribe)));
</script>`

// TestDialectInABrowser: clients of CComet's dialect talk to each other, through a restart of
// the server.
func TestDialectInABrowser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(dialectPage))
	}))
	t.Cleanup(pages.Close)
	server := reserve(t)
	p := start(t, nil, "--ccomet", server)
	waiting := func(n string) {
		t.Helper()
		for limit := time.Now().Add(hangTimeout); !strings.Contains(get(t, p.admin, "/info").body, `"subscribers": `+n+"}"); runtime.Gosched() {
			if time.Now().After(limit) {
				t.Fatalf("there never were %s subscribers: %s", n, get(t, p.admin, "/info").body)
			}
		}
	}
	enter := func(sname string) *window {
		query := url.Values{"server": {server}, "channel": {"room"}, "sname": {sname}}
		return b.visit(t, pages.URL+"/?"+query.Encode(), "")
	}
	hears := func(w *window, n int, text string) {
		t.Helper()
		w.holds("heard.length === " + itoa(n) + " && heard[" + itoa(n-1) + "] === " + quote(text))
		w.holds(`stopped === ""`)
	}
	say := func(w *window, text string) {
		t.Helper()
		w.holds("say(" + quote(text) + ") === undefined")
	}
	ada := enter("ada")
	waiting("1")
	bob := enter("bob")
	ada.holds("signs === 1")
	waiting("2")
	const text = `it's "quoted" \ & a=b + 100% </script> é 👍 &time=1`
	say(ada, text)
	heard := strings.ReplaceAll(text, "+", " ") // its clients do not decode it
	hears(ada, 1, "ada: "+heard)
	hears(bob, 1, "ada: "+heard)
	say(bob, "two")
	hears(ada, 2, "bob: two")
	hears(bob, 2, "bob: two")
	// Another window with the same name takes the session over until the first polls again.
	// Both get all messages.
	waiting("2")
	again := enter("bob")
	hears(again, 2, "bob: two")

	p.kill()
	p = start(t, nil, "--ccomet", server)
	waiting("2") // ada, and one of the two bobs
	say(ada, "three")
	hears(ada, 3, "ada: three")
	ada.holds("seqid === 3") // the new server has continued from the number that the clients waited for
}

// quote returns a JavaScript string literal.
func quote(text string) string {
	return "decodeURIComponent(\"" + strings.ReplaceAll(url.QueryEscape(text), "+", "%20") + "\")"
}
