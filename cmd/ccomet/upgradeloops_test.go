package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// audience is clients of all transports, and publishers. None of them may notice an upgrade.
type audience struct {
	t         *testing.T
	s         *replaceable
	ends      atomic.Bool
	clients   []*listener
	published [3]atomic.Int64
	all       sync.WaitGroup
}

func gather(t *testing.T, s *replaceable) *audience {
	c := &audience{t: t, s: s}
	for range 4 {
		for _, path := range []string{
			"/stream?cname=c0", "/sse?cname=c1", "/iframe?cname=c2", "/poll?cname=c0", "/poll?cname=c0&cb=f", "/stream?cname=c0&cname=c1&cname=c2",
			"/sse?cname=c2&cname=c0", "/ws?cname=c1&cname=c2", "/ws?cname=c0",
		} {
			c.clients = append(c.clients, listen(t, s.front, path, &c.ends))
		}
	}
	for n := range c.published {
		c.all.Go(func() { c.publish(n) })
	}
	t.Cleanup(c.end)
	return c
}

// publish publishes one message after the other until the end.
func (c *audience) publish(n int) {
	client := &http.Client{Timeout: hangTimeout}
	for !c.ends.Load() {
		resp, err := client.Get(fmt.Sprintf("http://%s/push?cname=c%d&content=hello", c.s.admin, n))
		if err != nil || resp.StatusCode != 200 {
			c.t.Errorf("a publisher is answered %v, %v", resp, err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		c.published[n].Add(1)
		time.Sleep(2 * time.Millisecond)
	}
}

// hears checks that every client receives more messages.
func (c *audience) hears() {
	c.t.Helper()
	for _, l := range c.clients {
		before := l.heard.Load()
		waited(c.t, l.path+" does not hear on", func() bool { return l.heard.Load() > before })
	}
}

func (c *audience) end() {
	c.ends.Store(true)
	c.all.Wait()
}

// counted returns the number after a word in a text.
func counted(t *testing.T, text, word string) int {
	t.Helper()
	m := regexp.MustCompile(regexp.QuoteMeta(word) + `[ :"]*([0-9]+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in %s", word, text)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// keyed publishes a message, always with the same key, and returns its number.
func keyed(t *testing.T, admin string) int {
	t.Helper()
	resp, err := http.Post("http://"+admin+"/publish", "application/json", strings.NewReader(`[{"cname":"keyed","content":"once","key":"k1"}]`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return counted(t, string(text), `"seq"`)
}

// stays checks that the state of a channel with one client, and of one with a keyed message,
// has not changed.
func (c *audience) stays(history string) {
	c.t.Helper()
	if now := get(c.t, c.s.front, "/history?cname=idle&epoch=").body; now != history {
		c.t.Errorf("a channel keeps %s, and kept %s before", now, history)
	}
	if number := keyed(c.t, c.s.admin); number != 1 {
		c.t.Errorf("a message that was published before has number %d", number)
	}
	for _, path := range []string{"/explain", "/info"} {
		if text := get(c.t, c.s.admin, path+"?cname=idle").body; counted(c.t, text, `"subscribers"`) != 1 {
			c.t.Errorf("%s of the channel of one client: %s", path, text)
		}
	}
}

// allNumbered checks that the next number of each channel matches the messages published.
func (c *audience) allNumbered() {
	c.t.Helper()
	for n := range c.published {
		if next := get(c.t, c.s.admin, fmt.Sprintf("/explain?cname=c%d", n)).body; !strings.Contains(next, fmt.Sprintf(`"next": %d,`, c.published[n].Load()+1)) {
			c.t.Errorf("%d messages were published to channel %d: %s", c.published[n].Load(), n, next)
		}
	}
}

// TestUpgradeLoops: under load, a server continues with another number of loops, and in a
// version with other records. All connections stay, clients of all transports receive each
// message once and in order, publishers are answered, and the state of channels stays.
func TestUpgradeLoops(t *testing.T) {
	s := install(t, "--channel-buffer-size", "2000", "--channel-timeout", "600", "--pidfile", filepath.Join(t.TempDir(), "pid"), "--ccomet", "127.0.0.1:0")
	c := gather(t, s)
	_, idle := raw(t, s.front, "GET /stream?cname=idle HTTP/1.1\r\nHost: localhost\r\n\r\n")
	readUntil(t, idle, "next_seq")
	s.push("idle", "first")
	readUntil(t, idle, "first")
	_, presence := raw(t, s.admin, "GET /psub HTTP/1.1\r\nHost: localhost\r\n\r\n")
	readUntil(t, presence, "200 OK")
	history := get(t, s.front, "/history?cname=idle&epoch=").body
	c.stays(history)
	c.hears()
	loops := 2
	const eachLoop = 4 + 3 // descriptors: its own, and its listeners
	descriptors := func() int { return openFiles(t, s.cmd.Process.Pid) - eachLoop*loops }
	before := descriptors()
	for n, next := range []struct{ version, loops int }{{1, 1}, {0, 2}, {1, 3}, {0, 1}, {2, 1}, {2, 4}, {1, 2}} {
		s.instead(next.version, fmt.Sprintf("--loops %d", next.loops))
		said, err := s.upgrade()
		want := "connections continue, after"
		if next.loops != loops {
			want = fmt.Sprintf("connections continue, on %d loops instead of %d, after", next.loops, loops)
		}
		if err != nil || !strings.Contains(said, want) {
			t.Fatalf("%v: said %q, want %q\n%s", err, said, want, s.logged())
		}
		if st := s.status(); st.Loops != next.loops || st.FromLoops != loops || st.Upgrades != int64(n+1) || st.PID != s.cmd.Process.Pid || st.Error != "" {
			t.Errorf("status %+v", st)
		}
		loops = next.loops
		c.hears()
		c.stays(history)
		descriptorsStay(t, before, 8, descriptors)
		channel := fmt.Sprintf("p%d", n)
		conn, joined := raw(t, s.front, "GET /stream?cname="+channel+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		readUntil(t, joined, "next_seq")
		readUntil(t, presence, "1 "+channel)
		conn.Close()
	}
	s.push("idle", "last")
	readUntil(t, idle, `"seq":2,"content":"last"`)
	c.end()
	c.allNumbered()
	s.stop(syscall.SIGTERM)
}

// TestUpgradeLoopsDefault: if no number of loops is set, it follows the number of processors.
func TestUpgradeLoopsDefault(t *testing.T) {
	t.Parallel()
	s := install(t, "--loops", "0")
	before := s.status().Loops
	conn, lines := raw(t, s.front, "GET /stream?cname=c0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	defer conn.Close()
	readUntil(t, lines, "next_seq")
	s.write(t, []byte("#!/bin/bash\nGOMAXPROCS="+strconv.Itoa(4*before)+" exec -a \"$0\" "+s.versions[1]+" \"$@\"\n"))
	if said, err := s.upgrade(); err != nil || !strings.Contains(said, fmt.Sprintf("on %d loops instead of %d", 2*before, before)) {
		t.Errorf("%v: %s", err, said)
	}
	s.push("c0", "on")
	readUntil(t, lines, `"content":"on"`)
	s.stop(syscall.SIGTERM)
}
