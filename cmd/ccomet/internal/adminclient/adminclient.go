// Package adminclient asks the admin side of a server that runs.
package adminclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Client asks the admin side of a server.
type Client struct {
	address string
	Client  *http.Client
	proxied atomic.Bool // it wants a PROXY protocol header first
}

// New asks at an address as serve takes it.
func New(address string) *Client {
	a := &Client{address: address}
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
	a.Client = &http.Client{Timeout: Timeout, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	return a
}

func (a *Client) ask(path string, form map[string][]string) (*http.Response, error) {
	target := "http://localhost" + path
	if form != nil {
		return a.Client.PostForm(target, form)
	}
	return a.Client.Get(target)
}

// Timeout is how long an answer of the admin side may take.
const Timeout = 10 * time.Second

// Get returns the text of an answer, whose status must be 200. A form is sent as
// a POST.
func (a *Client) Get(path string, form map[string][]string) (string, error) {
	resp, err := a.ask(path, form)
	if err == nil && resp.StatusCode == http.StatusBadRequest && a.proxied.CompareAndSwap(false, true) {
		resp.Body.Close() // it may have --proxy-protocol, which the command does not know
		resp, err = a.ask(path, form)
	}
	if err != nil {
		if about := new(url.Error); errors.As(err, &about) {
			err = about.Err // without the URL, of which the path alone is not made up here
		}
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
