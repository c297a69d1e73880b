package settings

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"ccomet/reactor"
)

// CheckAddress returns an error if an address cannot be listened on.
func CheckAddress(address string) error {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path == "" || len(path) >= len(unix.RawSockaddrUnix{}.Path) {
			return fmt.Errorf("%q: want a path of 1 to %d bytes", address, len(unix.RawSockaddrUnix{}.Path)-1)
		}
		return nil
	}
	if _, ok, err := reactor.ParseInherited(address); ok {
		return err
	}
	_, err := ParseTCP(address)
	return err
}

// ParseTCP parses HOST:PORT. An empty host means all addresses, of IPv6 and IPv4.
func ParseTCP(address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
	case host == "":
		host = "::"
	case host == "localhost":
		host = "127.0.0.1"
	}
	ap, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return ap, fmt.Errorf("%q: want HOST:PORT with a numeric host, :PORT, unix:/PATH or fd:N", address)
	}
	return ap, nil
}
