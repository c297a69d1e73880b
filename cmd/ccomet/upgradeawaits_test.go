package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// These functions are for changed.seen, too. They wait for what takes the server some time.

// forgets waits until the server has forgotten a channel without subscribers.
func forgets(s *changing) string {
	s.push("lease", "x")
	until(s.t, func() bool { return get(s.t, s.admin, "/explain?cname=lease").status == 404 })
	return "yes"
}

// closes sends a request that is not complete, or reads a response, and waits for the end of the
// connection.
func closes(side, text string) func(*changing) string {
	return func(s *changing) string {
		c, in := s.sends(side, "127.0.0.1", text)
		defer c.Close()
		if _, err := io.Copy(io.Discard, in); err != nil && !errors.Is(err, unix.ECONNRESET) {
			return err.Error()
		}
		return "closed"
	}
}

// cuts waits until the server has disconnected a reader that does not read.
func cuts(s *changing) string {
	in := stuck(s.t, s.front, request("/stream?cname=stuck"))
	readUntil(s.t, in, "next_seq")
	for range 4 {
		s.push("stuck", strings.Repeat("x", 60_000))
	}
	until(s.t, func() bool {
		return strings.Contains(get(s.t, s.admin, "/info?cname=stuck").body, `"subscribers": 0`)
	})
	return "cut"
}

// limitsAccepts tells whether some of many new connections wait for more than a second. With a limit of 4
// a second, twelve take at least two; without, they are accepted at once.
func limitsAccepts(s *changing) string {
	began := time.Now()
	for range 12 {
		s.response("front", "127.0.0.1", request("/ping"))
	}
	return map[bool]string{true: "yes", false: "no"}[time.Since(began) > time.Second]
}

// saves waits until the state file has a message.
func saves(s *changing) string {
	s.push("saved", "a message to be saved")
	until(s.t, func() bool {
		text, _ := os.ReadFile(filepath.Join(s.dir, "state"))
		return strings.Contains(string(text), "a message to be saved")
	})
	return "yes"
}

// stops tells whether the server ends soon, although a client is connected.
func stops(s *changing) string {
	c, in := s.sends("front", "127.0.0.1", request("/stream?cname=last"))
	defer c.Close()
	readUntil(s.t, in, "next_seq")
	s.stop(syscall.SIGTERM)
	return "yes"
}

// writes tells the form of the last log line, or waits for a log file.
func writes(what string) func(*changing) string {
	return func(s *changing) string {
		switch what {
		case "form":
			lines := strings.Split(s.logged(), "\n")
			return map[bool]string{true: "json", false: "console"}[strings.HasPrefix(lines[len(lines)-1], "{")]
		case "output":
			until(s.t, func() bool {
				list, _ := filepath.Glob(filepath.Join(s.dir, "log*"))
				return len(list) > 0
			})
			return "a file"
		}
		until(s.t, func() bool {
			list, _ := filepath.Glob(filepath.Join(s.dir, "log.*"))
			return len(list) > 0
		})
		return what
	}
}

// reopens tells whether SIGHUP is logged, which has the level info. A later error is.
func reopens(s *changing) string {
	before := strings.Count(s.logged(), "the log is reopened")
	if err := s.cmd.Process.Signal(unix.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	if before == 0 && !strings.Contains(s.logged(), "upgrading") {
		s.logs("the log is reopened")
		return "yes"
	}
	s.write(s.t, nil) // no program: an error that is logged
	if _, err := s.upgrade(); err == nil {
		return "upgraded to no program"
	}
	s.logs("not upgraded")
	return map[bool]string{true: "yes", false: "no"}[strings.Count(s.logged(), "the log is reopened") > before]
}
