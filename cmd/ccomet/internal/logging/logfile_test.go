package logging

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// logDir returns the name of a log in a new directory, and a function that reads its files.
func logDir(t *testing.T) (name string, files func() map[string]string) {
	name = filepath.Join(t.TempDir(), "log.txt")
	return name, func() map[string]string {
		t.Helper()
		found := map[string]string{}
		entries, err := os.ReadDir(filepath.Dir(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			text, err := os.ReadFile(filepath.Join(filepath.Dir(name), entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			found[entry.Name()] = string(text)
		}
		return found
	}
}

func write(t *testing.T, l *File, text string) {
	t.Helper()
	if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
}

// TestLogRotates: a file is rotated when it exceeds its limit, and its initial content counts.
func TestLogRotates(t *testing.T) {
	name, files := logDir(t)
	if err := os.WriteFile(name, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := openFile(name, 8)
	if err != nil {
		t.Fatal(err)
	}
	write(t, l, "one\n")
	if f := files(); len(f) != 1 || f["log.txt"] != "old\none\n" {
		t.Errorf("%q", f)
	}
	write(t, l, "2\n")
	write(t, l, "three\n")
	f := files()
	if len(f) != 2 || f["log.txt"] != "three\n" {
		t.Errorf("%q", f)
	}
	for name, text := range f {
		if stamp, ok := strings.CutPrefix(name, "log.txt."); ok {
			if _, err := time.Parse("20060102-150405", stamp); err != nil || text != "old\none\n2\n" {
				t.Errorf("%s: %q, %v", name, text, err)
			}
		}
	}
}

// TestLogOfOneSecond: files rotated in the same second get different names.
func TestLogOfOneSecond(t *testing.T) {
	name, files := logDir(t)
	l, err := openFile(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.Local)
	for i := range 3 {
		write(t, l, fmt.Sprint(i))
		if err := l.rotate(now); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"log.txt": "", "log.txt.20240506-070809": "0", "log.txt.20240506-070809.1": "1", "log.txt.20240506-070809.2": "2"}
	f := files()
	for name, text := range want {
		if got, ok := f[name]; !ok || got != text || len(f) != len(want) {
			t.Errorf("%s: %q in %q", name, got, f)
		}
	}
}

// TestLogThatCannotRotate: the log remains in use, and the error is reported.
func TestLogThatCannotRotate(t *testing.T) {
	name, _ := logDir(t)
	l, err := openFile(name, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(name)); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Write([]byte("one\n")); n != 4 || err == nil {
		t.Error(n, err)
	}
	write(t, l, "2\n")
	got := make([]byte, 16)
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", l.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if n, _ := file.Read(got); string(got[:n]) != "one\n2\n" {
		t.Errorf("%q", got[:n])
	}
}

// TestLogOfMany: each line from many goroutines is written once, completely.
func TestLogOfMany(t *testing.T) {
	name, files := logDir(t)
	l, err := openFile(name, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	var writers sync.WaitGroup
	for i := range 8 {
		for j := range 100 {
			want = append(want, fmt.Sprintf("%d of %d", j, i))
		}
		writers.Go(func() {
			for j := range 100 {
				if _, err := fmt.Fprintf(l, "%d of %d\n", j, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	var got []string
	f := files()
	for _, text := range f {
		got = append(got, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
	}
	got = slices.DeleteFunc(got, func(s string) bool { return s == "" })
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(f) < 5 {
		t.Errorf("%d lines in %d files, want %d", len(got), len(f), len(want))
	}
}

// TestOnlyFilesRotate: a device or a pipe is not renamed, and a link stays a link.
func TestOnlyFilesRotate(t *testing.T) {
	dir := t.TempDir()
	pipe, link, target := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "target")
	if err := errors.Join(unix.Mkfifo(pipe, 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		files int // files of the link's target; the link sorts last
	}{{os.DevNull, 0}, {pipe, 0}, {link, 2}} {
		name, files := c.name, c.files
		before, _ := os.Lstat(name)
		l, err := openFile(name, 5) // also of a pipe without a reader
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := l.Write([]byte("a line\n")); err != nil {
				t.Error(name, err)
			}
		}
		l.file.Close()
		if after, err := os.Lstat(name); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s: %v has become %v, %v", name, before.Mode(), after, err)
		}
		if rotated, _ := filepath.Glob(target + ".2*"); len(rotated) != files {
			t.Errorf("%s: %q", name, rotated)
		}
	}
	if _, err := os.Stat(target); err != nil {
		t.Error(err)
	}
}

// TestLogThatIsOpenAlready: a name that leads to an open file, such as /dev/stdout, cannot be
// rotated: it is left in place.
func TestLogThatIsOpenAlready(t *testing.T) {
	dir := t.TempDir()
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(fmt.Sprintf("/proc/self/fd/%d", stdout.Fd()), link); err != nil {
		t.Fatal(err)
	}
	l, err := openFile(link, 5)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := l.Write([]byte("a line\n")); err != nil {
			t.Error(err)
		}
	}
	l.file.Close()
	text, err := os.ReadFile(stdout.Name())
	if rotated, _ := filepath.Glob(stdout.Name() + ".*"); err != nil || len(rotated) != 0 || string(text) != "a line\na line\na line\n" {
		t.Errorf("%q, %q, %v", rotated, text, err)
	}
}
