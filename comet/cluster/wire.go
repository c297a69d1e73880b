package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ccomet/comet/cluster/redisurl"
)

// wire is a connection to the master of a partition. Any goroutine calls on it, one call after the
// other, and does not wait for the answer, which another one reads: a connection of rueidis has the
// goroutine that calls wait, which a loop must not.
type wire struct {
	conn net.Conn
	raw  syscall.RawConn
	in   *bufio.Reader
	out  []byte // the call
}

// Sizes of a wire: it has one call under way, whose answer is a number for each message.
const (
	wireBuffer = 4 << 10
	keepCall   = callBytes + 16<<10 // room that is kept
)

// refusal is an answer of Redis that is an error, as rueidis has it: without the word ERR.
type refusal string

func newRefusal(line []byte) refusal {
	return refusal(bytes.TrimPrefix(line[1:], []byte("ERR ")))
}

func (e refusal) Error() string { return string(e) }

var errAnswer = errors.New("redis: an answer to a call that publishes is malformed")

// openWire connects to the master of a partition, without TLS.
func (p *partition) openWire(ctx context.Context) (*wire, error) {
	s := &p.log.cfg.Redis
	network, address := "tcp", ""
	for address = range p.log.client.Nodes() { // any one of a Redis Cluster, which says where to go; the master of another
		break
	}
	if s.Kind == redisurl.Unix {
		network, address = "unix", s.Addresses[0]
	}
	for {
		w, err := dialWire(ctx, network, address)
		if err != nil {
			return nil, err
		}
		moved, err := w.greet(s, p.log.cfg.Node, p.keyG)
		if err == nil && moved == "" {
			return w, nil
		}
		w.close()
		if err != nil {
			return nil, err
		}
		if host, port, _ := net.SplitHostPort(moved); host == "" {
			host, _, _ = net.SplitHostPort(address)
			moved = net.JoinHostPort(host, port)
		}
		address = moved
	}
}

// dialWire connects. What is done with the connection then, until it is greeted, is done by the
// context's end.
func dialWire(ctx context.Context, network, address string) (*wire, error) {
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingTime, Interval: pingTime, Count: 2}}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	until, _ := ctx.Deadline()
	_ = conn.SetDeadline(until)
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &wire{conn: conn, raw: raw, in: bufio.NewReaderSize(conn, wireBuffer)}, nil
}

// greet says who calls, and asks for a key: where that is at another server of a Redis Cluster, it
// says at which.
func (w *wire) greet(s *redisurl.Servers, node, key string) (moved string, err error) {
	calls := [][]string{{"CLIENT", "SETNAME", node}, {"EXISTS", key}}
	if s.DB != 0 {
		calls = append([][]string{{"SELECT", strconv.Itoa(s.DB)}}, calls...)
	}
	switch {
	case s.Username != "":
		calls = append([][]string{{"AUTH", s.Username, s.Password}}, calls...)
	case s.Password != "":
		calls = append([][]string{{"AUTH", s.Password}}, calls...)
	}
	for _, words := range calls {
		if err := w.call(words); err != nil {
			return "", err
		}
		line, err := w.line()
		if err != nil {
			return "", err
		}
		if line[0] == '-' {
			if moved, ok := strings.CutPrefix(string(line[1:]), "MOVED "); ok {
				_, moved, _ = strings.Cut(moved, " ")
				return moved, nil
			}
			return "", fmt.Errorf("redis: %w", newRefusal(line))
		}
	}
	return "", w.conn.SetDeadline(time.Time{})
}

// call writes a call, of words one group behind the other. It does not wait: what the kernel does
// not take at once is written by a goroutine. Where that fails the connection ends, which the
// reader of its answers hears.
func (w *wire) call(groups ...[]string) error {
	n := 0
	for _, words := range groups {
		n += len(words)
	}
	out := appendHead(w.out[:0], '*', n)
	for _, words := range groups {
		for _, word := range words {
			out = append(append(appendHead(out, '$', len(word)), word...), '\r', '\n')
		}
	}
	if w.out = out[:0]; cap(out) > keepCall {
		w.out = nil
	}
	var written int
	var failed error
	err := w.raw.Write(func(fd uintptr) bool {
		written, failed = syscall.Write(int(fd), out)
		return true
	})
	switch {
	case err != nil:
		return err
	case failed != nil && failed != syscall.EAGAIN && failed != syscall.EINTR:
		return failed
	}
	if rest := out[max(written, 0):]; len(rest) > 0 {
		w.out = nil // it is the goroutine's
		go func() {
			if _, err := w.conn.Write(rest); err != nil {
				w.close()
			}
		}()
	}
	return nil
}

func appendHead(out []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(out, kind), int64(n), 10), '\r', '\n')
}

// numbers reads an answer that is a list of numbers, and appends them.
func (w *wire) numbers(dst []int64) ([]int64, error) {
	n, err := w.number('*')
	for ; err == nil && n > 0; n-- {
		var v int64
		v, err = w.number(':')
		dst = append(dst, v)
	}
	return dst, err
}

// number reads a line that is a number, of that kind.
func (w *wire) number(kind byte) (int64, error) {
	line, err := w.line()
	switch {
	case err != nil:
		return 0, err
	case line[0] == '-':
		return 0, newRefusal(line)
	case line[0] != kind:
		return 0, errAnswer
	}
	n, err := strconv.ParseInt(string(line[1:]), 10, 64)
	if err != nil {
		return 0, errAnswer
	}
	return n, nil
}

// line reads a line, which is good until the next is read. It is not empty.
func (w *wire) line() ([]byte, error) {
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if n := len(line); n > 2 && line[n-2] == '\r' {
		return line[:n-2], nil
	}
	return nil, errAnswer
}

func (w *wire) close() { _ = w.conn.Close() }
