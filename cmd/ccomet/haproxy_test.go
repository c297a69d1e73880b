package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// HAProxy in front with its usual configuration: its default check reports the server as up on
// each side, a stream and a publish work, and a request is served whose X-Forwarded-For another
// proxy has emptied.
func TestHAProxy(t *testing.T) {
	p := start(t, nil, "--trusted-proxy", "127.0.0.1")
	sockets := map[string]string{"front": p.front, "admin": p.admin}
	dir := startHAProxy(t, sockets)
	for side := range sockets {
		if check := haproxyCheck(t, dir+"/stats", side); check != "UP L7OK 204" {
			t.Errorf("the %s side is %s", side, check)
		}
	}
	stream := askThrough(t, dir+"/front", "/stream?cname=a&seq=1", "X-Forwarded-For", "")
	if a := askThrough(t, dir+"/admin", "/push?cname=a&content=hello"); a.StatusCode != 200 {
		t.Error(a.Status)
	}
	line, err := bufio.NewReader(stream.Body).ReadString('\n')
	if want := object("data", "a", 1, "hello") + "\n"; err != nil || line != want {
		t.Errorf("the stream has %q, %v", line, err)
	}
	if text, _ := io.ReadAll(askThrough(t, dir+"/front", "//ping").Body); string(text) != "no such path: //ping\n" {
		t.Errorf("//ping: %q", text)
	}
}

// startHAProxy runs HAProxy until the test ends, in front of named addresses. It listens on a
// unix socket of each name in the returned directory.
func startHAProxy(t *testing.T, sockets map[string]string) (dir string) {
	t.Helper()
	path := findHAProxy(t)
	dir = t.TempDir()
	config := "global\n\tstats socket " + dir + "/stats\ndefaults\n\tmode http\n\ttimeout connect 5s\n\ttimeout client 60s\n\ttimeout server 60s\n"
	for side, address := range sockets {
		config += fmt.Sprintf("frontend to-%s\n\tbind unix@%s/%s\n\tdefault_backend %s\nbackend %s\n\toption httpchk\n\tserver one %s check inter 100ms\n", side, dir, side, side, side, address)
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-db", "-f", file)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(complaint.String())
		}
	})
	for side := range sockets {
		haproxyCheck(t, dir+"/stats", side) // it has started to serve
	}
	return dir
}

func findHAProxy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	leaveOut(t, "no HAProxy here: the server is not tested behind it")
	return ""
}

// haproxyCheck returns HAProxy's check status of a backend's server, once it is known.
func haproxyCheck(t *testing.T, stats, backend string) string {
	t.Helper()
	for limit := time.Now().Add(hangTimeout); ; {
		if c, err := net.Dial("unix", stats); err == nil {
			_, _ = io.WriteString(c, "show stat\n")
			rows, err := csv.NewReader(c).ReadAll()
			c.Close()
			if err != nil || len(rows) == 0 {
				t.Fatal(err, rows)
			}
			column := map[string]int{}
			for i, name := range rows[0] {
				column[name] = i
			}
			for _, row := range rows {
				if check := row[column["check_status"]]; row[0] == backend && row[1] == "one" && strings.HasPrefix(check, "L") {
					return row[column["status"]] + " " + check + " " + row[column["check_code"]]
				}
			}
		}
		if time.Now().After(limit) {
			t.Fatal("HAProxy made no check")
		}
	}
}

// askThrough sends a request on a unix socket; header contains names and values.
func askThrough(t *testing.T, socket, path string, header ...string) *http.Response {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: hangTimeout}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
