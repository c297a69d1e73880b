package cluster

import (
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
	"unsafe"

	"golang.org/x/sys/unix"

	"ccomet/comet/cluster/redisurl"
)

// wire is a connection to the master of a partition, with one call under way at a time. A call does
// not wait for the answer: either a goroutine reads it (read), or, once the wire is detached, a loop
// (readSome). So no goroutines have to wait for each other, unlike in a call of rueidis. With TLS a
// call may block.
type wire struct {
	conn net.Conn        // nil: detached
	raw  syscall.RawConn // nil: with TLS, or detached
	fd   int             // the descriptor, while detached
	in   inlet           // the bytes that have arrived
	out  []byte          // buffer of the call
}

// Sizes of a wire, in bytes.
const (
	answerRoom = 4 << 10            // room for each read of answers that are numbers
	busRoom    = 16 << 10           // room for each read of the bus
	keepCall   = callBytes + 16<<10 // capacity up to which the buffer of the calls is kept
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

// openWire connects to the server that has key. room is for each read.
func (l *Log) openWire(ctx context.Context, key string, room int) (*wire, error) {
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
		w.in.least = room
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

// call writes a call: the words of all groups, in order. Without TLS it does not wait (writeOn).
func (w *wire) call(groups ...[]string) (err error) {
	out := appendCall(w.out[:0], groups...)
	if w.out = out[:0]; cap(out) > keepCall {
		w.out = nil
	}
	switch {
	case w.conn == nil:
		return writeOn(w.fd, out)
	case w.raw == nil:
		_, err = w.conn.Write(out)
		return err
	}
	failed := w.raw.Control(func(fd uintptr) { err = writeOn(int(fd), out) })
	return cmp.Or(failed, err)
}

// writeOn writes to a socket without waiting. What the kernel does not take at once is written by a
// goroutine. If that fails, it shuts the socket down, and the reader of the answers notices.
func writeOn(fd int, out []byte) error {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(out))), uintptr(len(out)))
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		n = 0
	case errno != 0:
		return os.NewSyscallError("write", errno)
	}
	if int(n) == len(out) {
		return nil
	}
	rest := bytes.Clone(out[n:])
	conn, err := connOf(fd)
	if err != nil {
		return err
	}
	go func() {
		if _, err := conn.Write(rest); err != nil {
			_ = conn.(interface{ CloseRead() error }).CloseRead()
		}
		_ = conn.Close()
	}()
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

// line waits for a line of an answer. It is valid until the next read.
func (w *wire) line() ([]byte, error) {
	for {
		c := cursor{text: w.in.rest()}
		if line, ok := c.line(); ok || c.failed != nil {
			w.in.take(c.at)
			return line, c.failed
		}
		if err := w.read(); err != nil {
			return nil, err
		}
	}
}

// read waits for bytes. The system calls are raw, because they do not block: the Go scheduler would
// wake its monitor thread for each.
func (w *wire) read() (err error) {
	n, room := 0, w.in.room()
	if w.raw == nil {
		n, err = w.conn.Read(room)
	} else {
		failed := w.raw.Read(func(fd uintptr) bool {
			n, err = readOn(int(fd), room)
			return n > 0 || err != nil
		})
		err = cmp.Or(failed, err)
	}
	w.in.filled(n)
	return err
}

// readSome reads what has arrived on a detached wire. It does not wait.
func (w *wire) readSome() error {
	n, err := readOn(w.fd, w.in.room())
	w.in.filled(n)
	return err
}

// readNumbers reads an answer that is a list of numbers on a detached wire, into dst. It does not
// wait: whole is false if the rest has not arrived yet.
func (w *wire) readNumbers(dst *[]int64) (whole bool, err error) {
	if err = w.readSome(); err != nil {
		return false, err
	}
	c := cursor{text: w.in.rest()}
	if *dst, whole = c.numbers((*dst)[:0]); whole {
		w.in.take(c.at)
	}
	return whole, c.failed
}

// readOn reads from a socket without waiting: n is 0 if nothing has arrived.
func readOn(fd int, room []byte) (n int, err error) {
	some, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(room))), uintptr(len(room)))
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0, nil
	case errno != 0:
		return 0, os.NewSyscallError("read", errno)
	case some == 0:
		return 0, io.EOF
	}
	return int(some), nil
}

// detach removes the socket from Go's poller. From then on only system calls use it (fd).
func (w *wire) detach() error {
	var failed error
	err := w.raw.Control(func(own uintptr) { w.fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err = cmp.Or(err, os.NewSyscallError("fcntl", failed)); err == nil {
		_ = w.conn.Close()
		w.conn, w.raw = nil, nil
	}
	return err
}

// attach returns the socket to Go's poller.
func (w *wire) attach() error {
	conn, err := connOf(w.fd)
	if err != nil {
		return err
	}
	_ = unix.Close(w.fd)
	w.conn, w.fd = conn, -1
	w.raw, err = conn.(syscall.Conn).SyscallConn()
	return err
}

// connOf returns a connection with a duplicate of a descriptor.
func connOf(fd int) (net.Conn, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(own), "redis")
	defer file.Close()
	conn, err := net.FileConn(file) // FileConn duplicates it once more
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(keepAlive) // FileConn has set Go's default
	}
	return conn, err
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
	w.cut() // also for a goroutine that still writes (writeOn)
	if w.conn == nil {
		_ = unix.Close(w.fd)
	}
}
