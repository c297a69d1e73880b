package reactor

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// inheritedPrefix begins the address of a listening socket that the process has
// inherited.
const inheritedPrefix = "fd:"

// firstInherited is the lowest descriptor of such a socket: lower ones are the
// standard streams.
const firstInherited = 3

// ParseInherited parses the descriptor in "fd:N". ok is false for an address of
// another form.
func ParseInherited(address string) (fd int, ok bool, err error) {
	if len(address) < len(inheritedPrefix) || address[:len(inheritedPrefix)] != inheritedPrefix {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(address[len(inheritedPrefix):], 10, 31)
	if err != nil || n < firstInherited {
		return 0, true, fmt.Errorf("%q: want fd:N, a descriptor of %d or more", address, firstInherited)
	}
	return int(n), true, nil
}

// inherit makes a Listener from a listening socket that another process has
// opened. That process has chosen the backlog, and removes the file of a unix
// socket. On an error the descriptor stays open.
func inherit(fd int, opts SocketOptions) (*Listener, error) {
	for _, want := range []struct {
		option, value int
		reason        string
	}{
		{unix.SO_TYPE, unix.SOCK_STREAM, "a socket, but not one of streams (TCP, or unix)"},
		{unix.SO_ACCEPTCONN, 1, "a socket, but it does not listen"},
	} {
		got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, want.option)
		if errors.Is(err, unix.EBADF) {
			return nil, errors.New("the process was not started with that descriptor")
		} else if err != nil {
			return nil, fmt.Errorf("not a socket: %w", err)
		}
		if got != want.value {
			return nil, errors.New(want.reason)
		}
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return nil, opError("getsockname", err)
	}
	ln := &Listener{fd: fd, addr: formatAddr(bound), rate: opts.AcceptRate}
	if ln.addr == "" {
		return nil, fmt.Errorf("a socket of a family (%T) that is neither IP nor unix", bound)
	}
	_, isUnix := bound.(*unix.SockaddrUnix)
	for _, v := range opts.options(!isUnix) {
		err := sysSetsockopt(fd, v.level, v.name, v.value)
		// Not every protocol has all options.
		if err != nil && !errors.Is(err, unix.ENOPROTOOPT) && !errors.Is(err, unix.EOPNOTSUPP) {
			return nil, opError("setsockopt", err)
		}
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil { // applies to all processes that have the socket
		return nil, opError("fcntl", err)
	}
	return ln, nil
}
