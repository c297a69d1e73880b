package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/cmd/ccomet/internal/systemd"
	"ccomet/comet"
)

// ear is the socket of a service manager.
type ear struct {
	t      *testing.T
	socket *net.UnixConn
	name   string
}

// newEar listens on a socket: a path, or "@…" for an abstract socket.
func newEar(t *testing.T, name string) *ear {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return &ear{t, socket, name}
}

// hear returns the next notification.
func (e *ear) hear() string {
	e.t.Helper()
	if err := e.socket.SetReadDeadline(time.Now().Add(hangTimeout)); err != nil {
		e.t.Fatal(err)
	}
	text := make([]byte, 4096)
	n, err := e.socket.Read(text)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(text[:n])
}

// heard returns the notifications that have arrived and were not returned yet.
func (e *ear) heard() (list []string) {
	e.t.Helper()
	raw, err := e.socket.SyscallConn()
	if err != nil {
		e.t.Fatal(err)
	}
	_ = raw.Read(func(fd uintptr) bool {
		for text := make([]byte, 4096); ; {
			n, _, err := unix.Recvfrom(int(fd), text, unix.MSG_DONTWAIT)
			if err != nil {
				return true
			}
			list = append(list, string(text[:n]))
		}
	})
	return list
}

func TestManagerHears(t *testing.T) {
	t.Parallel()
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@ccomet-test-" + itoa(os.Getpid())} {
		e := newEar(t, name)
		p := start(t, []string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=2000000"})
		for _, want := range []string{systemd.Serving, systemd.Alive, systemd.Alive} {
			if got := e.hear(); got != want {
				t.Fatalf("%q, want %q", got, want)
			}
		}
		p.stop(syscall.SIGTERM)
		if all := e.heard(); !slices.Contains(all, systemd.Stopping) {
			t.Errorf("at the end: %q", all)
		}
		if strings.Contains(p.logged(), "does not hear") {
			t.Error(p.logged())
		}
	}
}

// A manager that is not there, or expects another process, does not prevent the server from
// serving.
func TestManagerIsNotThere(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "none")})
	if a := get(t, p.admin, "/healthz"); a.status != 200 || !strings.Contains(p.logged(), "NOTIFY_SOCKET") {
		t.Error(a, p.logged())
	}
	e := newEar(t, filepath.Join(t.TempDir(), "notify"))
	for _, env := range []string{"WATCHDOG_PID=1", "WATCHDOG_USEC="} {
		p = start(t, []string{"NOTIFY_SOCKET=" + e.name, "WATCHDOG_USEC=4000", env})
		p.stop(syscall.SIGTERM)
		if got := e.hear() + " " + e.hear(); got != systemd.Serving+" "+systemd.Stopping {
			t.Errorf("with %s: %q", env, got)
		}
	}
}

// turningWith starts a server with two loops, and returns a mutex that blocks their turns,
// because each turn reads the clock.
func turningWith(t *testing.T) (*comet.Server, *sync.Mutex) {
	t.Helper()
	turning := new(sync.Mutex)
	srv, err := comet.New(comet.Config{Front: []string{"127.0.0.1:0"}, Admin: []string{"127.0.0.1:0"}, Loops: 2, Clock: func() time.Time {
		turning.Lock()
		defer turning.Unlock()
		return time.Now()
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	return srv, turning
}

// TestWatchdog: while a loop is stuck, the watchdog is not notified.
func TestWatchdog(t *testing.T) {
	e := newEar(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("NOTIFY_SOCKET", e.name)
	t.Setenv("WATCHDOG_USEC", "4000")
	t.Setenv("WATCHDOG_PID", itoa(os.Getpid()))
	m, err := systemd.FindManager()
	if err != nil || os.Getenv("NOTIFY_SOCKET")+os.Getenv("WATCHDOG_USEC")+os.Getenv("WATCHDOG_PID") != "" {
		t.Fatal(err, os.Environ())
	}
	srv, turning := turningWith(t)
	pulses, stop, ended := make(chan []int64), make(chan struct{}), make(chan struct{})
	var troubles []error
	go func() {
		m.Watch(func() []int64 {
			now := srv.Turns()
			select {
			case pulses <- now:
			case <-stop:
			}
			return now
		}, stop, func(err error) { troubles = append(troubles, err) })
		close(ended)
	}()
	// alive sends pulses until the watchdog is notified.
	alive := func() {
		t.Helper()
		for limit := time.Now().Add(hangTimeout); len(e.heard()) == 0; <-pulses {
			if time.Now().After(limit) {
				t.Fatal("the manager is not notified that the loops turn")
			}
		}
	}
	alive()
	turning.Lock()
	for last := <-pulses; ; {
		now := <-pulses
		if now[0] == last[0] && now[1] == last[1] {
			break
		}
		last = now
	}
	e.heard() // earlier notifications
	for range 5 {
		<-pulses
	}
	if got := e.heard(); len(got) > 0 {
		t.Errorf("a loop is stuck, but the manager got %q", got)
	}
	turning.Unlock()
	alive()
	close(stop)
	<-ended
	if len(troubles) == 0 || !strings.Contains(troubles[0].Error(), "is stuck") {
		t.Error(troubles)
	}
	srv.Stop()
	if err := srv.Wait(); err != nil {
		t.Fatal(err)
	}
}
