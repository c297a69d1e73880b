package comet

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/conn"
)

// TestBadStateIsPutAside: the server starts with nothing, and the file is kept.
func TestBadStateIsPutAside(t *testing.T) {
	cfg := stateConfig(t)
	var log bytes.Buffer
	cfg.Log = zerolog.New(&log)
	first := newHarness(t, cfg)
	first.ask(conn.Admin, "/push?cname=a&content=x")
	_ = first.save(true)
	first.end()
	good, err := os.ReadFile(cfg.StateFile)
	if err != nil {
		t.Fatal(err)
	}
	aside := cfg.StateFile + ".bad-" + noon.Format("20060102-150405")
	for _, name := range []string{aside, aside + "-2", aside + "-3"} {
		bad := bytes.Clone(good)
		bad[len(bad)-50] ^= 1
		if err := os.WriteFile(cfg.StateFile, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		h := newHarness(t, cfg)
		if kept, err := os.ReadFile(name); err != nil || !bytes.Equal(kept, bad) {
			t.Errorf("%s: %v", name, err)
		}
		if h.told("a") != "none" || !strings.Contains(log.String(), "it is renamed") || !strings.Contains(log.String(), "checksum") {
			t.Errorf("a is %s, and the log has %s", h.told("a"), log.String())
		}
		h.end()
	}
	if _, err := os.Stat(cfg.StateFile); err == nil {
		t.Error("the invalid file was not renamed")
	}
}

// TestStateHasOneServer: a second one does not start.
func TestStateHasOneServer(t *testing.T) {
	cfg := stateConfig(t)
	h := newHarness(t, cfg)
	for range 2 {
		if _, err := newServer(cfg); err == nil || !strings.Contains(err.Error(), "in use by another server") {
			t.Fatal(err)
		}
	}
	h.end()
	newHarness(t, cfg)
}

// TestStateOfAServerThatNeverServed: a failed start does not harm the file.
func TestStateOfAServerThatNeverServed(t *testing.T) {
	cfg := stateConfig(t)
	h := newHarness(t, cfg)
	h.ask(conn.Admin, "/push?cname=a&content=x")
	_ = h.save(true)
	h.end()
	was, _ := os.ReadFile(cfg.StateFile)
	cfg.Front, cfg.Admin = []string{"127.0.0.1:0"}, []string{"192.0.2.1:1"}
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Fatal(err)
	}
	if is, err := os.ReadFile(cfg.StateFile); !bytes.Equal(is, was) {
		t.Errorf("%v\n%q\n%q", err, is, was)
	}
	cfg.Admin = cfg.Front
	srv, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if is, err := os.ReadFile(cfg.StateFile); !bytes.HasPrefix(is, []byte("ccomet-state 2 dirty\n")) || !bytes.Equal(is[21:], was[21:]) {
		t.Errorf("%v\n%q\n%q", err, is, was)
	}
	srv.abandon()
}

// TestStateOnATroubledDisk: a failure is logged once, does not harm the last good
// file, and its end is logged.
func TestStateOnATroubledDisk(t *testing.T) {
	cfg := stateConfig(t)
	var log bytes.Buffer
	cfg.Log = zerolog.New(&log)
	h := newHarness(t, cfg)
	h.ask(conn.Admin, "/push?cname=a&content=x")
	_ = h.save(false)
	good, err := os.ReadFile(cfg.StateFile)
	if err != nil {
		t.Fatal(err)
	}
	h.ask(conn.Admin, "/push?cname=a&content=y")
	// There is something at the new file's name that cannot be removed.
	inTheWay := cfg.StateFile + ".new"
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	for range 3 {
		_ = h.save(false)
	}
	if now, err := os.ReadFile(cfg.StateFile); err != nil || !bytes.Equal(now, good) {
		t.Errorf("the last valid file: %v", err)
	}
	if n := strings.Count(log.String(), "writing the state file failed"); n != 1 {
		t.Errorf("it was logged %d times: %s", n, log.String())
	}
	if err := h.save(true); err == nil || !strings.Contains(log.String(), "since the last write are lost") {
		t.Errorf("at the end: %v, %s", err, log.String())
	}
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	_ = h.save(false)
	_ = h.save(false)
	if n := strings.Count(log.String(), "is written again"); n != 1 {
		t.Errorf("its end was logged %d times: %s", n, log.String())
	}
	if h = h.restart(cfg, true); !strings.Contains(h.told("a"), " y") {
		t.Error(h.told("a"))
	}
}

// TestStateOfLoopsThatHaveEnded: they can no longer be asked, which is logged.
func TestStateOfLoopsThatHaveEnded(t *testing.T) {
	cfg := stateConfig(t)
	var log bytes.Buffer
	cfg.Log = zerolog.New(&log)
	h := newHarness(t, cfg)
	h.srv.state.start(h.srv) // loops that never started have ended
	if err := h.srv.state.wait(); err != nil || strings.Count(log.String(), "ended before the state file was written") != 1 {
		t.Errorf("%v, %s", err, log.String())
	}
}

// TestStateThatCannotBe: an unusable state file is an error before the server listens.
func TestStateThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{filepath.Join(dir, "none", "state"), dir} {
		if _, err := newServer(Config{StateFile: name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStateWhileServing: the file is written again and again while backends
// publish, and in the end it has every accepted message.
func TestStateWhileServing(t *testing.T) {
	cfg := stateConfig(t)
	cfg.Loops, cfg.ChannelBufferSize, cfg.StateInterval = 3, 1000, time.Millisecond
	cfg.Front, cfg.Admin, cfg.AdminHosts = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}, []string{"h"}
	const channels, each = 10, 40
	for round := range 2 {
		srv, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		w := &wireServer{Server: srv, root: t, t: t}
		var backends sync.WaitGroup
		for b := range 2 {
			c := w.dial(conn.Admin)
			backends.Go(func() {
				for n := range each * channels {
					want := fmt.Sprintf(`{"type":"ok","seq":%d}`+"\n", round*each+n/channels+1)
					if got := c.ask(fmt.Sprintf("/push?cname=b%d-%d&content=%d&ack=1", b, n%channels, n)); got != want {
						t.Errorf("%q, want %q", got, want)
						return
					}
				}
			})
		}
		backends.Wait()
		srv.Stop()
		if err := srv.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	cfg.StateInterval = -1
	h := newHarness(t, cfg)
	for n := range 2 * channels {
		cname := fmt.Sprintf("b%d-%d", n/channels, n%channels)
		if got := h.told(cname); !strings.HasPrefix(got, fmt.Sprintf("next %d,", 2*each+1)) || strings.Count(got, "\n") != 2*each {
			t.Errorf("%s: %.60s", cname, got)
		}
	}
}
