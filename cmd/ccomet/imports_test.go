package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestImports checks which package may import which: reactor and httplite know nothing of each
// other nor of anything else here, comet joins them, demo and bench serve the programs only.
func TestImports(t *testing.T) {
	t.Parallel()
	// The imports within this module that are permitted for each part, tests included.
	allowed := map[string][]string{
		"reactor":  {"reactor"},
		"httplite": {"httplite"},
		"comet":    {"comet", "reactor", "httplite"},
		"demo":     {"demo", "reactor", "httplite"},
		"bench":    {"bench", "comet", "reactor", "httplite"},
		"cmd":      {"cmd", "bench", "demo", "comet", "reactor", "httplite"},
	}
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "ccomet/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath                               string
			Imports, TestImports, XTestImports, Deps []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from := part(p.ImportPath)
		seen[from] = true
		if allowed[from] == nil {
			t.Errorf("%s: this package is not listed here", p.ImportPath)
		}
		for _, imported := range append(append(p.Imports, p.TestImports...), p.XTestImports...) {
			if to := part(imported); to != "" && !contains(allowed[from], to) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
		if p.ImportPath == "ccomet/cmd/ccomet" {
			forTests(t, p.Deps)
		}
	}
	for _, name := range []string{"reactor", "httplite", "comet", "demo", "cmd"} {
		if !seen[name] {
			t.Errorf("no package of %s was looked at", name)
		}
	}
}

// forTests checks that modules used only by tests are not linked into the server.
func forTests(t *testing.T, deps []string) {
	t.Helper()
	for _, d := range deps {
		if strings.HasPrefix(d, "github.com/gobwas/") || strings.HasPrefix(d, "github.com/chromedp/") {
			t.Errorf("the server contains %s", d)
		}
	}
	if !contains(deps, "ccomet/comet") {
		t.Error("the server's dependencies were not looked at")
	}
}

// part returns the top directory of a package in this module, or "" for other packages.
func part(path string) string {
	rest, ok := strings.CutPrefix(path, "ccomet/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
