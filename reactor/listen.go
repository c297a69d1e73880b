package reactor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SocketOptions are set on a listening socket, from which its connections inherit
// them without a further system call, or on a dialled socket. A zero field leaves the
// kernel's default.
type SocketOptions struct {
	// Backlog is the length of the queue of connections that are not yet accepted.
	// Default and upper bound: the kernel's somaxconn.
	Backlog int
	// Delay leaves Nagle's algorithm on. Otherwise TCP_NODELAY is set.
	Delay bool
	// KeepAlive is the idle time before the kernel probes the peer. It drops a connection
	// whose peer does not answer three probes, a quarter of that time apart (TCP_KEEPIDLE,
	// TCP_KEEPINTVL and TCP_KEEPCNT, in whole seconds).
	KeepAlive time.Duration
	// Exclusive makes Listen fail if a socket already listens at the address. Sockets
	// that are opened later may share the address.
	Exclusive bool
	// AcceptRate bounds the connections that are accepted per second, with bursts of
	// a quarter of that; the rest wait in the backlog. A Group divides it among its
	// loops. 0: no bound.
	AcceptRate float64
	// Unsent bounds the bytes that the kernel buffers and has not sent yet
	// (TCP_NOTSENT_LOWAT). Without it, the kernel buffers megabytes for a peer that
	// does not read.
	Unsent int
	// SendBuffer and ReceiveBuffer set SO_SNDBUF and SO_RCVBUF, in bytes.
	SendBuffer, ReceiveBuffer int
}

// option is an option for setsockopt.
type option struct{ level, name, value int }

func (o *SocketOptions) apply(fd int, tcp bool) error {
	for _, v := range o.options(tcp) {
		if err := sysSetsockopt(fd, v.level, v.name, v.value); err != nil {
			return opError("setsockopt", err)
		}
	}
	return nil
}

// options returns the options that are not left at the kernel's default.
func (o *SocketOptions) options(tcp bool) (list []option) {
	set := func(level, name, value int) {
		if value > 0 {
			list = append(list, option{level, name, value})
		}
	}
	set(unix.SOL_SOCKET, unix.SO_SNDBUF, o.SendBuffer)
	set(unix.SOL_SOCKET, unix.SO_RCVBUF, o.ReceiveBuffer)
	if tcp {
		if !o.Delay {
			set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
		set(unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, o.Unsent)
		if seconds := int(o.KeepAlive / time.Second); seconds > 0 {
			set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
			set(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds)
			set(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(seconds/4, 1))
			set(unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3)
		}
	}
	return list
}

// Listener is a listening socket that no loop has yet (AddListener).
type Listener struct {
	fd     int
	unix   string // path of the unix socket to remove at Close; empty: none
	addr   string
	shared bool // with other loops
	rate   float64
}

// Listen opens a listening socket. address has one of these forms:
//
//   - "host:port" with a numeric IPv4 host, a bracketed IPv6 host, or localhost
//     (127.0.0.1). An empty host means all IPv6 and IPv4 addresses, port 0 any free
//     port.
//   - "unix:/path". The file of a dead socket is replaced.
//   - "fd:3", a listening socket that the process has inherited. The Listener owns it
//     from now on.
//
// TCP sockets get SO_REUSEPORT: open one for each loop, at the address that Addr of
// the first returns, and the kernel distributes the connections over them. Unix and
// inherited sockets are shared by Dup instead.
func Listen(address string, opts SocketOptions) (*Listener, error) {
	if fd, ok, err := ParseInherited(address); ok {
		var ln *Listener
		if err == nil {
			ln, err = inherit(fd, opts)
		}
		if err != nil {
			return nil, fmt.Errorf("reactor: listen on %q: %w", address, err)
		}
		return ln, nil
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(path, opts)
	}
	ln, err := listenTCP(address, opts)
	if errors.Is(err, unix.EAFNOSUPPORT) && strings.HasPrefix(address, ":") {
		ln, err = listenTCP("0.0.0.0"+address, opts) // the kernel has no IPv6
	}
	if err != nil {
		return nil, fmt.Errorf("reactor: listen on %q: %w", address, err)
	}
	return ln, nil
}

func listenTCP(address string, opts SocketOptions) (*Listener, error) {
	sa, family, err := resolve(address)
	if err != nil {
		return nil, err
	}
	fd, err := sysSocket(family)
	if err != nil {
		return nil, err
	}
	ln := &Listener{fd: fd, rate: opts.AcceptRate}
	if err = ln.open(sa, family, address, opts); err != nil {
		sysClose(int32(fd))
		return nil, err
	}
	return ln, nil
}

func (ln *Listener) open(sa unix.Sockaddr, family int, address string, opts SocketOptions) error {
	on := func(option int) error { return sysSetsockopt(ln.fd, unix.SOL_SOCKET, option, 1) }
	if err := on(unix.SO_REUSEADDR); err != nil {
		return err
	}
	if !opts.Exclusive {
		if err := on(unix.SO_REUSEPORT); err != nil {
			return err
		}
	}
	if family == unix.AF_INET6 {
		only := 1
		if strings.HasPrefix(address, ":") {
			only = 0
		}
		if err := sysSetsockopt(ln.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return err
		}
	}
	if err := opts.apply(ln.fd, true); err != nil {
		return err
	}
	if err := sysBind(ln.fd, sa); err != nil {
		return err
	}
	if opts.Exclusive { // it was bound alone; from now on others may share the address
		if err := on(unix.SO_REUSEPORT); err != nil {
			return err
		}
	}
	if err := sysListen(ln.fd, opts.backlog()); err != nil {
		return err
	}
	bound, err := sysGetsockname(ln.fd)
	ln.addr = formatAddr(bound)
	return err
}

func (o *SocketOptions) backlog() int {
	if o.Backlog > 0 {
		return o.Backlog
	}
	return 1<<31 - 1 // the kernel bounds it by somaxconn
}

func listenUnix(path string, opts SocketOptions) (*Listener, error) {
	fail := func(err error) (*Listener, error) {
		return nil, fmt.Errorf("reactor: listen on unix socket %q: %w", path, err)
	}
	fd, err := sysSocket(unix.AF_UNIX)
	if err != nil {
		return fail(err)
	}
	sa := &unix.SockaddrUnix{Name: path}
	err = sysBind(fd, sa)
	if err == unix.EADDRINUSE && deadSocket(sa) {
		_ = os.Remove(path)
		err = sysBind(fd, sa)
	}
	if err != nil {
		sysClose(int32(fd))
		return fail(err)
	}
	ln := &Listener{fd: fd, unix: path, addr: "unix:" + path, rate: opts.AcceptRate}
	if err = opts.apply(fd, false); err == nil {
		err = sysListen(fd, opts.backlog())
	}
	if err != nil {
		ln.Close()
		return fail(err)
	}
	return ln, nil
}

// deadSocket reports whether a file is a socket on which no process listens.
func deadSocket(sa *unix.SockaddrUnix) bool {
	info, err := os.Lstat(sa.Name)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	// It does not block: the backlog of a socket that is alive may be full.
	fd, err := sysSocket(unix.AF_UNIX)
	if err != nil {
		return false
	}
	defer sysClose(int32(fd))
	return sysConnect(fd, sa) == unix.ECONNREFUSED
}

// Addr returns the address where it listens, in the form that Listen takes, also for
// an inherited socket.
func (ln *Listener) Addr() string { return ln.addr }

// Dup returns a Listener with the same socket, for another loop.
func (ln *Listener) Dup() (*Listener, error) {
	fd, err := sysDup(ln.fd)
	if err != nil {
		return nil, opError("dup", err)
	}
	ln.shared = true
	return &Listener{fd: fd, addr: ln.addr, shared: true, rate: ln.rate}, nil
}

// Close closes a listener that no loop has, and removes the file of its unix socket.
func (ln *Listener) Close() {
	sysClose(int32(ln.fd))
	if ln.unix != "" {
		_ = os.Remove(ln.unix)
	}
}

// resolve parses "host:port" with a numeric host or localhost.
func resolve(address string) (unix.Sockaddr, int, error) {
	if strings.HasPrefix(address, ":") {
		address = "[::]" + address
	}
	if host, port, err := net.SplitHostPort(address); err == nil && host == "localhost" {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, 0, fmt.Errorf("want a numeric host and a port: %w", err)
	}
	if ap.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}, unix.AF_INET, nil
	}
	sa := &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}
	if zone := ap.Addr().Zone(); zone != "" {
		dev, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, 0, err
		}
		sa.ZoneId = uint32(dev.Index)
	}
	return sa, unix.AF_INET6, nil
}

func formatAddr(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrUnix:
		return "unix:" + sa.Name
	}
	return ""
}
