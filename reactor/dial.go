package reactor

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Dial starts to connect to an address, in the form that Listen takes.
// Handler.Opened reports that it is connected, Closed that it failed. local, if
// not empty, is the "host:port" to connect from: one local host allows some
// 28,000 connections to one address, each further one (127.0.0.2 …) as many
// again. User returns user from the start. What is written before Opened is
// held.
func (l *Loop) Dial(address, local string, tag uint8, user uint32, opts SocketOptions) (Conn, error) {
	fd, err := dial(address, local, opts)
	if err != nil {
		return 0, fmt.Errorf("reactor: dial %q: %w", address, err)
	}
	c, r := l.newConn(int32(fd), tag)
	if c == 0 {
		sysClose(int32(fd))
		return 0, ErrNoRecord
	}
	r.flags |= flagConnecting | flagOutput
	r.user = user
	if err := l.poller.add(r.fd, uint64(c), outputEvents); err != nil {
		sysClose(int32(fd))
		l.freeRecord(c.Index(), r)
		return 0, err
	}
	return c, nil
}

func dial(address, local string, opts SocketOptions) (int, error) {
	var sa unix.Sockaddr
	path, isUnix := strings.CutPrefix(address, "unix:")
	family := unix.AF_UNIX
	if isUnix {
		sa = &unix.SockaddrUnix{Name: path}
	} else {
		var err error
		if sa, family, err = resolve(address); err != nil {
			return -1, err
		}
	}
	fd, err := sysSocket(family)
	if err != nil {
		return -1, err
	}
	if err = opts.apply(fd, !isUnix); err == nil && local != "" {
		err = bindLocal(fd, local)
	}
	if err == nil {
		err = sysConnect(fd, sa)
	}
	if err != nil && err != unix.EINPROGRESS {
		sysClose(int32(fd))
		return -1, err
	}
	return fd, nil
}

func bindLocal(fd int, local string) error {
	from, _, err := resolve(local)
	if err != nil {
		return err
	}
	// Let the kernel choose the port at connect: then it need only be free for
	// that peer.
	_ = sysSetsockopt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	return sysBind(fd, from)
}

// connected handles the result of a Dial, and reports whether the connection is
// open after the handler was told.
func (l *Loop) connected(c Conn, r *record) bool {
	if err := sockError(r.fd); err != nil {
		l.fail(c, r, err)
		return false
	}
	r.flags &^= flagConnecting
	if r.flags&flagFinishing == 0 {
		l.handler.Opened(c)
	}
	return l.open(c) != nil
}
