package cc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var sample = []byte("#include <stdio.h>\nint main(void) { puts(WORD); return 0; }\n")

// TestBuild checks that a program is built once for the same source and flags.
func TestBuild(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	programs := map[string]string{}
	for _, word := range []string{"one", "two"} {
		program, err := Build(t.Context(), "sample", sample, `-DWORD="`+word+`"`)
		if errors.Is(err, ErrMissing) && os.Getenv("CCOMET_NO_SKIP") != "1" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program).Output(); err != nil || string(out) != word+"\n" {
			t.Errorf("%v: %q, want %q", err, out, word)
		}
		programs[word] = program
	}
	t.Setenv("PATH", "")
	for word, want := range programs {
		if program, err := Build(t.Context(), "sample", sample, `-DWORD="`+word+`"`); err != nil || program != want {
			t.Errorf("%q, %v; want %q, without a compiler", program, err, want)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(programs["one"])); len(left) != 2 {
		t.Errorf("building left %v", left)
	}
	if _, err := Build(t.Context(), "other", sample); !errors.Is(err, ErrMissing) {
		t.Errorf("without a compiler: %v", err)
	}
}

// TestBuildOfAMistake checks that an error in the source is not reported as
// ErrMissing.
func TestBuildOfAMistake(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil && os.Getenv("CCOMET_NO_SKIP") != "1" {
		t.Skip(err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if _, err := Build(t.Context(), "sample", sample); err == nil || errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "WORD") {
		t.Errorf("%v", err)
	}
	for name, source := range map[string]string{"a header": "#include <no/such.h>\n", "a library": "int main(void) { return 0; }\n"} {
		if _, err := Build(t.Context(), "sample", []byte(source), "-lno_such"); !errors.Is(err, ErrMissing) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
