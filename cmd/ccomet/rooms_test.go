package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// roomDirections lists which packages below internal/ each of them may import.
var roomDirections = map[string][]string{
	"adminclient": {},
	"daemon":      {},
	"footprint":   {},
	"logging":     {},
	"metrics":     {},
	"systemd":     {},
	"upgrade":     {},
	"settings":    {"daemon", "logging"},
	"doctor":      {"adminclient", "settings"},
	"configfile":  {"logging", "settings"},
}

// TestRooms checks which internal package may import which, and that each describes itself in
// one sentence. A new import direction needs a new line here.
func TestRooms(t *testing.T) {
	t.Parallel()
	const below = "ccomet/cmd/ccomet/internal/"
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,TestImports,XTestImports", "./internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; seen++ {
		var p struct {
			ImportPath, Doc                    string
			Imports, TestImports, XTestImports []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(p.ImportPath, below)
		allowed, known := roomDirections[room]
		if !known {
			t.Errorf("%s: this package is not listed here", room)
		}
		if !strings.HasPrefix(p.Doc, "Package "+room+" ") || strings.Contains(p.Doc, " and ") {
			t.Errorf("%s: its comment says %q: want one sentence without an \"and\"", room, p.Doc)
		}
		for _, to := range allowed {
			if !slices.Contains(p.Imports, below+to) {
				t.Errorf("%s may import %s but does not: remove the line", room, to)
			}
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if to, ok := strings.CutPrefix(path, below); ok && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s", room, to)
			}
		}
	}
	if seen != len(roomDirections) {
		t.Errorf("%d packages were checked, but %d are listed here", seen, len(roomDirections))
	}
}
