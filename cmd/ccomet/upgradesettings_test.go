package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"ccomet/cmd/ccomet/internal/settings"
)

// changed is a setting that an upgrade changes. before and after are its values in TOML.
type changed struct {
	name, before, after string
	seen                func(*changing) string // what a client or an operator sees of it
	was, is             string                 // what they see before and after the upgrade; was == "": it is not looked at before
}

// changing is a server whose settings change.
type changing struct {
	*replaceable
	dir string // for sockets and files; {dir} in values
}

// changes are settings that change together in one upgrade, by the name of the group. Each row of a group
// must leave the other rows undisturbed; the rows are looked at in this order.
var changes = map[string][]changed{
	"addresses and access": {
		{"front", `["127.0.0.1:0"]`, `["127.0.0.1:0", "unix:{dir}/front"]`, listens("front"), "no", "yes"},
		{"admin", `["127.0.0.1:0", "unix:{dir}/a1"]`, `["127.0.0.1:0", "unix:{dir}/a2"]`, listens("a1", "a2"), "yes no", "no yes"},
		{"ccomet", `["unix:{dir}/c1"]`, `[]`, listens("c1"), "yes", "no"},
		{"cors-origin", `[]`, `["https://a.example"]`, headed("front", "/stream?cname=cors", "Access-Control-Allow-Origin", "Origin: https://a.example"), "none", "https://a.example"},
		{"admin-host", `[]`, `["comet.internal"]`, answered("admin", "127.0.0.1", "GET /info HTTP/1.1\r\nHost: comet.internal\r\n\r\n"), "403", "200"},
		{"admin-origin", `[]`, `["https://b.example"]`, answered("admin", "127.0.0.1", request("/info", "Origin: https://b.example", "Sec-Fetch-Site: cross-site")), "403", "200"},
		{"front-deny", `[]`, `["127.0.0.2"]`, answered("front", "127.0.0.2", request("/stream?cname=deny")), "200", "403"},
		{"front-allow", `[]`, `["127.0.0.1", "127.0.0.4", "127.0.0.5", "unix"]`, answered("front", "127.0.0.3", request("/stream?cname=allow")), "200", "403"},
		{"admin-deny", `[]`, `["127.0.0.2"]`, answered("admin", "127.0.0.2", request("/info")), "200", "403"},
		{"admin-allow", `[]`, `["127.0.0.1", "127.0.0.4", "unix"]`, answered("admin", "127.0.0.3", request("/info")), "200", "403"},
		{"trusted-proxy", `["127.0.0.9"]`, `["127.0.0.4"]`, answered("admin", "127.0.0.4", request("/info", "X-Forwarded-For: 127.0.0.2")), "200", "403"},
		{"proxy-protocol", `[]`, `["front"]`, answered("front", "127.0.0.4", "PROXY TCP4 127.0.0.5 127.0.0.1 1 2\r\n"+request("/stream?cname=proxy")), "400", "200"},
		{"auth", `"none"`, `"token"`, streamed("/stream?cname=auth"), "next_seq", "401"},
		{"loops", `1`, `3`, func(s *changing) string { return itoa(s.status().Loops) }, "1", "3"},
		{"demo", `false`, `true`, answered("front", "127.0.0.1", request("/")), "404", "200"},
		{"pprof", `false`, `true`, answered("admin", "127.0.0.1", request("/debug/pprof/")), "404", "200"},
		{"compat", `"none"`, `"icomet"`, answered("admin", "127.0.0.1", request("/push?cname=&content=x")), "400", "200"},
		{"log-level", `"info"`, `"error"`, reopens, "yes", "no"},
		{"log-format", `"json"`, `"console"`, writes("form"), "json", "console"},
	},
	"the log": {
		{"log-output", `"stderr"`, `"{dir}/log"`, writes("output"), "", "a file"},
		{"log-rotate-size", `0`, `200`, writes("rotated"), "", "rotated"},
	},
	"limits of messages": {
		{"channel-buffer-size", `100`, `3`, retains("size", 5, 10), "5", "3"},
		{"max-message", `65536`, `2000`, pushes("long", 3000), "200", "413"},
		{"max-batch", `1048576`, `300`, batch(1, 400), "200", "413"},
		{"max-batch-messages", `10000`, `2`, batch(3, 1), "200", "413"},
		{"max-publish-keys", `1000000`, `1`, remembers, "yes", "no"},
		{"max-head", `32768`, `1024`, answered("front", "127.0.0.1", request("/ping", "X-Long: "+strings.Repeat("x", 3000))), "200", "431"},
		{"ws-publish", `false`, `true`, operates(`{"op":"pub","cname":"w","content":"x","id":1}`, 1), "403", "ok"},
		{"ws-deflate", `false`, `true`, headed("front", "/ws", "Sec-WebSocket-Extensions", handshake...), "none", "permessage-deflate"},
		{"ws-max-message", `65536`, `128`, operates(`{"op":"ping","id":1,"x":"`+strings.Repeat("x", 200)+`"}`, 1), "pong", "1009"},
		{"ws-max-channels", `64`, `1`, operates(`{"op":"sub","cname":"other","id":1}`, 1), "ok", "429"},
		{"ws-rate", `100000`, `2`, operates(`{"op":"ping","id":1}`, 20), "pong", "429"},
		{"retry-time", `0`, `3`, retries, "no", "yes"},
	},
	"limits of channels and connections": {
		{"channel-buffer-bytes", `1048576`, `3000`, retains("bytes", 10, 1000), "10", "2"},
		{"max-subscribers-per-channel", `0`, `2`, crowds("/stream?cname=crowd", "127.0.0.6", 3), "200", "429"},
		{"max-connections-per-address", `0`, `3`, crowds("/stream?cname=many", "127.0.0.7", 4), "200", "429"},
		{"max-connections", `0`, `15`, crowds("/stream?cname=all", "", 20), "200", "503"},
	},
	"the rate of an address":              {{"publish-rate-per-address", `0`, `1`, floods("/push?content=x&cname=f"), "200", "429"}},
	"the rate of a channel":               {{"publish-rate-per-channel", `0`, `1`, floods("/push?cname=flood&content=x"), "200", "429"}},
	"the number of channels":              {{"max-channels", `0`, `8`, crowds("/stream?cname=c", "127.0.0.1", 10), "200", "429"}},
	"memory of slow readers":              {{"max-held-bytes", `268435456`, `80000`, polls(40, 1000), "40", "fewer"}},
	"memory of all channels":              {{"max-history-bytes", `1073741824`, `20000`, retains("sum", 40, 1000), "40", "fewer"}},
	"memory that each channel has anyway": {{"history-minimum", `1`, `4`, keepsBeside, "fewer", "4"}},
	"times": {
		{"channel-timeout", `3600`, `1`, forgets, "", "yes"},
		{"polling-timeout", `3600`, `1`, streamed("/stream?cname=noop&seq=1"), "", "noop"},
		{"request-timeout", `3600`, `1`, closes("front", "GET /pi"), "", "closed"},
		{"body-timeout", `3600`, `1`, closes("admin", "POST /push?cname=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"), "", "closed"},
		{"idle-timeout", `3600`, `1`, closes("front", request("/ping")), "", "closed"},
		{"admin-idle-timeout", `3600`, `1`, closes("admin", request("/info")), "", "closed"},
		{"write-timeout", `3600`, `1`, cuts, "", "cut"},
		{"accept-rate", `0`, `4`, limitsAccepts, "", "yes"},
		{"state-interval", `3600`, `1`, saves, "", "yes"},
		{"drain-time", `3600`, `0.1`, stops, "", "yes"},
	},
}

// fixed are settings of a group that do not change.
var fixed = map[string]string{
	"the log":                             "loops = 1\n",
	"limits of messages":                  "loops = 1\n",
	"limits of channels and connections":  "loops = 1\n",
	"memory of slow readers":              "loops = 1\n",
	"memory of all channels":              "loops = 1\n",
	"memory that each channel has anyway": "loops = 1\nmax-history-bytes = 20000\n",
	"times":                               "state = \"{dir}/state\"\n",
}

// refusals are settings that an upgrade must not change, with values and the error.
var refusals = []struct{ name, value, want string }{
	{"secret", `"other"`, "secret"},
	{"state", `"{dir}/state"`, "state file"},
	{"pidfile", `"{dir}/pid"`, "pidfile has changed"},
	{"live-upgrade", `false`, "live-upgrade is off"},
	{"redis", `"redis://127.0.0.1:1"`, "several servers"},
}

// ofCluster are settings that only a server with Redis has: TestClusterUpgradeSettings.
var ofCluster = []string{"redis-prefix", "node", "redis-ttl", "redis-bus", "redis-partitions", "redis-queue"}

// TestUpgradeSettings: an upgrade changes every setting, or refuses with an error that names it. A new
// setting must be in one of the tables above.
func TestUpgradeSettings(t *testing.T) {
	t.Parallel()
	known := slices.Clone(ofCluster)
	for group, list := range changes {
		for _, c := range list {
			known = append(known, c.name)
		}
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			testChanges(t, fixed[group], list)
		})
	}
	for _, r := range refusals {
		known = append(known, r.name)
	}
	_, flags, err := settings.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range flags {
		if n := slices.Index(known, flag.Name); n < 0 && flag.Name != "config" && flag.Name != "help" {
			t.Errorf("no table says whether an upgrade may change %s", flag.Name)
		} else if n >= 0 {
			known = slices.Delete(known, n, n+1)
		}
	}
	if len(known) > 0 {
		t.Errorf("no such settings, or twice: %v", known)
	}
}

// installWith is install with a configuration file of that text, and no flags.
func installWith(t *testing.T, text string) (s *changing, rewrite func(text string)) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ccomet") // a short path, for unix sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conf := filepath.Join(dir, "conf.toml")
	rewrite = func(text string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(strings.ReplaceAll(text, "{dir}", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(text)
	list, err := versions()
	if err != nil {
		t.Fatal(err)
	}
	i := &replaceable{path: filepath.Join(dir, "ccomet"), versions: list}
	i.put(t, list[0])
	cmd := command(nil, "serve", "--config", conf)
	cmd.Path, cmd.Args[0] = i.path, i.path
	i.process = serving(t, cmd)
	return &changing{i, dir}, rewrite
}

func testChanges(t *testing.T, base string, list []changed) {
	before, after := base, base
	if !slices.ContainsFunc(list, func(c changed) bool { return c.name == "front" }) {
		before, after = base+freePorts, base+freePorts
	}
	for _, c := range list {
		before += fmt.Sprintf("%s = %s\n", c.name, c.before)
		after += fmt.Sprintf("%s = %s\n", c.name, c.after)
	}
	s, rewrite := installWith(t, before)
	var ends atomic.Bool
	client := listen(t, s.front, "/stream?cname=c0&seq=1", &ends) // it stays connected over the change
	defer ends.Store(true)
	for _, c := range list {
		if c.was != "" {
			if got := c.seen(s); got != c.was {
				t.Errorf("with %s = %s: %q, want %q", c.name, c.before, got, c.was)
			}
		}
	}
	rewrite(after)
	if said, err := s.upgrade(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	s.push("c0", "on")
	waited(t, "the client hears on", func() bool { return client.heard.Load() > 0 })
	ends.Store(true)
	client.conn.Close()
	for _, c := range list {
		if got := c.seen(s); got != c.is {
			t.Errorf("upgraded to %s = %s: %q, want %q", c.name, c.after, got, c.is)
		}
	}
}

// TestUpgradeSettingsRefused: an upgrade that would change one of these settings is refused, and changes
// nothing.
func TestUpgradeSettingsRefused(t *testing.T) {
	t.Parallel()
	s, rewrite := installWith(t, freePorts)
	for _, r := range refusals {
		rewrite(freePorts + r.name + " = " + r.value + "\n")
		if said, err := s.upgrade(); err == nil || !strings.Contains(said, "not upgraded: ") || !strings.Contains(said, r.want) {
			t.Errorf("%s: %v, %q, want %q", r.name, err, said, r.want)
		}
	}
	for _, overlapping := range []string{"front = [\"" + s.admin + "\"]\nadmin = [\"127.0.0.1:0\"]\n"} {
		rewrite(overlapping)
		if said, err := s.upgrade(); err == nil || !strings.Contains(said, "address already in use") {
			t.Errorf("%s: %v, %q", overlapping, err, said)
		}
	}
	rewrite(freePorts)
	if said, err := s.upgrade(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	s.stop(syscall.SIGTERM)
}
