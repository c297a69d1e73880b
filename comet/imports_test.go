package comet

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// directions lists which package may import which. The three actors may import leaves, and the
// web the two other actors. Leaves may import the leaves that are listed before them.
var directions = map[string][]string{
	"pool":      {},
	"record":    {},
	"jsontext":  {},
	"msg":       {"jsontext"},
	"peer":      {},
	"limit":     {},
	"conn":      {},
	"op":        {"jsontext"},
	"token":     {"record"},
	"drain":     {"record"},
	"batch":     {"jsontext", "pool"},
	"mail":      {"msg", "pool", "record"},
	"ccomet":    {"jsontext", "msg", "record"},
	"frame":     {"ccomet", "conn", "msg", "peer", "record"},
	"statefile": {"ccomet", "msg", "record"},
	"broker":    {"handover", "jsontext", "limit", "mail", "msg", "pool", "record", "statefile", "token"},
	"hub":       {"conn", "drain", "frame", "handover", "jsontext", "limit", "mail", "msg", "peer", "pool", "record", "token"},
	"web": {
		"batch", "broker", "ccomet", "conn", "drain", "frame", "handover", "hub", "jsontext", "limit", "mail", "msg", "op", "peer", "pool", "record", "token",
	},

	"handover":       {},
	"handover/known": {},
}

// Beside comet itself, only these may import reactor: a broker uses its loop's time and
// timers, mail wakes a loop.
var knowSockets = []string{"broker", "conn", "drain", "frame", "hub", "mail", "record", "web"}

// TestDirections checks which package imports which within comet. A new direction needs a new
// line here.
func TestDirections(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == "ccomet/comet/client" {
			for _, path := range p.Imports {
				if strings.HasPrefix(path, "ccomet/") {
					t.Errorf("the client imports %s of the server", path)
				}
			}
		}
		if p.ImportPath != "ccomet/comet/cluster" && slices.Contains(p.Imports, "github.com/redis/rueidis") {
			t.Errorf("%s imports a Redis client, which only the log of a cluster may do", p.ImportPath)
		}
		room, ok := strings.CutPrefix(p.ImportPath, "ccomet/comet/internal/")
		if !ok {
			continue
		}
		seen++
		allowed, known := directions[room]
		if !known {
			t.Errorf("%s: this package is not listed here", room)
		}
		for _, to := range allowed {
			if !slices.Contains(p.Imports, "ccomet/comet/internal/"+to) {
				t.Errorf("%s may import %s but does not: remove the line", room, to)
			}
		}
		for _, path := range p.Imports {
			if to, ok := strings.CutPrefix(path, "ccomet/comet/internal/"); ok && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s", room, to)
			}
			if path == "ccomet/reactor" && !slices.Contains(knowSockets, room) || path == "ccomet/comet" {
				t.Errorf("%s imports %s", room, path)
			}
		}
	}
	if seen != len(directions) {
		t.Errorf("%d packages were checked, but %d are listed here", seen, len(directions))
	}
}

// TestInside: only tests use broker.Inside.
func TestInside(t *testing.T) {
	uses := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.HasSuffix(path, "_test.go") {
			uses += strings.Count(string(text), ".Inside()")
		} else if strings.Contains(string(text), ".Inside()") {
			t.Errorf("%s uses Inside", path)
		}
		return err
	})
	if err != nil || uses < 10 {
		t.Errorf("%d uses in tests, %v", uses, err)
	}
}
