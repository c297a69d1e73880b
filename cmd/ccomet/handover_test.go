package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/cmd/ccomet/internal/daemon"
)

var restarts = flag.Int("restarts", 3, "how often the server is restarted, and started anew, under load")

// crowd is a set of clients and publishers that reconnect immediately when they are
// disconnected.
type crowd struct {
	t            *testing.T
	front, admin string
	ends         atomic.Bool
	refused      func(error) // called if a connection is refused
	published    atomic.Int64
	failed       atomic.Int64 // failed publishes
	all          sync.WaitGroup

	mu   sync.Mutex
	want string // message that all clients must receive
	left int    // clients that have not received it
	done chan struct{}

	conns []net.Conn
}

const (
	crowdClients    = 200
	crowdPublishers = 3
)

func newCrowd(t *testing.T, front, admin string, refused func(error)) *crowd {
	c := &crowd{t: t, front: front, admin: admin, refused: refused}
	for i := range crowdClients {
		c.all.Go(func() { c.subscribe(i) })
	}
	for i := range crowdPublishers {
		c.all.Go(func() { c.publish(i) })
	}
	t.Cleanup(c.end)
	return c
}

func (c *crowd) end() {
	c.ends.Store(true)
	c.mu.Lock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.mu.Unlock()
	c.all.Wait()
}

// subscribe waits on one of ten channels, by streams or long polls.
func (c *crowd) subscribe(i int) {
	heard := ""
	for !c.ends.Load() {
		conn, err := net.Dial("tcp", c.front)
		if err != nil {
			c.refused(err)
			continue
		}
		c.keep(conn)
		path, seq := "/stream", 0
		if i%2 == 1 {
			path = "/poll"
		}
		ask := func() {
			fmt.Fprintf(conn, "GET %s?cname=%d&seq=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", path, i%10, seq)
		}
		ask()
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			found := messageSeq.FindAllStringSubmatch(lines.Text(), -1)
			if found == nil {
				continue
			}
			c.hear(lines.Text(), &heard)
			if path == "/poll" {
				last := found[len(found)-1]
				if seq, _ = strconv.Atoi(last[2]); last[1] == "data" {
					seq++
				}
				ask()
			}
		}
		conn.Close()
	}
}

var messageSeq = regexp.MustCompile(`"type":"(data|next_seq)","cname":"[0-9]","seq":([0-9]+)`)

// keep registers a connection to be closed at the end.
func (c *crowd) keep(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	if c.ends.Load() {
		conn.Close()
	}
}

// hear records which clients have received the message.
func (c *crowd) hear(line string, heard *string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.want != "" && *heard != c.want && strings.Contains(line, c.want) {
		*heard = c.want
		if c.left--; c.left == 0 {
			close(c.done)
		}
	}
}

func (c *crowd) publish(i int) {
	for n := 0; !c.ends.Load(); n++ {
		resp, err := client.PostForm("http://"+c.admin+"/push", url.Values{"cname": {itoa(n % 10)}, "content": {fmt.Sprintf("%d of %d", n, i)}})
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		switch {
		case errors.Is(err, unix.ECONNREFUSED):
			c.refused(err)
		case err != nil || resp.StatusCode != http.StatusOK:
			c.failed.Add(1)
		default:
			c.published.Add(1)
		}
	}
}

// hears publishes until every client has received the message.
func (c *crowd) hears(what string) {
	c.t.Helper()
	c.mu.Lock()
	c.want, c.left, c.done = what, crowdClients, make(chan struct{})
	c.mu.Unlock()
	for patient := time.Now().Add(hangTimeout); ; {
		select {
		case <-c.done:
			return
		default:
		}
		if time.Now().After(patient) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("%d of %d clients did not get %q", c.left, crowdClients, what)
		}
		for i := range 10 {
			if a := post(c.t, c.admin, "/push", url.Values{"cname": {itoa(i)}, "content": {what}}); a.status != 200 {
				c.t.Fatal(a)
			}
		}
	}
}

// TestRestartUnderLoad: while clients wait and publishers publish, a restarted server is
// listening at every moment, and afterwards serves all of them.
func TestRestartUnderLoad(t *testing.T) {
	front, admin := reserve(t), reserve(t)
	s := newService(t, confHead+"admin:\n\tlisten: "+admin+"\nfront:\n\tlisten: "+front+"\n\tmax_channels: 100\n")
	s.env = []string{"CCOMET_LIVE_UPGRADE=false"}
	s.must("-d", s.conf)
	c := newCrowd(t, front, admin, func(err error) { t.Errorf("nobody listened: %v", err) })
	c.hears("begun")
	for n := range *restarts {
		before := s.pid()
		out := s.must("-d", s.conf, "-s", "restart")
		if want := fmt.Sprintf("process %d has ended\nprocess %d serves\n", before, s.pid()); !strings.HasSuffix(out, want) {
			t.Fatalf("restart %d: %q, want %q", n, out, want)
		}
		c.hears(fmt.Sprintf("restarted %d", n))
	}
	c.end()
	t.Logf("%d published, %d not served", c.published.Load(), c.failed.Load())
	s.must("-s", "stop", s.conf)
}

// TestStopAndStartUnderLoad: a server that is started while the old one stops waits for its
// end, and then serves.
func TestStopAndStartUnderLoad(t *testing.T) {
	front, admin := reserve(t), reserve(t)
	s := newService(t, confHead+"admin:\n\tlisten: "+admin+"\nfront:\n\tlisten: "+front+"\n\tmax_channels: 100\n")
	s.must("-d", s.conf)
	c := newCrowd(t, front, admin, func(error) {}) // nothing listens in between
	c.hears("begun")
	for n := range *restarts {
		before := s.pid()
		if err := unix.Kill(before, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		out := s.must("-d", s.conf)
		if want := fmt.Sprintf("process %d serves\n", s.pid()); !strings.HasSuffix(out, want) || s.pid() == before {
			t.Fatalf("start %d: %q, want %q", n, out, want)
		}
		c.hears(fmt.Sprintf("started %d", n))
	}
	s.must("-s", "stop", s.conf)
}

// drawnOut starts a server and makes it stop. Its process ends when the waiting connection is
// closed.
func (s *service) drawnOut() (pid int, waiting net.Conn) {
	s.t.Helper()
	cmd := command([]string{"CCOMET_DRAIN_TIME=3600"}, "-d", s.conf)
	cmd.Path, cmd.Args[0] = s.program, s.program
	if stdout, stderr, status := runToEnd(s.t, cmd); status != 0 {
		s.t.Fatal(stdout, stderr)
	}
	lines := logged(s.t, s.log, "serving")
	conn, err := net.Dial("tcp", lines[len(lines)-1]["front"].([]any)[0].(string))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "GET /stream?cname=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := bufio.NewReader(conn).ReadString('}'); err != nil {
		s.t.Fatal(err)
	}
	pid = s.pid()
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	return pid, conn
}

// TestStartMeetsOneThatStops: a start reports that it waits, and serves when the other has
// ended.
func TestStartMeetsOneThatStops(t *testing.T) {
	s := newService(t, freeConf)
	old, waiting := s.drawnOut()
	start := command(nil, "-d", s.conf)
	start.Path, start.Args[0] = s.program, s.program
	stdout, err := start.StdoutPipe()
	if err == nil {
		err = start.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(stdout)
	if line, err := said.ReadString('\n'); line != fmt.Sprintf("waiting for process %d to stop\n", old) {
		t.Errorf("it says %q, %v", line, err)
	}
	if !alive(old) {
		t.Error("the old server has ended before its client has gone")
	}
	waiting.Close()
	line, _ := said.ReadString('\n')
	if err := start.Wait(); err != nil || line != fmt.Sprintf("process %d serves\n", s.pid()) || s.pid() == old {
		t.Errorf("%v, %q", err, line)
	}
	s.serves()
	s.must("-s", "stop", s.conf)
}

// TestStopMeetsOneThatStops: a second stop waits, and does not speed up the end.
func TestStopMeetsOneThatStops(t *testing.T) {
	s := newService(t, freeConf)
	old, waiting := s.drawnOut()
	stop := command(nil, s.conf, "-s", "stop")
	stop.Path, stop.Args[0] = s.program, s.program
	var stdout bytes.Buffer
	stop.Stdout = &stdout
	file, err := os.Open(s.pidfile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	until(t, func() bool { return daemon.IsStopping(file) })
	if err := stop.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return waitsForProcess(stop.Process.Pid) })
	if !alive(old) {
		t.Error("the server has ended before its client has gone")
	}
	waiting.Close()
	if err := stop.Wait(); err != nil || stdout.String() != fmt.Sprintf("process %d has ended\n", old) {
		t.Errorf("%v, %q", err, stdout.String())
	}
	if lines := logged(t, s.log, "stopping at once"); len(lines) > 0 {
		t.Error("it was notified a second time")
	}
}

// waitsForProcess reports whether a process holds a pidfd, or has ended.
func waitsForProcess(pid int) bool {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if to, _ := os.Readlink(fd); to == "anon_inode:[pidfd]" || strings.HasPrefix(to, "pidfd:") {
			return true
		}
	}
	return !alive(pid)
}

// TestRestartWithOtherLoops: sockets are passed to a server with another number of loops. This
// includes unix sockets, whose file remains.
func TestRestartWithOtherLoops(t *testing.T) {
	s := newService(t, confHead)
	path := filepath.Join(filepath.Dir(s.conf), "socket")
	front, admin := reserve(t), reserve(t)
	unixClient := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}}}
	for _, loops := range []int{1, 3, 2} {
		cmd := command([]string{"CCOMET_LOOPS=" + itoa(loops), "CCOMET_FRONT=unix:" + path + "," + front, "CCOMET_ADMIN=" + admin}, "-d", s.conf, "-s", "restart")
		cmd.Path, cmd.Args[0] = s.program, s.program
		if stdout, stderr, status := runToEnd(t, cmd); status != 0 || stderr != "" {
			t.Fatalf("%d loops: status %d: %s%s", loops, status, stdout, stderr)
		}
		for range 3 * loops {
			get(t, front, "/ping")
			resp, err := unixClient.Get("http://x/ping")
			if a := read(t, resp, err); a.status != 200 {
				t.Fatalf("%d loops: %v", loops, a)
			}
			if a := post(t, admin, "/push", url.Values{"cname": {"a"}, "content": {"b"}}); a.status != 200 {
				t.Fatalf("%d loops: %v", loops, a)
			}
		}
	}
	s.must("-s", "stop", s.conf)
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket's file was not removed at the end")
	}
}
