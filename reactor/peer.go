package reactor

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peer returns the remote address of c, from the kernel. A peer on a unix socket
// has the zero AddrPort; one that came by IPv4 to a socket of both families has
// its IPv4 address. The error is ErrClosed if c is gone, else the kernel's:
// ENOTCONN if the peer has reset the connection. It does not allocate.
func (l *Loop) Peer(c Conn) (netip.AddrPort, error) {
	r := l.record(c)
	if r == nil || r.fd < 0 {
		return netip.AddrPort{}, ErrClosed
	}
	var sa unix.RawSockaddrAny
	if errno := sysPeer(r.fd, &sa); errno != 0 {
		return netip.AddrPort{}, errno
	}
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), networkPort(&in.Port)), nil
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&sa))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), networkPort(&in.Port)), nil
	case unix.AF_UNIX:
		return netip.AddrPort{}, nil
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT
}

// networkPort reads a port in network byte order.
func networkPort(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}
