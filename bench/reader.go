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

// reader is a subscriber of iComet's protocol that reads only on command. It takes a
// goroutine while it reads, and only a socket with a small buffer while it does not. It
// checks that received messages and reported losses leave no gap.
type reader struct {
	conn     net.Conn
	in       *bufio.Reader
	response *http.Response
	next     int32 // the server's next number; 0: not known yet
	received int
	told     int // messages that the server reported as lost
	faults   int // messages that were missing without a report, or came again
	fault    string
}

// Limits of the kernel's buffers for a reader that does not read: on its own side as small
// as possible, on the server's side as for a peer on Ethernet. With loopback's segments of
// 64 KiB the kernel would buffer megabytes.
const (
	readerBuffer  = 4096
	readerSegment = 1460
)

// openReader connects and sends the request.
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

// read reads lines until enough returns true, or the response ends.
func (r *reader) read(enough func() bool) error {
	_ = r.conn.SetDeadline(time.Now().Add(hangTimeout))
	for !enough() {
		line, err := r.in.ReadBytes('\n')
		if err != nil {
			return err // an incomplete line is ignored
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

// readers are many readers.
type readers struct {
	*run
	transport target.Transport
	list      []*reader
}

// newReaders returns readers that use the target's endless transport and ask for reports of
// lost messages.
func (r *run) newReaders() *readers {
	t := *r.transport
	t.Path += "&lost=1"
	return &readers{run: r, transport: t}
}

func (rs *readers) request(channel uint32, seq int32) []byte {
	return rs.transport.Request().Append(nil, &target.Vars{Channel: channel, Seq: seq})
}

// open opens n more readers, each of the channel for its index, and reads until the server
// has reported its next number.
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

// back lets all readers read the rest of their response to its end, then reconnect with
// their cursors, and read up to number last.
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

// together calls do n times, up to opening calls at a time, and returns the first error.
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
