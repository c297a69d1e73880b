package client

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

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
	body := impatient{resp.Body, silence, r.silence()}
	stream := newEventStream(body, func(d time.Duration) { r.told = d })
	for {
		data, err := stream.next()
		if err == io.EOF {
			return errEnded // and the server expects a reconnect
		}
		if err != nil {
			return because(ctx, err)
		}
		if err := r.take(data); err != nil || r.left() == 0 {
			return err
		}
	}
}

// impatient is a reader whose timer runs only while a read waits for the server, and not while
// the caller handles what it has read.
type impatient struct {
	io.Reader
	timer *time.Timer
	most  time.Duration
}

func (i impatient) Read(p []byte) (int, error) {
	i.timer.Reset(i.most)
	defer i.timer.Stop()
	return i.Reader.Read(p)
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
		kind := resp.Header.Get("Content-Type")
		if of, _, _ := mime.ParseMediaType(kind); of != "text/event-stream" {
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
