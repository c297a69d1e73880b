package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/bench/proc"
	"ccomet/bench/target"
)

// Upgrades of a running server: its status, and the versions of its program.

// upgradeStatus is the server's answer at /upgrade.
type upgradeStatus struct {
	PID         int
	Version     string
	Live        bool
	Attempts    int
	Upgrades    int64
	Error       string
	Connections int64
	Pause       float64 `json:"pause_seconds"`
}

// installer returns a function that starts servers from their own program file, which can be
// replaced by another version.
func installer(beside string) func(context.Context, *target.Target, string) (*server, error) {
	return func(ctx context.Context, t *target.Target, command string) (*server, error) {
		s, err := newServer(t, command)
		if err != nil {
			return nil, err
		}
		if err = s.install(beside); err == nil {
			err = s.launch(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(s.dir))
		}
		return s, nil
	}
}

// install copies the server's program and the other version into the server's directory.
func (s *server) install(beside string) error {
	words := strings.Fields(s.command)
	program, err := exec.LookPath(words[0])
	if err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	versions := []string{program}
	if beside != "" {
		versions = append(versions, beside)
	}
	for i, from := range versions {
		text, err := os.ReadFile(from)
		if err == nil {
			versions[i] = filepath.Join(s.dir, fmt.Sprintf("version%d", i))
			err = os.WriteFile(versions[i], text, 0o755)
		}
		if err != nil {
			return fmt.Errorf("the server's program: %w", err)
		}
	}
	s.program = filepath.Join(s.dir, filepath.Base(program))
	words[0] = "{dir}/" + filepath.Base(program)
	s.versions, s.command = versions, strings.Join(words, " ")
	return s.put(0)
}

// put replaces the server's program with one of the versions, as an installation does. If there
// is only one version, it does so only once.
func (s *server) put(n int) error {
	if len(s.versions) == 0 || len(s.versions) == 1 && n > 0 {
		return nil
	}
	next := s.program + ".new"
	if err := os.Link(s.versions[n%len(s.versions)], next); err != nil {
		return fmt.Errorf("the server's program: %w", err)
	}
	if err := os.Rename(next, s.program); err != nil {
		return fmt.Errorf("the server's program: %w", err)
	}
	return nil
}

// upgradeTimeout is the longest time of an upgrade, and upgradeGlance the pause between two
// requests for its status.
const (
	upgradeTimeout = 5 * time.Minute
	upgradeGlance  = 10 * time.Millisecond
)

// upgrade upgrades the server to version n, modulo the number of versions, and waits until it
// is upgraded.
func (s *server) upgrade(ctx context.Context, n int) (now upgradeStatus, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, upgradeTimeout, errHang)
	defer cancel()
	before, err := s.status(ctx)
	if err != nil {
		return now, err
	}
	if !before.Live {
		return now, errors.New("the server cannot be upgraded while it runs: it was started with --no-live-upgrade")
	}
	if err := s.put(n); err != nil {
		return now, err
	}
	if err := unix.Kill(before.PID, unix.SIGUSR2); err != nil {
		return now, fmt.Errorf("telling the server to upgrade: %w", err)
	}
	for {
		if err := sleep(ctx, upgradeGlance); err != nil {
			return now, fmt.Errorf("waiting for the upgrade: %w: %s", context.Cause(ctx), s.log)
		}
		now, err = s.status(ctx)
		switch {
		case err != nil:
			return now, err
		case now.Attempts == before.Attempts:
		case now.Error != "":
			return now, fmt.Errorf("not upgraded: %s", now.Error)
		case now.PID != before.PID || now.Upgrades != before.Upgrades+1:
			return now, fmt.Errorf("after upgrade %[2]d of process %[1]d, the server says that it is process %[3]d, after %[4]d upgrades", before.PID, before.Upgrades+1, now.PID, now.Upgrades)
		default:
			return now, nil
		}
	}
}

// status requests the server's upgrade status. The answer may take as long as the pause.
func (s *server) status(ctx context.Context) (now upgradeStatus, err error) {
	text, err := fetch(ctx, http.DefaultClient, s.admin, "/upgrade")
	if err == nil {
		err = json.Unmarshal(text, &now)
	}
	return now, err
}

// watch observes the memory of a process until end is called.
type watch struct {
	over  chan struct{}
	done  sync.WaitGroup
	bytes int64 // the maximum of all memory
	data  int64 // the maximum without the program's file, perhaps at another time
}

// peakGlance is the pause between two measurements of a watch.
const peakGlance = 3 * time.Millisecond

func watchPeak(p proc.Process) *watch {
	w := &watch{over: make(chan struct{})}
	w.done.Go(func() {
		for {
			if now, err := p.Footprint(); err == nil {
				w.bytes, w.data = max(w.bytes, now.Bytes), max(w.data, now.Data())
			}
			select {
			case <-w.over:
				return
			case <-time.After(peakGlance):
			}
		}
	})
	return w
}

// end stops the watch, and returns the maximum of all memory, and of the memory without the
// program's file.
func (w *watch) end() (bytes, data int64) {
	close(w.over)
	w.done.Wait()
	return w.bytes, w.data
}
