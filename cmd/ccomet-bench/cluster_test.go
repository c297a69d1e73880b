package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ccomet/bench/result"
)

// TestCluster runs everything that the command measures with nodes of this server, and of nchan
// if it is installed. Each kind has a real Redis.
func TestCluster(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CCOMET_NO_SKIP") != "1" {
		t.Skip("no redis-server here: servers that share channels are not measured")
	}
	file := filepath.Join(t.TempDir(), "cluster.json")
	args := []string{"cluster", "--rounds", "1", "--conns", "20", "--publishes", "200", "--publishers", "2", "--depth", "4", "--paced", "20", "--rate", "200", "--return", "50", "--json", file}
	others := 0
	if _, err := os.Stat("/usr/lib/nginx/modules/ngx_nchan_module.so"); err == nil {
		args, others = append(args, "nchan"), 1
	}
	out, err := harness(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r, err := result.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Compare; r.Kind != result.KindCluster || len(c.Contestants) != 2+others || len(c.Rows) != 13 {
		t.Fatalf("%+v\n%s", r.Compare, out)
	}
	for _, row := range r.Compare.Rows {
		if len(row.Values[1]) == 0 {
			t.Errorf("%s, %s: there is no figure", row.What, row.Figure)
		}
	}
	if row := r.Compare.Rows[0]; row.Figure != "Redis' keys for each" || row.Medians[1] != 0 {
		t.Errorf("%s of a channel without messages: %v", row.Figure, row.Medians[1])
	}
	page := filepath.Join(t.TempDir(), "report.md")
	if out, err := harness(t, "report", "--markdown", page, file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := harness(t, "cluster", "--target", "mercure", "--conns", "2").CombinedOutput(); err == nil || !strings.Contains(string(out), "does not say how several servers use one Redis") {
		t.Errorf("a server without clusters: %v\n%s", err, out)
	}
}
