package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// raw sends the start of a request on a new connection.
func raw(t *testing.T, address, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// readUntil reads lines up to one that contains a text.
func readUntil(t *testing.T, r *bufio.Reader, text string) {
	t.Helper()
	for line := ""; !strings.Contains(line, text); {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatalf("no %q: %v", text, err)
		}
	}
}

// logs waits for a log line.
func (p *process) logs(text string) {
	p.t.Helper()
	until(p.t, func() bool { return strings.Contains(p.logged(), text) })
}

// askOn returns the status of a request on a persistent connection.
func askOn(t *testing.T, c net.Conn, answers *bufio.Reader, target string) int {
	t.Helper()
	if _, err := io.WriteString(c, "GET "+target+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(resp.Body)
	return resp.StatusCode
}

// TestDrain: a draining server disconnects clients of every kind in a way that none takes for
// an error, and serves a backend to the end.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--ccomet", "127.0.0.1:0", "--drain-time", "3")
	ccomet := p.address("ccomet")
	_, stream := raw(t, p.front, "GET /stream?cname=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_, events := raw(t, p.front, "GET /sse?cname=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_, poll := raw(t, p.front, "GET /poll?cname=a&seq=1&noop=7 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_, dialect := raw(t, ccomet, "GET /subscribe?channel=c&sname=u&seqid=0&callback=f HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_, idle := raw(t, p.front, "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
	admin, answers := raw(t, p.admin, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	readUntil(t, stream, "next_seq")
	readUntil(t, events, "next_seq")
	readUntil(t, idle, "sub_timeout")
	until(t, func() bool { return strings.Contains(get(t, p.admin, "/info").body, `"subscribers": 4}`) })
	ask := func(target string) int { return askOn(t, admin, answers, target) }
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	} else {
		_, _ = io.ReadAll(resp.Body)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logs("draining")
	// Idle connections are closed together with the listeners.
	if rest, err := io.ReadAll(idle); err != nil || len(rest) != 0 {
		t.Errorf("an idle connection: %q, %v", rest, err)
	}
	if c, err := net.Dial("tcp", p.front); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	if status := ask("/healthz"); status != 503 {
		t.Errorf("healthz: %d", status)
	}
	if status := ask("/readyz"); status != 503 {
		t.Errorf("readyz: %d", status)
	}
	if status := ask("/push?cname=b&content=x"); status != 200 {
		t.Errorf("push: %d", status)
	}
	if rest, err := io.ReadAll(stream); err != nil || strings.HasSuffix(string(rest), "0\r\n\r\n") {
		t.Errorf("the stream: %q, %v", rest, err)
	}
	if rest, err := io.ReadAll(events); err != nil || !strings.Contains(string(rest), "retry: ") ||
		!strings.Contains(string(rest), `"type":"503","cname":"a","seq":0,"content":"the server is stopping"`) || !strings.HasSuffix(string(rest), "0\r\n\r\n") {
		t.Errorf("the events: %q, %v", rest, err)
	}
	if rest, err := io.ReadAll(poll); err != nil || !strings.HasSuffix(string(rest), `{"type":"noop","cname":"a","seq":7,"content":""}`+"\n") {
		t.Errorf("the poll: %q, %v", rest, err)
	}
	if rest, err := io.ReadAll(dialect); err != nil || len(rest) != 0 {
		t.Errorf("CComet's: %q, %v", rest, err)
	}
	if err := p.wait(); err != nil || !strings.Contains(p.logged(), `"message":"drained`) || !strings.Contains(p.logged(), `"message":"stopped"`) {
		t.Errorf("%v: %s", err, p.logged())
	}
}

// TestSecondSignal: a second signal ends the drain.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--drain-time", "1h")
	stream := open(t, p.front, "/stream?cname=a&seq=0")
	readUntil(t, stream, "next_seq")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logs("draining")
	select {
	case err := <-p.ended:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	p.stop(syscall.SIGTERM)
	if _, err := io.ReadAll(stream); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream ended with %v", err)
	}
}

// TestTakingOver: while one server drains, another uses its address.
func TestTakingOver(t *testing.T) {
	t.Parallel()
	address := reserve(t)
	p := start(t, nil, "--front", address, "--drain-time", "1h")
	stream := open(t, p.front, "/stream?cname=a&seq=0")
	readUntil(t, stream, "next_seq")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logs("draining")
	until(t, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	q := start(t, nil, "--front", address)
	answers("/ping", "sub_timeout")(t, q)
	p.stop(syscall.SIGTERM)
	q.stop(syscall.SIGTERM)
}
