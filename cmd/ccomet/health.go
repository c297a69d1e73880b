package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// health is the command that asks a server whether it serves, for whoever has
// nothing else to ask with, such as a container of this program alone.
type health struct {
	Ready bool     `help:"Ask whether messages pass between all its loops (/readyz), instead of whether it serves (/healthz)."`
	Admin []string `placeholder:"ADDR" default:"127.0.0.1:8000" help:"Where its admin side is, as for serve; of several, the first is asked."`
}

// Help is what --help says beside the flags.
func (*health) Help() string { return "The exit status is 0 if it does, and 1 if not." }

// healthPatience is how long an answer may take.
const healthPatience = 2 * time.Second

// Run asks.
func (c *health) Run(out io.Writer) error {
	trimList(c.Admin)
	if err := checkAddress(c.Admin[0]); err != nil {
		return settingsError{fmt.Errorf("--admin is %w", err)}
	}
	a := newAdminSide(c.Admin[0])
	a.client.Timeout = healthPatience
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	text, err := a.get(path, nil)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// adminSide asks the admin side of a server.
type adminSide struct {
	address string
	client  *http.Client
	proxied atomic.Bool // it wants a PROXY protocol header first
}

// newAdminSide asks at an address as serve takes it.
func newAdminSide(address string) *adminSide {
	a := &adminSide{address: address}
	network, at := "tcp", address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, at = "unix", path
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, at) // no host is this machine
		if err == nil && a.proxied.Load() {
			_, err = conn.Write([]byte("PROXY UNKNOWN\r\n")) // it asks for itself
		}
		return conn, err
	}
	a.client = &http.Client{Timeout: adminPatience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	return a
}

func (a *adminSide) ask(path string, form map[string][]string) (*http.Response, error) {
	url := "http://localhost" + path
	if form != nil {
		return a.client.PostForm(url, form)
	}
	return a.client.Get(url)
}

// adminPatience is how long an answer of the admin side may take.
const adminPatience = 10 * time.Second

// get returns the text of an answer, whose status must be 200. A form is sent as
// a POST.
func (a *adminSide) get(path string, form map[string][]string) (string, error) {
	resp, err := a.ask(path, form)
	if err == nil && resp.StatusCode == http.StatusBadRequest && a.proxied.CompareAndSwap(false, true) {
		resp.Body.Close() // it may have --proxy-protocol, of which nobody has told
		resp, err = a.ask(path, form)
	}
	if err != nil {
		return "", fmt.Errorf("the admin side at %s does not answer: %w", a.address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	if err != nil {
		return "", fmt.Errorf("the admin side at %s, %s: %w", a.address, path, err)
	}
	return string(text), nil
}
