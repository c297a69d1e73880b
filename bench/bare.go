package bench

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The bare process is what the server is held against: one thread that makes
// the system calls that cannot be done without, straight from the kernel's
// interface, and keeps nothing but a descriptor a connection.
//
//	told "accept N"  it accepts N connections, sends each the head of a stream
//	                 and a next_seq, and answers "accepted N".
//	told "write N"   it writes N messages to every connection, one after the
//	                 other, and answers "wrote N".
//	told "beat N"    it writes a heartbeat to every connection over N seconds,
//	                 in steps of half a second, and answers "beat N".
//	told "serve"     it accepts publishers, and for each request reads it, takes
//	                 the channel's number from it, writes a message to that
//	                 connection and answers the publisher, until its input ends.

const bareHead = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:18:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n" +
	"Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"

const bareAnswer = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:18:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n" +
	"Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 14\r\n\r\n{\"type\":\"ok\"}\n"

type bare struct {
	listener int
	fds      []int32
	seqs     []int32 // served channels: the next number of each
	frame    []byte
	in       [4096]byte
}

// RunBare is the bare process. It prints "address HOST:PORT" first.
func RunBare() error {
	runtime.LockOSThread()
	b := &bare{}
	var err error
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
	fmt.Printf("address 127.0.0.1:%d\n", name.(*unix.SockaddrInet4).Port)
	for line := range commands() {
		word, rest, _ := strings.Cut(line, " ")
		n, _ := strconv.Atoi(rest)
		switch word {
		case "accept":
			err = b.accept(n)
			fmt.Println("accepted", len(b.fds))
		case "write":
			b.write(n)
			fmt.Println("wrote", n)
		case "beat":
			b.beat(n)
			fmt.Println("beat", n)
		case "serve":
			go func() { // its input is still read, so that it ends with it
				runtime.LockOSThread()
				fail("bare: %v", b.serve())
			}()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bare) accept(n int) error {
	for range n {
		fd, _, err := unix.Accept4(b.listener, unix.SOCK_CLOEXEC)
		if err != nil {
			return err
		}
		request, err := unix.Read(fd, b.in[:])
		if err != nil {
			return err
		}
		hello := append([]byte(bareHead), chunk("{\"type\":\"next_seq\",\"cname\":\"bench\",\"seq\":1,\"content\":\"\"}\n")...)
		if _, err = unix.Write(fd, hello); err != nil {
			return err
		}
		if err = unix.SetNonblock(fd, true); err != nil {
			return err
		}
		b.put(channelNumber(b.in[:request]), int32(fd))
	}
	return nil
}

// put keeps a connection, at its channel's number where it has one.
func (b *bare) put(channel int, fd int32) {
	if channel < 0 {
		channel = len(b.fds)
	}
	for len(b.fds) <= channel {
		b.fds = append(b.fds, -1)
		b.seqs = append(b.seqs, 1)
	}
	b.fds[channel] = fd
}

// channelNumber is the decimal number that a channel's name consists of, or -1.
func channelNumber(request []byte) int {
	at := bytes.Index(request, []byte("cname="))
	if at < 0 {
		return -1
	}
	n, digits := 0, 0
	for _, c := range request[at+len("cname="):] {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
		digits++
	}
	if digits == 0 {
		return -1
	}
	return n
}

func chunk(payload string) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(payload), payload) }

// appendBareFrame is a message as the server frames it.
func appendBareFrame(dst []byte, seq int32) []byte {
	return append(dst, chunk(fmt.Sprintf("{\"type\":\"data\",\"cname\":\"bench\",\"seq\":%d,\"content\":%q}\n", seq, Content))...)
}

// Content is what the measured messages say.
const Content = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

func (b *bare) write(n int) {
	for range n {
		b.frame = appendBareFrame(b.frame[:0], b.seqs[0])
		b.seqs[0]++
		for _, fd := range b.fds {
			if got := rawWrite(fd, b.frame); got != len(b.frame) {
				fail("bare: a short write: %d", got)
			}
		}
	}
}

// beat spreads one heartbeat a connection over a time.
func (b *bare) beat(seconds int) {
	steps := seconds * 2
	frame := chunk("{\"type\":\"noop\",\"cname\":\"bench\",\"seq\":0,\"content\":\"\"}\n")
	pause := unix.Timespec{Nsec: int64(500 * time.Millisecond)}
	for step := range steps {
		for _, fd := range b.fds[len(b.fds)*step/steps : len(b.fds)*(step+1)/steps] {
			rawWrite(fd, frame)
		}
		_ = unix.Nanosleep(&pause, nil)
	}
}

func rawWrite(fd int32, p []byte) int {
	n, _, _ := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n)
}

// serve is the bare publisher's server: epoll, read, write, write.
func (b *bare) serve() error {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	add := func(fd int) error {
		return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	if err = add(b.listener); err != nil {
		return err
	}
	answer := []byte(bareAnswer)
	events := make([]unix.EpollEvent, 512)
	for {
		n, err := unix.EpollWait(ep, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			if int(ev.Fd) == b.listener {
				fd, _, err := unix.Accept4(b.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
				if err != nil {
					return err
				}
				if err = add(fd); err != nil {
					return err
				}
				continue
			}
			got, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(ev.Fd), uintptr(unsafe.Pointer(&b.in[0])), uintptr(len(b.in)))
			if errno != 0 || got == 0 {
				unix.Close(int(ev.Fd))
				continue
			}
			channel := channelNumber(b.in[:got])
			b.frame = appendServed(b.frame[:0], b.seqs[channel])
			b.seqs[channel]++
			rawWrite(b.fds[channel], b.frame)
			rawWrite(ev.Fd, answer)
		}
	}
}

// appendServed is appendBareFrame without what formatting costs.
func appendServed(dst []byte, seq int32) []byte {
	const head, tail = "{\"type\":\"data\",\"cname\":\"0000000000000000\",\"seq\":", ",\"content\":\"" + Content + "\"}\n"
	var digits [12]byte
	number := strconv.AppendInt(digits[:0], int64(seq), 10)
	dst = strconv.AppendInt(dst, int64(len(head)+len(number)+len(tail)), 16)
	dst = append(append(append(append(dst, "\r\n"...), head...), number...), tail...)
	return append(dst, "\r\n"...)
}
