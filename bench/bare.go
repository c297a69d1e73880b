package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The bare program is the baseline for servers: one thread that makes only the
// indispensable system calls, directly. It is a C program (bare/bare.c), because Go itself
// takes some processor time. Without a C compiler, this Go version is used.
//
// It first prints "address HOST:PORT", and then serves /stream, /poll and /push as far as
// the harness uses them. Its arguments are
//
//	own        each connection has a channel of its own; else all share one channel
//	coalesce   what is published in one piece is written in one piece to each
//	           stream; for one channel only
//	echo       connections are WebSockets, and the texts that they send are sent back
//
// It accepts this command:
//
//	"beat N"   write a heartbeat to every stream, spread over N seconds in steps of
//	           half a second, and answer "beat N"
//
// It assumes that each request arrives completely, or at the end of what is read.
type bare struct {
	own, coalesce, polling bool // polling: a poll was received
	echo                   bool
	ep, listener           int
	channels               []bareChannel
	conns                  []bareConn // by descriptor
	frame, line            []byte
	answers                []byte // answers to the requests of a publisher in one read
	gathered               []byte // with coalesce: the messages of one read
	commands               []byte // incomplete line of a command
	in                     []byte
}

// bareChannel holds the connections that wait for the channel's next message and, for
// polls, the messages that may not have been received yet.
type bareChannel struct {
	fds   []int32
	kept  [][]byte
	first int // number of the first message in kept
	next  int // number of the next message
}

type bareConn struct {
	channel, place int // place: index in the channel's fds; -1: none; -2: a WebSocket
	rest           []byte
}

const bareStreamHead = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:18:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n" +
	"Cache-Control: no-cache, no-transform\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"

const bareAnswerHead = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:18:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n" +
	"Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nContent-Length: "

// RunBare runs the bare process.
func RunBare(words []string) error {
	runtime.LockOSThread()
	b := &bare{own: slices.Contains(words, "own"), coalesce: slices.Contains(words, "coalesce"), echo: slices.Contains(words, "echo"), in: make([]byte, 1<<18)}
	if err := b.open(); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 512)
	for {
		n, err := unix.EpollWait(b.ep, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			switch int(ev.Fd) {
			case b.listener:
				err = b.acceptable()
			case 0:
				if !b.told() {
					return nil
				}
			default:
				b.readable(ev.Fd)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (b *bare) open() (err error) {
	if b.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if b.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err = unix.SetsockoptInt(b.listener, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err = unix.Bind(b.listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err = unix.Listen(b.listener, 4096); err != nil {
		return err
	}
	name, err := unix.Getsockname(b.listener)
	if err != nil {
		return err
	}
	for _, fd := range []int{b.listener, 0} {
		if err = b.watch(fd); err != nil {
			return err
		}
	}
	fmt.Printf("address 127.0.0.1:%d\n", name.(*unix.SockaddrInet4).Port)
	return nil
}

func (b *bare) watch(fd int) error {
	return unix.EpollCtl(b.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (b *bare) acceptable() error {
	fd, _, err := unix.Accept4(b.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return err
	}
	for len(b.conns) <= fd {
		b.conns = append(b.conns, bareConn{})
	}
	b.conns[fd].place = -1
	return b.watch(fd)
}

// told executes commands from the harness. It returns false at the end of the input.
func (b *bare) told() bool {
	n, _ := os.Stdin.Read(b.in)
	if n <= 0 {
		return false
	}
	b.commands = append(b.commands, b.in[:n]...)
	for {
		line, rest, whole := bytes.Cut(b.commands, []byte("\n"))
		if !whole {
			return true
		}
		if seconds, ok := strings.CutPrefix(string(line), "beat "); ok {
			n, _ := strconv.Atoi(seconds)
			b.beat(n)
			fmt.Println("beat", n)
		}
		b.commands = rest
	}
}

// beat writes one heartbeat to each stream, spread over this many seconds.
func (b *bare) beat(seconds int) {
	steps := seconds * 2
	frame := appendChunk(nil, []byte("{\"type\":\"noop\",\"cname\":\"0000000000000000\",\"seq\":0,\"content\":\"\"}\n"))
	pause := unix.Timespec{Nsec: int64(500 * time.Millisecond)}
	fds := b.channel(0).fds
	for step := range steps {
		for _, fd := range fds[len(fds)*step/steps : len(fds)*(step+1)/steps] {
			bareWrite(fd, frame)
		}
		_ = unix.Nanosleep(&pause, nil)
	}
}

// bareWrite writes all of p in one system call.
func bareWrite(fd int32, p []byte) {
	if len(p) == 0 {
		return
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if int(n) != len(p) {
		fail("bare: a short write: %v", errno)
	}
}

func appendChunk(dst, payload []byte) []byte {
	dst = append(strconv.AppendInt(dst, int64(len(payload)), 16), "\r\n"...)
	return append(append(dst, payload...), "\r\n"...)
}
