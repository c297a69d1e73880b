package configfile

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ccomet/cmd/ccomet/internal/settings"
)

// FuzzIComet and FuzzTOML: any file is read with the same result each time, each problem is at
// an existing line, and every value without a problem can be used.

func FuzzIComet(f *testing.F) {
	f.Add("pidfile = ./icomet.pid\nlogger:\n\tlevel: debug\n\trotate:\n\t\tsize: 5\nadmin:\n\tallow: 127.\n\tdeny: all\nfront:\n\tauth: none\n")
	f.Fuzz(func(t *testing.T, text string) {
		checkReading(t, text, "icomet.conf", (*File).readIComet)
	})
}

func FuzzTOML(f *testing.F) {
	f.Add("front = [\"127.0.0.1:0\", ':1'] # two\nloops = 2\ndemo = true\npolling-timeout = \"1m\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		checkReading(t, text, "ccomet.toml", (*File).readTOML)
	})
}

func checkReading(t *testing.T, text, name string, read func(*File, []byte)) {
	_, flags, err := settings.New()
	if err != nil {
		t.Fatal(err)
	}
	reading := func() *File {
		f := newFile(filepath.Join("/somewhere", name), flags)
		f.resolve = func(host string) (string, error) { return "", fmt.Errorf("no address of %q", host) }
		read(f, []byte(text))
		return f
	}
	f := reading()
	if again := reading(); !reflect.DeepEqual(f.Entries, again.Entries) || !reflect.DeepEqual(f.problems, again.problems) {
		t.Errorf("first %v %v, then %v %v", f.Entries, f.problems, again.Entries, again.problems)
	}
	lines := 1 + strings.Count(text, "\n")
	for _, p := range f.problems {
		if p.line < 1 || p.line > lines || p.reason == "" {
			t.Errorf("%v: of %d lines", p, lines)
		}
	}
	for name, e := range f.Entries {
		if e.line < 0 || e.line > lines {
			t.Errorf("%s is on line %d of %d", name, e.line, lines)
		}
	}
	s, err := f.settings()
	if err != nil {
		t.Fatalf("unusable files are not reported: %v", err)
	}
	for _, bad := range s.Check() {
		if _, ok := f.Entries[bad.Name]; !ok {
			t.Errorf("--%s %s, and is not from the file", bad.Name, bad.Reason)
		}
	}
}
