// Package adminclient sends requests to the admin side of a running server.
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

// Client sends requests to the admin side of one server.
type Client struct {
	address string
	Client  *http.Client
	proxied atomic.Bool // the server expects a PROXY protocol header
}

// New returns a client of an address in the form of --admin.
func New(address string) *Client {
	a := &Client{address: address}
	network, at := "tcp", address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, at = "unix", path
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, at) // without a host, this machine
		if err == nil && a.proxied.Load() {
			_, err = conn.Write([]byte("PROXY UNKNOWN\r\n")) // UNKNOWN: the client asks for itself
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

// timeout is the default time limit of a request.
const Timeout = 10 * time.Second

// Get returns the body of a response with status 200; any other status is an error. If form is
// not nil it is sent as a POST.
func (a *Client) Get(path string, form map[string][]string) (string, error) {
	resp, err := a.ask(path, form)
	if err == nil && resp.StatusCode == http.StatusBadRequest && a.proxied.CompareAndSwap(false, true) {
		resp.Body.Close() // the server may run with --proxy-protocol
		resp, err = a.ask(path, form)
	}
	if err != nil {
		if about := new(url.Error); errors.As(err, &about) {
			err = about.Err // without the URL: only its path is real
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
