package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The files for Prometheus and Grafana, tried with a real Prometheus that scrapes a real
// server.

// monitor is a Prometheus with dist/prometheus.yml.
type monitor struct {
	t       *testing.T
	address string
	log     bytes.Buffer
}

// scraping runs a Prometheus that scrapes a server at short intervals, until the test ends.
func scraping(t *testing.T, admin string) *monitor {
	t.Helper()
	needsMuch(t)
	path, err := exec.LookPath("prometheus")
	if err != nil {
		leaveOut(t, "no prometheus here: the dashboard and the alerts are not tried")
	}
	dir := t.TempDir()
	rules, err := filepath.Abs("dist/ccomet.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("dist/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	for _, r := range [][2]string{{"127.0.0.1:8000", admin}, {"interval: 15s", "interval: 200ms"}, {"- ccomet.rules.yml", "- " + rules}} {
		if !strings.Contains(config, r[0]) {
			t.Fatalf("prometheus.yml has no %q", r[0])
		}
		config = strings.ReplaceAll(config, r[0], r[1])
	}
	name := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &monitor{t: t, address: reserve(t)}
	cmd := exec.Command(path, "--config.file="+name, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+m.address)
	cmd.Stderr = &m.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus says:\n%s", m.log.String())
		}
	})
	until(t, func() bool {
		resp, err := client.Get("http://" + m.address + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return m
}

// api requests the HTTP API, and parses its data.
func (m *monitor) api(path string, query url.Values, data any) {
	m.t.Helper()
	resp, err := client.Get("http://" + m.address + "/api/v1/" + path + "?" + query.Encode())
	a := read(m.t, resp, err)
	got := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Status != "success" {
		m.t.Fatalf("%s %v: %v %s\n%s", path, query, err, got.Error, a.body)
	}
}

// samples returns the current values of an expression, except NaN and infinities.
func (m *monitor) samples(expr string) (values []string) {
	m.t.Helper()
	var data struct {
		Result []struct{ Value [2]any }
	}
	m.api("query", url.Values{"query": {expr}}, &data)
	for _, one := range data.Result {
		if v := fmt.Sprint(one.Value[1]); v != "NaN" {
			values = append(values, v)
		}
	}
	return values
}

// panel is the part of a dashboard's panel that the test needs.
type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, RefID string }
}

// dashboard reads dist/grafana.json.
func dashboard(t *testing.T) (panels []panel, variables []string) {
	t.Helper()
	text, err := os.ReadFile("dist/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels     []panel
		Templating struct {
			List []struct{ Name string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	return d.Panels, variables
}

// TestDashboard: every expression of every panel has a value, and so do the metrics of the
// alerts. The alerts that should fire do.
func TestDashboard(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--ccomet", "127.0.0.1:0", "--max-channels", "2", "--max-connections", "100", "--channel-buffer-size", "2",
		"--state", filepath.Join(t.TempDir(), "state"), "--state-interval", "1")
	shared := newSharing(t, 1) // for the metrics of a cluster
	m := scraping(t, p.admin+`", "`+shared.nodes[0].admin)
	until(t, func() bool { return len(m.samples("ccomet_build_info")) == 2 })
	waiting := p.stream("a")
	defer waiting.Close()
	traffic := func() {
		for range 5 {
			p.push("a", "x")
		}
		shared.nodes[0].push("a", "x")
		get(t, p.admin, "/broadcast?content=x")
		get(t, p.admin, "/push?cname=b&content=x")
		get(t, p.admin, "/push?cname=c&content=x")                // exceeds max-channels
		get(t, p.front, "/poll?cname=a&seq=1")                    // requests lost messages
		get(t, p.front, "/poll?cname=a&seq=1&cb=f&cname=b&seq=1") // likewise
	}
	panels, variables := dashboard(t)
	if fmt.Sprint(variables) != "[datasource instance loop]" {
		t.Errorf("variables %v", variables)
	}
	fill := strings.NewReplacer("$__rate_interval", "3s", "$instance", ".*", "$loop", ".*")
	asked := 0
	for _, panel := range panels {
		for _, target := range panel.Targets {
			asked++
			expr := fill.Replace(target.Expr)
			if regexp.MustCompile(`\$[a-zA-Z_{]`).MatchString(expr) {
				t.Errorf("panel %s: a variable is left in %s", panel.Title, expr)
			}
			answered := false
			for range 200 {
				if answered = len(m.samples(expr)) > 0; answered {
					break
				}
				traffic()
			}
			if !answered {
				t.Errorf("panel %s: nothing answers %s", panel.Title, expr)
			}
		}
	}
	if asked < 50 {
		t.Errorf("only %d expressions", asked)
	}
	m.alerts(traffic)
}

// alerts compares the alert rules with the server's metrics.
func (m *monitor) alerts(traffic func()) {
	t := m.t
	t.Helper()
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Query, Health, LastError string }
		}
	}
	m.api("rules", nil, &rules)
	seen := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			seen++
			if rule.Health == "err" {
				t.Errorf("%s: %s", rule.Name, rule.LastError)
			}
			for _, selector := range regexp.MustCompile(`\b(?:ccomet|process)_\w+(?:\{[^}]*\})?|\bup\{[^}]*\}`).FindAllString(rule.Query, -1) {
				if len(m.samples("count("+selector+")")) == 0 {
					t.Errorf("%s: there is no %s", rule.Name, selector)
				}
			}
		}
	}
	if seen < 14 {
		t.Errorf("%d alert rules", seen)
	}
	until(t, func() bool {
		traffic()
		return len(m.samples(`ALERTS{alertname="CCometMessagesLost", alertstate="firing"}`)) == 1 &&
			len(m.samples(`ALERTS{alertname="CCometLimitMet", limit="max-channels", alertstate="firing"}`)) == 1
	})
	// A pending alert is reported to nobody, and a busy machine may cause one (CCometSlowTurns).
	if others := m.samples(`ALERTS{alertname!~"CCometMessagesLost|CCometLimitMet", alertstate="firing"}`); len(others) != 0 {
		t.Errorf("other alerts fire: %v", others)
	}
}

// TestDashboardLayout: panels do not overlap, and each has an expression.
func TestDashboardLayout(t *testing.T) {
	panels, _ := dashboard(t)
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range panels {
		if ids[p.ID] {
			t.Errorf("panel %s: its id is another's", p.Title)
		}
		ids[p.ID] = true
		if p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d: no title, or nothing to show", p.ID)
		}
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("panel %s is at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("panels %s and %s are both at %d, %d", other, p.Title, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// TestAlertRules: promtool accepts the rules, and each alert fires in its case.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "config", "dist/prometheus.yml")
	promtool(t, "", "test", "rules", "dist/ccomet.rules.test.yml")
}
