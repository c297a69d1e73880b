package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// webSocket receives from one WebSocket.
func (r *receiver) webSocket(ctx context.Context) error {
	conn, err := r.dial(ctx)
	if err != nil {
		return because(ctx, err)
	}
	r.refusals = 0
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	control := wsutil.ControlFrameHandler(conn, ws.StateClientSide)
	frames := wsutil.Reader{Source: conn, State: ws.StateClientSide, CheckUTF8: true, MaxFrameSize: maxEvent, OnIntermediate: control}
	for {
		_ = conn.SetReadDeadline(time.Now().Add(r.silence()))
		head, err := frames.NextFrame()
		if err != nil {
			return because(ctx, silent(err))
		}
		if head.OpCode.IsControl() {
			if err := control(head, &frames); err != nil {
				return because(ctx, closedBy(err))
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(&frames, maxEvent+1))
		if err == nil && len(text) > maxEvent {
			err = fmt.Errorf("a message is longer than %d bytes", maxEvent)
		}
		if err != nil {
			return because(ctx, silent(err))
		}
		if err := r.take(text); err != nil || r.left() == 0 {
			return err
		}
	}
}

// frameConn is a connection, with the bytes that were read together with the handshake.
type frameConn struct {
	net.Conn
	io.Reader
}

func (c frameConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// dial opens a WebSocket. The error is errNoWay if the network path does not support
// WebSockets, as far as that can be known. The answers of a server or proxy that is being
// restarted are temporary errors.
func (r *receiver) dial(ctx context.Context) (net.Conn, error) {
	if r.Transport == Auto && r.proxied() {
		return nil, fmt.Errorf("%w: the Client uses a proxy", errNoWay)
	}
	var answer *http.Response // an answer that is no upgrade
	reason := ""
	dialer := ws.Dialer{
		Protocols: []string{"ccomet.v1"}, Header: ws.HandshakeHeaderHTTP(r.header()), Timeout: r.silence(), TLSConfig: r.tlsConfig(),
		OnStatusError: func(_ int, _ []byte, text io.Reader) {
			if answer, _ = http.ReadResponse(bufio.NewReader(text), nil); answer != nil && r.Transport == WebSocket {
				reason = firstLine(answer.Body)
			}
		},
	}
	conn, buffered, _, err := dialer.Dial(ctx, "ws"+strings.TrimPrefix(r.address("/ws"), "http"))
	if err == nil {
		if buffered != nil {
			return frameConn{conn, buffered}, nil
		}
		return conn, nil
	}
	r.refusals++
	switch first := r.refusals == 1; {
	case answer == nil && (first || refused(err)):
		return nil, err
	case answer == nil:
	case answer.StatusCode == 429, answer.StatusCode == 503, passes(answer.StatusCode) && (first || r.Transport == WebSocket):
		r.told = retryAfter(answer.Header)
		return nil, fmt.Errorf("the server answers %s", answer.Status)
	case r.Transport == WebSocket:
		return nil, &StatusError{answer.StatusCode, reason}
	}
	return nil, fmt.Errorf("%w: %w", errNoWay, err)
}

// header returns the header of a handshake. As in other requests, a user in the URL is told to the
// server.
func (r *receiver) header() http.Header {
	user := r.base.User
	if user == nil || r.Header.Get("Authorization") != "" {
		return r.Header
	}
	password, _ := user.Password()
	req := http.Request{Header: r.Header.Clone()}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.SetBasicAuth(user.Username(), password)
	return req.Header
}

// refused reports whether no process listens, which says nothing about WebSockets.
func refused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// proxied reports whether the Client sends its requests to a proxy, which a WebSocket would not use.
func (r *receiver) proxied() bool {
	by := r.httpClient().Transport
	if by == nil {
		by = http.DefaultTransport
	}
	transport, ok := by.(*http.Transport)
	if !ok || transport.Proxy == nil {
		return false
	}
	to, err := transport.Proxy(&http.Request{URL: r.base})
	return err == nil && to != nil
}

// tlsConfig returns the TLS settings of the Client, if it has some. A WebSocket begins as
// HTTP/1.1, whatever the requests use: a Transport that uses HTTP/2 has added that to its
// settings.
func (r *receiver) tlsConfig() *tls.Config {
	if transport, ok := r.httpClient().Transport.(*http.Transport); ok && transport.TLSClientConfig != nil {
		config := transport.TLSClientConfig.Clone()
		config.NextProtos = []string{"http/1.1"}
		return config
	}
	return nil
}

// silent replaces the errors of a read that say little: it has timed out, or the connection has
// ended.
func silent(err error) error {
	if err == io.EOF {
		return errEnded
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errSilence
	}
	return err
}

// closedBy returns the error of a connection that the server has closed.
func closedBy(err error) error {
	if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
		return fmt.Errorf("the server closes with %d: %s", closed.Code, closed.Reason)
	}
	return err
}
