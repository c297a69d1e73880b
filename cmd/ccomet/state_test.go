package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// got is a message as a client sees it.
type got struct {
	Type    string
	Seq     int
	Content string
}

// next reads a stream up to a message of this type, and returns that message.
func (s *streamer) next(kind string) got {
	s.t.Helper()
	for {
		line, err := s.ReadString('\n')
		if err != nil {
			s.t.Fatalf("no %s: %v", kind, err)
		}
		var m got
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		if m.Type == kind {
			return m
		}
	}
}

type streamer struct {
	*bufio.Reader
	t *testing.T
}

// TestStateThroughARestart: tokens stay valid, numbers continue, and a client that returns with
// its number misses nothing.
func TestStateThroughARestart(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	run := func(loops string) *process {
		return start(t, nil, "--state", state, "--auth", "token", "--loops", loops, "--state-interval", "0", "--drain-time", "1")
	}
	p := run("1")
	var sign struct{ Token string }
	if err := json.Unmarshal([]byte(get(t, p.admin, "/sign?cname=a&expires=600").body), &sign); err != nil {
		t.Fatal(err)
	}
	subscribe := func(p *process, seq int) *streamer {
		query := url.Values{"cname": {"a"}, "token": {sign.Token}, "seq": {itoa(seq)}, "lost": {"1"}}
		return &streamer{open(t, p.front, "/stream?"+query.Encode()), t}
	}
	here := subscribe(p, 1)
	p.push("a", "1")
	p.push("a", "2")
	if m := here.next("data"); m.Seq != 1 {
		t.Fatal(m)
	}
	for n, loops := range []string{"3", "2"} {
		p.stop(syscall.SIGTERM)
		p = run(loops)
		p.push("a", itoa(3+n))
		again := subscribe(p, 2)
		for want := 2; want <= 3+n; want++ {
			if m := again.next("data"); m.Seq != want || m.Content != itoa(want) {
				t.Errorf("after the restart: %+v, want number %d", m, want)
			}
		}
	}
	p.stop(syscall.SIGTERM)
	if _, err := os.Stat(state + ".new"); err == nil {
		t.Error("temporary files are left")
	}
}

// TestStateThroughACrash: state that was written is restored, numbers are not given again, and
// a client that asks is told about lost messages.
func TestStateThroughACrash(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	p := start(t, nil, "--state", state, "--state-interval", "1")
	p.push("a", "kept")
	// The state is written when a file contains the message.
	until(t, func() bool {
		text, err := os.ReadFile(state)
		return err == nil && strings.Contains(string(text), "kept")
	})
	p.push("a", "perhaps gone")
	p.kill()
	p = start(t, nil, "--state", state, "--state-interval", "0")
	if !strings.Contains(p.logged(), "skips numbers") {
		t.Error(p.logged())
	}
	stream := &streamer{open(t, p.front, "/stream?cname=a&seq=1&lost=1"), t}
	if m := stream.next("data"); m.Seq != 1 || m.Content != "kept" {
		t.Error(m)
	}
	lost := stream.next("lost")
	if lost.Seq < 1<<22 || !strings.HasSuffix(lost.Content, fmt.Sprint("-", lost.Seq-1)) {
		t.Error(lost)
	}
	p.push("a", "new")
	if m := stream.next("data"); m.Seq != lost.Seq || m.Content != "new" {
		t.Error(m)
	}
	// After a clean stop there is no gap.
	p.stop(syscall.SIGTERM)
	p = start(t, nil, "--state", state)
	stream = &streamer{open(t, p.front, fmt.Sprintf("/stream?cname=a&seq=%d&lost=1", lost.Seq)), t}
	if m := stream.next("data"); m.Seq != lost.Seq || strings.Contains(p.logged(), "skips numbers") {
		t.Error(m, p.logged())
	}
	// The file of another running server is not touched.
	_, stderr, status := runFor(t, nil, "serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state", state)
	if status != exitFailed || !strings.Contains(stderr, "another server") {
		t.Errorf("%d: %s", status, stderr)
	}
}

// TestStateOnAFullDisk: the server continues, reports the error once and again at its end, and
// the last good file stays intact.
func TestStateOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no file system of a small size can be had: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	state := filepath.Join(dir, "state")
	p := start(t, nil, "--state", state, "--state-interval", "1", "--channel-buffer-size", "1000", "--drain-time", "0")
	for n := range 60 {
		p.push("a", fmt.Sprint(n, strings.Repeat("x", 8000)))
	}
	p.logs("writing the state file failed")
	p.push("a", "goes on")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); p.cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("it ends with %v", err)
	}
	for _, told := range []string{"no space left on device", "messages published since the last write are lost", "ccomet: comet: state: write "} {
		if !strings.Contains(p.logged(), told) {
			t.Errorf("no %q: %s", told, p.logged())
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 { // and the lock
		t.Errorf("%v, %v", left, err)
	}
	p = start(t, nil, "--state", state, "--drain-time", "0")
	if !strings.Contains(p.logged(), "state loaded") {
		t.Error(p.logged())
	}
	p.stop(syscall.SIGTERM)
}

// TestStateAfterASecondSignal: it ends the drain, and the state is still written.
func TestStateAfterASecondSignal(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	p := start(t, nil, "--state", state, "--state-interval", "0", "--drain-time", "1h")
	stream := open(t, p.front, "/stream?cname=a&seq=0")
	readUntil(t, stream, "next_seq")
	p.push("a", "kept")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logs("draining")
	p.stop(syscall.SIGTERM)
	if text, err := os.ReadFile(state); err != nil || !strings.HasPrefix(string(text), "ccomet-state 2 clean\n") || !strings.Contains(string(text), "kept") {
		t.Errorf("%v, %.200q", err, text)
	}
}

// TestStartMeetsStateOfOneThatStops: a start waits, reports that, and continues with the
// written state. If the other server does not stop, the start fails immediately.
func TestStartMeetsStateOfOneThatStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state", filepath.Join(dir, "state"), "--drain-time", "600"}
	old := serving(t, command(nil, args...))
	old.push("a", "1")
	client, err := net.Dial("tcp", old.front)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fmt.Fprint(client, "GET /stream?cname=a HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := bufio.NewReader(client).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := runFor(t, nil, args...); status != exitFailed || !strings.Contains(stderr, "in use by another server") {
		t.Errorf("beside a running server: status %d, %q", status, stderr)
	}
	if err := old.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd := command(nil, args...)
	stdout, outErr := cmd.StdoutPipe()
	stderr, errErr := cmd.StderrPipe()
	if err := errors.Join(outErr, errErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); !strings.HasPrefix(line, "waiting for the server that uses the state file ") {
		t.Fatalf("%q, %v", line, err)
	}
	select {
	case err := <-old.ended:
		t.Fatalf("the old server has ended before its client has gone: %v", err)
	default:
	}
	client.Close()
	var serves struct {
		Message string
		Admin   []string
	}
	for lines := json.NewDecoder(stderr); serves.Message != "serving"; {
		if err := lines.Decode(&serves); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(t, serves.Admin[0], "/push?cname=a&content=2&ack=1").body; got != "{\"type\":\"ok\",\"seq\":2}\n" {
		t.Errorf("it continues with %q", got)
	}
}
