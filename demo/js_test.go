package demo

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestJS runs the tests of the JavaScript clients, in jstest, with Node and the
// real server.
func TestJS(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CCOMET_NO_SKIP") == "1" {
			t.Fatal("no Node here, and tests may not be skipped: apt-get install nodejs")
		}
		t.Skip("no Node here: the clients in web/js are not tested; apt-get install nodejs")
	}
	program := filepath.Join(t.TempDir(), "ccomet")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "ccomet/cmd/ccomet")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the server: %v\n%s", err, out)
	}
	tests, err := filepath.Glob("jstest/*.test.js")
	if err != nil || len(tests) == 0 {
		t.Fatal("no tests in jstest: ", err)
	}
	for _, name := range tests {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel() // the tests mostly wait for the server and for timers
			// Node reports a test that hangs by its name, long before "go test"
			// times out.
			cmd := exec.Command(node, "--test", "--test-timeout=600000", name)
			cmd.Env = append(os.Environ(), "CCOMET_PROGRAM="+program)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
