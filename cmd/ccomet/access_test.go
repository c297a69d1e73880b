package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// askFrom sends a request from a local address, after the bytes of before, and returns the
// status.
func askFrom(t *testing.T, from, to, before, path string, lines ...string) int {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: hangTimeout}
	c, err := dialer.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	if _, err := fmt.Fprintf(c, "%sGET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", before, path, strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestAccess: the access settings, in flags and in a file, have their documented effect.
func TestAccess(t *testing.T) {
	t.Parallel()
	const (
		forwarded = "X-Forwarded-For: 192.0.2.7\r\n"
		proxied   = "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n"
	)
	flags := []string{"--front", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--admin-allow", "127.0.0.1,127.1.", "--admin-allow", "192.0.2.0/24", "--admin-deny", "all",
		"--front-allow", "all", "--front-deny", "127.0.0.9", "--front-deny", "192.0.2.",
		"--trusted-proxy", "127.0.0.3", "--proxy-protocol", "front"}
	name := file(t, freePorts+`
admin-allow = ["127.0.0.1", "127.1.", "192.0.2.0/24"]
admin-deny = "all"
front-allow = ["all"]
front-deny = ["127.0.0.9", "192.0.2."]
trusted-proxy = ["127.0.0.3"]
proxy-protocol = ["front"]
`)
	for _, args := range [][]string{flags, {"--config", name}} {
		p := start(t, nil, args...)
		for _, c := range []struct {
			from, to, before, lines string
			want                    int
		}{
			{"127.0.0.1", p.admin, "", "", 200},
			{"127.1.2.3", p.admin, "", "", 200},
			{"127.0.0.2", p.admin, "", "", 403},
			{"127.0.0.2", p.admin, "", forwarded, 403},
			{"127.0.0.3", p.admin, "", "", 403},
			{"127.0.0.3", p.admin, "", forwarded, 200},
			{"127.0.0.3", p.admin, proxied, "", 400},
			{"127.0.0.8", p.front, "", "", 200},
			{"127.0.0.9", p.front, "", "", 403},
			{"127.0.0.3", p.front, "", "", 400},
			{"127.0.0.3", p.front, proxied, "", 403},
			{"127.0.0.3", p.front, strings.Replace(proxied, ".2.7", ".3.7", 1), "", 200},
			{"127.0.0.8", p.front, proxied, "", 400},
		} {
			path := "/ping"
			if c.to == p.admin {
				path = "/healthz"
			}
			if got := askFrom(t, c.from, c.to, c.before, path, c.lines); got != c.want {
				t.Errorf("%s of %s%s from %s: %d, want %d", path, c.before, c.lines, c.from, got, c.want)
			}
		}
		p.kill()
	}
}

// TestBadAccess: invalid settings are reported by name.
func TestBadAccess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, file, want string }{
		{args: "--admin-allow 10.0.0.300", want: `--admin-allow has "10.0.0.300": want an address`},
		{args: "--admin-deny 10.,x", want: `--admin-deny has "x": want an address`},
		{args: "--front-allow 10.0.0.1/8", want: `--front-allow has "10.0.0.1/8": has bits after its prefix length: want 10.0.0.0/8`},
		{args: "--front-deny fe80::1%eth0", want: `--front-deny has "fe80::1%eth0"`},
		{args: "--trusted-proxy nginx", want: `--trusted-proxy has "nginx"`},
		{args: "--trusted-proxy 10. --proxy-protocol both", want: `--proxy-protocol has "both": want front or admin`},
		{args: "--proxy-protocol front", want: "--proxy-protocol is set without --trusted-proxy"},
		{file: "\nadmin-allow = [\"10.\", \"ten\"]\n", want: `ccomet.toml:2: admin-allow: has "ten": want an address`},
	} {
		args := append([]string{"serve"}, strings.Fields(c.args)...)
		if c.file != "" {
			args = append(args, "--config", file(t, c.file))
		}
		_, stderr, status := runFor(t, nil, args...)
		if status != exitSettings || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("status %d, want %d and %s: %s", status, exitSettings, c.want, stderr)
		}
	}
}

// TestICometRules: the access rules and other settings of an icomet.conf apply to the running
// server.
func TestICometRules(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--config", fileNamed(t, "icomet.conf", "logger:\n\toutput: stderr\nadmin:\n\tlisten: 127.0.0.1:0\n\tallow: 127.0.0.1\n"+
		"\tallow: 127.1\n\tdeny: all\nfront:\n\tlisten: 127.0.0.1:0\n\tmax_channels: 7\n\tmax_channels: 8\n"))
	says("max-channels", 8.0)(t, p)
	for from, want := range map[string]int{"127.0.0.1": 200, "127.1.2.3": 200, "127.0.0.2": 403} {
		if got := askFrom(t, from, p.admin, "", "/healthz"); got != want {
			t.Errorf("from %s: %d, want %d", from, got, want)
		}
	}
	if !strings.Contains(p.logged(), "icomet.conf:10: front.max_channels: ignored, as in iComet: line 11 is used") {
		t.Error(p.logged())
	}
}
