package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"

	"ccomet/httplite/websocket"
)

// tryWebSocket tests whether WebSockets work. If not, it is only a warning, because clients
// fall back to other transports.
func (t *through) tryWebSocket(ctx context.Context) Finding {
	f := Finding{Name: "WebSocket", Have: "receives its message"}
	ctx, cancel := context.WithTimeout(ctx, arrival)
	defer cancel()
	if err := t.useWebSocket(ctx); err != nil {
		f.Status, f.Have = Warn, err.Error()
		f.Why = "clients fall back to event streams or polls, if they can"
		f.Fixes = []fix{{File: "nginx, within a separate location for /ws", Lines: []string{
			"proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection upgrade;", "proxy_set_header Host $http_host;"}}}
	}
	return f
}

// useWebSocket opens a WebSocket, and waits for a message on it.
func (t *through) useWebSocket(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base+"/ws?"+t.query, nil)
	if err != nil {
		return err
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	for name, value := range map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": websocket.EncodeKey(random),
	} {
		req.Header.Set(name, value)
	}
	transport := t.client.Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2, transport.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{} // HTTP/2 has no Upgrade
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("/ws is answered %s, %.100q", resp.Status, bytes.TrimSpace(text))
	}
	const content = "/ws 1"
	if err := t.publish(content); err != nil {
		return err
	}
	var got []byte
	for buf := make([]byte, 4096); ; {
		n, err := resp.Body.Read(buf)
		if got = append(got, buf[:n]...); bytes.Contains(got, []byte(jsonText(content))) {
			return nil
		}
		switch {
		case ctx.Err() != nil:
			return errors.New("no message arrives on /ws")
		case err != nil:
			return fmt.Errorf("/ws ends: %w", err)
		}
	}
}
