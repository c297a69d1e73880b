package cluster

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/cluster/redisurl"
)

// wire is a connection to the master of a partition. Any goroutine may make a call, one call at a
// time. A call does not wait for the answer, which another goroutine reads. So no goroutines have to
// wait for each other, unlike in a call of rueidis. With TLS a call may block.
type wire struct {
	conn net.Conn        // nil: detached
	raw  syscall.RawConn // nil: with TLS, or detached
	fd   int             // the descriptor, while detached
	in   *bufio.Reader
	out  []byte // buffer of the call
}

// Sizes of a wire. It has one call under way; the answer is a number for each message.
const (
	wireBuffer = 4 << 10
	keepCall   = callBytes + 16<<10 // capacity up to which the call's buffer is kept
)

// keepAlive makes the kernel detect that a server is gone.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: pingTime, Interval: pingTime, Count: 2}

// refusal is an error that Redis has answered, without the word ERR, as in rueidis.
type refusal string

func newRefusal(line []byte) refusal {
	return refusal(bytes.TrimPrefix(line[1:], []byte("ERR ")))
}

func (e refusal) Error() string { return string(e) }

var errAnswer = errors.New("redis: an answer is malformed")

// openWire connects to the server that has key.
func (l *Log) openWire(ctx context.Context, key string) (*wire, error) {
	network, address := "tcp", ""
	for address = range l.client.Nodes() { // any server of a Redis Cluster, which names the right one; otherwise the master
		break
	}
	if l.cfg.Redis.Kind == redisurl.Unix {
		network, address = "unix", l.cfg.Redis.Addresses[0]
	}
	for {
		w, err := dialWire(ctx, network, address, l.options.TLSConfig)
		if err != nil {
			return nil, err
		}
		moved, err := w.greet(&l.cfg.Redis, l.cfg.Node, key)
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

// dialWire connects. The deadline of ctx also holds for reads and writes, until the wire is greeted.
func dialWire(ctx context.Context, network, address string, secure *tls.Config) (*wire, error) {
	dialer := net.Dialer{KeepAliveConfig: keepAlive}
	w := new(wire)
	var err error
	if secure != nil {
		w.conn, err = (&tls.Dialer{NetDialer: &dialer, Config: secure}).DialContext(ctx, network, address)
	} else if w.conn, err = dialer.DialContext(ctx, network, address); err == nil {
		w.raw, err = w.conn.(syscall.Conn).SyscallConn()
	}
	if err != nil {
		if w.conn != nil {
			w.close()
		}
		return nil, err
	}
	until, _ := ctx.Deadline()
	_ = w.conn.SetDeadline(until)
	w.in = bufio.NewReaderSize(w.conn, wireBuffer)
	return w, nil
}

// greet logs in, selects the database, sets the client's name, and asks for key. If another server of
// a Redis Cluster has the key, greet returns the address of that server.
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

// call writes a call: the words of all groups, in order. It does not wait: if the kernel does not take
// everything at once, a goroutine writes the rest. If that fails, it closes the connection, and the
// reader of the answers notices.
func (w *wire) call(groups ...[]string) error {
	out := appendCall(w.out[:0], groups...)
	if w.out = out[:0]; cap(out) > keepCall {
		w.out = nil
	}
	var written int
	var failed, err error
	switch {
	case w.raw != nil:
		err = w.raw.Write(func(fd uintptr) bool {
			written, failed = syscall.Write(int(fd), out)
			return true
		})
	case w.conn != nil:
		_, err = w.conn.Write(out)
		return err
	default:
		if written, err = unix.Write(w.fd, out); err == nil && written < len(out) {
			err = io.ErrShortWrite // the one call under way does not fit into the kernel's buffer
		}
		return os.NewSyscallError("write", err)
	}
	switch {
	case err != nil:
		return err
	case failed != nil && failed != syscall.EAGAIN && failed != syscall.EINTR:
		return failed
	}
	if rest := out[max(written, 0):]; len(rest) > 0 {
		w.out = nil // the goroutine uses it
		go func() {
			if _, err := w.conn.Write(rest); err != nil {
				w.close()
			}
		}()
	}
	return nil
}

// appendCall appends a call: the words of all groups, in order.
func appendCall(out []byte, groups ...[]string) []byte {
	n := 0
	for _, words := range groups {
		n += len(words)
	}
	out = appendHead(out, '*', n)
	for _, words := range groups {
		for _, word := range words {
			out = append(append(appendHead(out, '$', len(word)), word...), '\r', '\n')
		}
	}
	return out
}

func appendHead(out []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(out, kind), int64(n), 10), '\r', '\n')
}

// numbers reads an answer that is a list of numbers, and appends them to dst.
func (w *wire) numbers(dst []int64) ([]int64, error) {
	n, err := w.number('*')
	for ; err == nil && n > 0; n-- {
		var v int64
		v, err = w.number(':')
		dst = append(dst, v)
	}
	return dst, err
}

// number reads a line that consists of kind and a number.
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

// line reads a line that is not empty. It is valid until the next one is read.
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

// detach removes the socket from Go's poller. From then on only system calls use it (fd).
func (w *wire) detach() error {
	var failed error
	err := w.raw.Control(func(own uintptr) { w.fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err = cmp.Or(err, os.NewSyscallError("fcntl", failed)); err == nil {
		_ = w.conn.Close()
		w.conn, w.raw, w.in = nil, nil, nil
	}
	return err
}

// attach returns the socket to Go's poller.
func (w *wire) attach() error {
	file := os.NewFile(uintptr(w.fd), "redis")
	conn, err := net.FileConn(file) // FileConn duplicates the descriptor
	w.fd = -1
	if _ = file.Close(); err != nil {
		return err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(keepAlive) // FileConn has set Go's default
	}
	w.conn = conn
	w.raw, err = conn.(syscall.Conn).SyscallConn()
	return err
}

// readSome reads from a detached wire. It does not block: n is 0 if nothing has arrived.
func (w *wire) readSome(room []byte) (n int, err error) {
	n, err = unix.Read(w.fd, room)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// cut breaks the connection: reads fail from then on. Any goroutine may call it, but not after close.
func (w *wire) cut() {
	if w.conn != nil {
		_ = w.conn.Close()
	} else {
		_ = unix.Shutdown(w.fd, unix.SHUT_RDWR)
	}
}

// close closes the connection. A detached one must not be in use.
func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
	} else {
		_ = unix.Close(w.fd)
	}
}
