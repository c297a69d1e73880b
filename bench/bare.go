package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ccomet/bench/target"
)

// The bare process is what the server is held against: one thread that makes
// the system calls that cannot be done without, straight from the kernel's
// interface, and keeps nothing but a descriptor a connection.
//
//	"config JSON"     a bareConfig, first of all
//	"accept N"        it accepts N connections, sends each the head of a stream
//	                  and a next_seq, and answers "accepted N"
//	"write N"         it writes N messages to every connection, one after the
//	                  other, and answers "wrote N"
//	"beat N"          it writes a heartbeat to every connection over N seconds, in
//	                  steps of half a second, and answers "beat N"
//	"serve"           it accepts publishers, and for each request reads it, takes
//	                  the channel's number and the content from it, writes a
//	                  message to that channel's connection and answers the
//	                  publisher, until its input ends
type bareConfig struct {
	Own  bool // connections have channels of their own, by number
	Run  uint32
	Size int
}

const bareHead = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:18:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n" +
	"Cache-Control: no-cache, no-transform\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"

const bareAnswer = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:18:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n" +
	"Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 14\r\n\r\n{\"type\":\"ok\"}\n"

type bare struct {
	bareConfig
	format   format
	clock    clock
	content  []byte
	listener int
	fds      []int32
	seqs     []int32 // served channels: the next number of each
	frame    []byte
	in       [4096]byte
}

// RunBare is the bare process. It prints "address HOST:PORT" first.
func RunBare() error {
	runtime.LockOSThread()
	lines := commands()
	first, ok := <-lines
	if !ok {
		return nil
	}
	b := &bare{clock: newClock()}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "config ")), &b.bareConfig); err != nil {
		return fmt.Errorf("bare: configuration: %w", err)
	}
	b.format = newFormat(b.Run, b.Size)
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
	for line := range lines {
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
		hello := append([]byte(bareHead), chunk("{\"type\":\"next_seq\",\"cname\":\"0000000000000000\",\"seq\":1,\"content\":\"\"}\n")...)
		if _, err = unix.Write(fd, hello); err != nil {
			return err
		}
		if err = unix.SetNonblock(fd, true); err != nil {
			return err
		}
		channel := len(b.fds)
		if b.Own {
			channel = channelNumber(b.in[:request])
		}
		b.put(channel, int32(fd))
	}
	return nil
}

// put keeps a connection.
func (b *bare) put(channel int, fd int32) {
	for len(b.fds) <= channel {
		b.fds = append(b.fds, -1)
		b.seqs = append(b.seqs, 1)
	}
	b.fds[channel] = fd
}

// channelNumber is the number that a request's channel has for a name.
func channelNumber(request []byte) int {
	const key = "cname="
	at := bytes.Index(request, []byte(key))
	if at < 0 || len(request) < at+len(key)+target.ChannelName {
		fail("bare: no channel in %q", request)
	}
	n := 0
	for _, c := range request[at+len(key):][:target.ChannelName] {
		n = n*10 + int(c-'0')
	}
	return n
}

func chunk(payload string) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(payload), payload) }

// frame frames a message as the server does, without what formatting costs.
func (b *bare) appendFrame(dst []byte, channel int, seq int32, content []byte) []byte {
	const head, middle, tail = "{\"type\":\"data\",\"cname\":\"", "\",\"seq\":", ",\"content\":\""
	var digits [12]byte
	number := strconv.AppendInt(digits[:0], int64(seq), 10)
	size := len(head) + target.ChannelName + len(middle) + len(number) + len(tail) + len(content) + len("\"}\n")
	dst = append(strconv.AppendInt(dst, int64(size), 16), "\r\n"...)
	dst = target.AppendDigits(append(dst, head...), uint64(channel), target.ChannelName)
	dst = append(append(append(append(dst, middle...), number...), tail...), content...)
	return append(dst, "\"}\n\r\n"...)
}

func (b *bare) write(n int) {
	for range n {
		b.content = b.format.append(b.content[:0], message{number: uint32(b.seqs[0]), sent: b.clock.now()})
		b.frame = b.appendFrame(b.frame[:0], 0, b.seqs[0], b.content)
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
	frame := chunk("{\"type\":\"noop\",\"cname\":\"0000000000000000\",\"seq\":0,\"content\":\"\"}\n")
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
			b.frame = b.appendFrame(b.frame[:0], channel, b.seqs[channel], contentOf(b.in[:got]))
			b.seqs[channel]++
			rawWrite(b.fds[channel], b.frame)
			rawWrite(ev.Fd, answer)
		}
	}
}

// contentOf is what a request publishes.
func contentOf(request []byte) []byte {
	_, content, _ := bytes.Cut(request, []byte("content="))
	content, _, found := bytes.Cut(content, []byte(" "))
	if !found {
		fail("bare: no content in %q", request)
	}
	return content
}
