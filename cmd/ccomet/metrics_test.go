package main

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// promtool runs Prometheus' checker.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		leaveOut(t, "no promtool here: what Prometheus is given is not checked")
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "no help text") {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestMetrics: the metrics show the settings and what the server has done, and Prometheus'
// checker accepts their names.
func TestMetrics(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--loops", "2", "--max-channels", "2", "--channel-buffer-size", "2", "--state", filepath.Join(t.TempDir(), "state"))
	before := get(t, p.admin, "/metrics").body
	c := p.stream("a")
	defer c.Close()
	for range 5 {
		p.push("a", "x")
	}
	p.push("b", "x")
	if a := get(t, p.admin, "/push?cname=c&content=x"); a.status != 429 {
		t.Errorf("one channel too many: %v", a)
	}
	old, _ := raw(t, p.front, "GET /stream?cname=a&seq=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.waits(t, 2, "a")

	var a answer
	until(t, func() bool { // the connections of earlier requests are closed
		a = get(t, p.admin, "/metrics")
		return a.status != 200 || sumOf(t, a.body, `ccomet_connections{side="admin"}`) == 1
	})
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%v", a)
	}
	for name, want := range map[string]float64{
		`ccomet_channels`:                              2,
		`ccomet_subscribers{transport="stream"}`:       2,
		`ccomet_connections{state="waiting"}`:          2,
		`ccomet_connections{side="admin"}`:             1, // the one of this scrape
		`ccomet_messages_published_total`:              6,
		`ccomet_messages_delivered_total`:              5,
		`ccomet_messages_replayed_total`:               2,
		`ccomet_messages_lost_total`:                   3,
		`ccomet_limit_met_total{limit="max-channels"}`: 1,
		`ccomet_limit{limit="max-channels"}`:           2,
		`ccomet_requests_refused_total`:                1,
		`ccomet_loop_answered`:                         2,
		`ccomet_slab_records{slab="channel"}`:          2,
		`ccomet_slab_records{slab="subscriber"}`:       2,
		`ccomet_slab_record_bytes{slab="connection"}`:  32,
		`ccomet_history_messages`:                      3,
		`ccomet_draining`:                              0,
		`ccomet_state_write_failures_total`:            0,
	} {
		if got := sumOf(t, a.body, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if !regexp.MustCompile(`ccomet_build_info\{goversion="go1\.[^"]+",revision="[^"]*",version="[^"]+"\} 1\n`).MatchString(a.body) {
		t.Error("no build is reported")
	}
	if n, was := series(a.body), series(before); n != was {
		t.Errorf("%d series, and with clients and channels %d", was, n)
	}
	promtool(t, a.body, "check", "metrics")
	old.Close()
}

// TestMetricsOfSharing: metrics show that mostly idle loops share one thread.
func TestMetricsOfSharing(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--loops", "2")
	looks := 0
	until(t, func() bool { // loops are idle only if metrics are not requested all the time
		if looks++; looks%50 != 0 {
			return false
		}
		return sumOf(t, get(t, p.admin, "/metrics").body, `ccomet_loop_guest`) == 1
	})
	a := get(t, p.admin, "/metrics")
	if sumOf(t, a.body, `ccomet_loop_guest{loop="0"}`) != 0 || sumOf(t, a.body, `ccomet_loop_visits_total{loop="1"}`) < 1 {
		t.Error("loop 1 does not run on the thread of loop 0")
	}
}

// series counts the server's own metrics.
func series(text string) int { return strings.Count("\n"+text, "\nccomet_") }

// sumOf adds up the samples of a metric with certain labels.
func sumOf(t *testing.T, text, selector string) (sum float64) {
	t.Helper()
	name, labels, _ := strings.Cut(strings.TrimSuffix(selector, "}"), "{")
	found := false
	for _, line := range strings.Split(text, "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok && strings.Contains(line, labels) && (rest[0] == ' ' || rest[0] == '{') {
			v := 0.0
			if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &v); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			sum, found = sum+v, true
		}
	}
	if !found {
		t.Errorf("no %s", selector)
	}
	return sum
}

// TestMetricsArePrivate: metrics are on the admin side, under its access rules, whatever the
// front side exposes.
func TestMetricsArePrivate(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--demo")
	for _, path := range []string{"/metrics", "/demo/metrics"} {
		if a := get(t, p.front, path); a.status != 404 {
			t.Errorf("the front side: %v", a)
		}
	}
	p = start(t, nil, "--admin-deny", "127.")
	if a := get(t, p.admin, "/metrics"); a.status != 403 {
		t.Errorf("for whom it denies: %v", a)
	}
}

// TestMetricsWhileDraining: a draining server reports that on open connections.
func TestMetricsWhileDraining(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--drain-time", "60")
	admin, answers := raw(t, p.admin, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	readUntil(t, answers, "Content-Length: 2")
	c := p.stream("a")
	defer c.Close()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logs("draining")
	if _, err := io.WriteString(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answers)
	if err != nil || sumOf(t, string(text), "ccomet_draining") != 1 {
		t.Errorf("%v\n%s", err, text)
	}
}
