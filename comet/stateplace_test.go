package comet

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
)

// TestStateBehindLinks: the state is written where the links lead, and they
// stay links.
func TestStateBehindLinks(t *testing.T) {
	cfg := stateConfig(t)
	dir := filepath.Dir(cfg.StateFile)
	target := filepath.Join(dir, "data", "state")
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "data"), 0o700), os.Symlink("second", cfg.StateFile), os.Symlink("data/state", filepath.Join(dir, "second")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h := newHarnessAt(t, cfg, noon)
	h.ask(conn.Admin, "/push?cname=a&content=kept")
	h = h.restart(cfg, true)
	if told := h.told("a"); !strings.Contains(told, "kept") {
		t.Error(told)
	}
	if to, err := os.Readlink(cfg.StateFile); err != nil || to != "second" {
		t.Errorf("%q, %v", to, err)
	}
	if info, err := os.Lstat(target); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
}

// TestStateThatCannotBeReplaced: it is refused at the start, with the reason.
func TestStateThatCannotBeReplaced(t *testing.T) {
	cfg := stateConfig(t)
	if err := os.Mkdir(cfg.StateFile, 0o700); err != nil {
		t.Fatal(err)
	}
	if st, err := openState(&cfg); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Error(st, err)
	}
	other := filepath.Join(t.TempDir(), "other")
	for _, name := range []string{other, cfg.StateFile + "2"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg.StateFile += "2"
	if err := unix.Mount(other, cfg.StateFile, "", unix.MS_BIND, ""); errors.Is(err, unix.EPERM) {
		t.Skip("only root can mount a file")
	} else if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(cfg.StateFile, unix.MNT_DETACH) }()
	if st, err := openState(&cfg); err == nil || !strings.Contains(err.Error(), "is a mount point") {
		t.Error(st, err)
	}
}

// TestDeniedIsLogged: only denials of the admin side are.
func TestDeniedIsLogged(t *testing.T) {
	var out bytes.Buffer
	h := newHarness(t, Config{Loops: 1, AdminAllow: []string{"192.0.2.1"}, FrontAllow: []string{"192.0.2.1"}, Log: zerolog.New(&out)})
	for _, side := range []uint8{conn.Front, conn.Admin, conn.Admin} {
		h.ask(side, "/ping")
	}
	if n := strings.Count(out.String(), "denied on the admin side"); n != 1 {
		t.Errorf("%d lines: %s", n, out.String())
	}
}
