package client

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxEvent bounds the bytes of one event.
const maxEvent = 16 << 20

// events receives server-sent events from one connection.
func (r *receiver) events(ctx context.Context, cancel context.CancelCauseFunc) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address("/sse"), nil)
	if err != nil {
		return err
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "text/event-stream")
	silence := time.AfterFunc(r.silence(), func() { cancel(errSilence) })
	defer silence.Stop()
	resp, err := r.httpClient().Do(req)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	if err := r.accept(resp); err != nil {
		return err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 4<<10), maxEvent)
	var data []byte
	for lines.Scan() {
		silence.Reset(r.silence())
		if len(lines.Bytes()) == 0 {
			if len(data) == 0 {
				continue
			}
			if err := r.take(data); err != nil || r.left() == 0 {
				return err
			}
			data = data[:0]
			continue
		}
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) { // empty: a comment
		case "data":
			data = append(data, value...)
		case "retry":
			if ms, err := strconv.ParseInt(string(value), 10, 32); err == nil {
				r.told = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if err := lines.Err(); err != nil {
		return because(ctx, err)
	}
	return io.ErrUnexpectedEOF // the server has ended the stream, and expects a reconnect
}

// because returns why ctx has ended, or err if it has not.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// accept checks the status of a response. A *StatusError is permanent, other
// errors are temporary.
func (r *receiver) accept(resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status == 200:
		if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
			return &StatusError{status, fmt.Sprintf("the answer is no event stream but %q: is %s the front side of a comet server?", kind, r.URL)}
		}
		return nil
	case status == 408, status == 429, status >= 500:
		r.told = retryAfter(resp.Header)
		return fmt.Errorf("the server answers %s", resp.Status)
	default:
		return &StatusError{status, firstLine(resp.Body)}
	}
}

// firstLine returns the first line of a body that describes an error.
func firstLine(body io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(body, 500))
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
