package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"ccomet/bench/target"
)

// reader is a subscriber of iComet's protocol that reads only when it is told to:
// a goroutine while it does, a socket with a small buffer while it does not. It
// checks that what it is given, and what it is told is gone, leaves no gap.
type reader struct {
	conn     net.Conn
	in       *bufio.Reader
	response *http.Response
	next     int32 // the server's number that must come next; 0 before the first
	received int
	told     int // messages that it was told are gone
	faults   int // messages that were missing and not told of, or came again
	fault    string
}

// What the kernel keeps for a reader that does not read: on its side as little as
// may be, on the server's what it keeps for peers behind an Ethernet. Loopback's
// segments of 64 KiB would have it keep megabytes.
const (
	readerBuffer  = 4096
	readerSegment = 1460
)

// openReader subscribes from a number on (0: from the next one).
func openReader(ctx context.Context, address, source string, request []byte) (*reader, error) {
	from := &net.TCPAddr{IP: net.ParseIP(source)}
	d := net.Dialer{LocalAddr: from, Timeout: hangTimeout, Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = errors.Join(
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, readerBuffer),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, readerSegment))
		})
		return errors.Join(err, failed)
	}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	r := &reader{conn: conn}
	if err := r.ask(request); err != nil {
		conn.Close()
		return nil, err
	}
	return r, nil
}

// ask sends the request, and reads the response's head.
func (r *reader) ask(request []byte) (err error) {
	_ = r.conn.SetDeadline(time.Now().Add(hangTimeout))
	if _, err = r.conn.Write(request); err != nil {
		return err
	}
	r.in = bufio.NewReaderSize(r.conn, 512)
	if r.response, err = http.ReadResponse(r.in, nil); err != nil {
		return err
	}
	if r.response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", r.response.Status)
	}
	r.in = bufio.NewReaderSize(r.response.Body, 512)
	return nil
}

// read takes lines until enough says so, or the response is over.
func (r *reader) read(enough func() bool) error {
	_ = r.conn.SetDeadline(time.Now().Add(hangTimeout))
	for !enough() {
		line, err := r.in.ReadBytes('\n')
		if err != nil {
			return err // a part of a line says nothing
		}
		r.line(line)
	}
	return nil
}

func (r *reader) line(line []byte) {
	var m struct {
		Type, Content string
		Seq           int32
	}
	if err := json.Unmarshal(line, &m); err != nil {
		r.wrong("%.100q: %v", line, err)
		return
	}
	switch m.Type {
	case "next_seq":
		if r.next != 0 && m.Seq != r.next {
			r.wrong("after number %d the server goes on with %d", r.next-1, m.Seq)
		}
		r.next = m.Seq
	case "data":
		if r.next != 0 && m.Seq != r.next {
			r.wrong("number %d came where %d was next", m.Seq, r.next)
		}
		r.received++
		r.next = m.Seq + 1
	case "lost":
		var from, to int32
		if _, err := fmt.Sscanf(m.Content, "%d-%d", &from, &to); err != nil || from != r.next || to < from || m.Seq != to+1 {
			r.wrong("it is told that %q are gone where %d is next", m.Content, r.next)
			return
		}
		r.told += int(to - from + 1)
		r.next = m.Seq
	case "noop":
	default:
		r.wrong("the server says %.100q", line)
	}
}

func (r *reader) wrong(format string, args ...any) {
	r.faults++
	if r.fault == "" {
		r.fault = fmt.Sprintf(format, args...)
	}
}

// readers are many.
type readers struct {
	*run
	transport target.Transport
	list      []*reader
}

// newReaders has readers of the target's endless transport, which ask to be told
// of messages that are gone.
func (r *run) newReaders() *readers {
	t := *r.transport
	t.Path += "&lost=1"
	return &readers{run: r, transport: t}
}

func (rs *readers) request(channel uint32, seq int32) []byte {
	return rs.transport.Request().Append(nil, &target.Vars{Channel: channel, Seq: seq})
}

// open opens n more, of a channel that is for the reader's number, and reads up to
// where the server says which number is next.
func (rs *readers) open(n int, channel func(i int) uint32) error {
	first := len(rs.list)
	rs.list = append(rs.list, make([]*reader, n)...)
	return together(n, func(i int) error {
		r, err := openReader(rs.ctx, rs.server.front, "127.0.0.1", rs.request(channel(first+i), 0))
		if err != nil {
			return err
		}
		rs.list[first+i] = r
		return r.read(func() bool { return r.next != 0 })
	})
}

// back has all read what is there for them, to its end; come back, each with its
// cursor, and read up to number last.
func (rs *readers) back(channel func(i int) uint32, last int32) error {
	return together(len(rs.list), func(i int) error {
		r := rs.list[i]
		if err := r.read(func() bool { return false }); errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("reader %d was not cut: %w", i, err)
		}
		r.conn.Close()
		again, err := openReader(rs.ctx, rs.server.front, "127.0.0.1", rs.request(channel(i), r.next))
		if err != nil {
			return err
		}
		r.conn, r.in, r.response = again.conn, again.in, again.response
		return r.read(func() bool { return r.next > last })
	})
}

func (rs *readers) close() {
	for _, r := range rs.list {
		if r != nil {
			r.conn.Close()
		}
	}
	rs.list = nil
}

// together does n things, some at a time, and returns the first error.
func together(n int, do func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	turn := make(chan struct{}, opening)
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			errs[i] = do(i)
			<-turn
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
