package main

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHangup: SIGHUP reopens the log, also while the server stops, and stops nothing.
func TestHangup(t *testing.T) {
	s := newService(t, freeConf)
	old, waiting := s.drawnOut()
	hangup := func(to string) {
		t.Helper()
		if err := os.Rename(s.log, to); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(old, unix.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool {
			_, err := os.Stat(s.log)
			return err == nil && len(logged(t, s.log, "the log is reopened, if it is a file")) > 0
		})
	}
	hangup(s.log + ".1")
	hangup(s.log + ".2")
	if !alive(old) {
		t.Fatal("it has ended")
	}
	waiting.Close()
	until(t, func() bool { return !alive(old) })
	if len(logged(t, s.log, "stopped")) != 1 {
		t.Error("it ended with an error")
	}

	s.must("-d", s.conf)
	if err := unix.Kill(s.pid(), unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.serves()
	s.must("-s", "stop", s.conf)
}

// TestHangupIgnored: if SIGHUP is ignored at the start, as with nohup, it stays ignored.
func TestHangupIgnored(t *testing.T) {
	s := newService(t, freeConf)
	cmd := command(nil, "-c", `trap "" HUP; exec "$0" -d "$1"`, s.program, s.conf)
	cmd.Path, cmd.Args[0] = "/bin/sh", "sh"
	if stdout, stderr, status := runToEnd(t, cmd); status != 0 {
		t.Fatal(stdout, stderr)
	}
	if err := unix.Kill(s.pid(), unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	kept := s.log + ".1"
	if err := os.Rename(s.log, kept); err != nil {
		t.Fatal(err)
	}
	s.must("-s", "stop", s.conf)
	if _, err := os.Stat(s.log); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log was reopened: %v", err)
	}
	if len(logged(t, kept, "stopped")) != 1 {
		t.Error("it ended with an error")
	}
}
