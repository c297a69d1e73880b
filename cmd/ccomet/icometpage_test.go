package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// confAsShipped contains the keys and values of iComet's own file, except the ports.
const confAsShipped = `# icomet config file
# MUST indent by TAB

pidfile = ./icomet.pid

logger:
	level: debug
	#output: stdout
	output: ./log.txt
	rotate:
		size: 1000000000

admin:
	listen: 127.0.0.1:0
	# allowed ip prefix, one ip each line
	allow: 127.0.0.1
	allow: 192.168
	deny: all
	#allow: all

front:
	listen: 127.0.0.1:0
	# none|token
	auth: none
	max_channels: 100000
	max_subscribers_per_channel: 16
	# number of messages buffered
	channel_buffer_size: 10
	# in seconds
	channel_timeout: 30
	# the idle time to send noop message, in seconds
	polling_timeout: 30
`

// TestPageOfIComet: a page of another origin that sends the requests of iComet's script
// receives messages from a server that was started with iComet's command line and file: by
// EventSource and by script, with the channel already in the URL and invalid numbers. It also
// publishes by a URL what a user writes in its chat.
func TestPageOfIComet(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := newService(t, confAsShipped)
	s.must("-d", s.conf)
	serving := logged(t, s.log, "serving")[0]
	address := func(side string) string { return "http://" + serving[side].([]any)[0].(string) }
	page := newStranger(t)
	page.page = strings.NewReplacer("FRONT", address("front"), "ADMIN", address("admin")).Replace(icometPage)
	w := b.open(t, page.URL, "")
	w.holds(`got.event.next_seq === 1 && got.script.next_seq === 1`)
	w.number(`say(long) || 0`)
	w.holds(`got.said.ok === 2`)
	w.holds(`got.event.data === long && got.script.data === long`)
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(s.conf), "log.txt")); err != nil || strings.Contains(string(text), `"level":"error"`) {
		t.Errorf("%v: %s", err, text)
	}
}

const icometPage = `<!DOCTYPE html><title>page of another origin</title><body><script>
var got = { event: {}, script: {}, said: {} };
var long = new Array(1001).join("\u4f60") + "100% \"'\\ <b>";
var none; // the page has no number yet
var number = none;
function note(by) {
	return function (m) {
		if (!(m instanceof Array)) { m = [m]; }
		for (var i = 0; i < m.length; i++) {
			got[by][m[i].type] = m[i].type === "data" ? m[i].content : m[i].seq === none ? (got[by][m[i].type] || 0) + 1 : m[i].seq;
			if (by === "script" && m[i].type === "data") { number = m[i].seq + 1; }
			if (by === "script" && m[i].type === "next_seq") { number = m[i].seq; }
		}
		if (by === "script") { poll(); }
	};
}
function load(src) { var e = document.createElement("script"); e.src = src; document.body.appendChild(e); }
function asked(path, cname, cb) {
	return "FRONT/" + path + "?cname=" + cname + "&cb=" + cb + "&cname=" + cname + "&seq=" + number + "&noop=" + none + "&token=&_=" + Math.random();
}
var icomet_cb_0 = note("script"), icomet_cb_1 = note("said");
function poll() { load(asked("sub", "b", "icomet_cb_0")); }
function say(content) {
	load("ADMIN/push?cname=a&cb=icomet_cb_1&content=" + encodeURIComponent(content));
	load("ADMIN/push?cname=b&cb=icomet_cb_1&content=" + encodeURIComponent(content));
}
onload = function () {
	var events = new EventSource(asked("sse", "a", "icomet_cb_2"));
	events.onmessage = function (e) { note("event")(JSON.parse(e.data)); };
	poll();
};
</script>`
