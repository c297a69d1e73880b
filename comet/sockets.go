package comet

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/reactor"
)

// A server that takes another one's place first takes its listening sockets, so that they
// are never closed: a client that comes while the first server ends waits in the kernel, and
// the second server serves it. The first server gives the sockets away (Sockets), is told so
// (HandOver) and is ended (Drain). The second gets them in Config.Sockets.

// Sockets are the listening sockets of one address.
type Sockets struct {
	Side    string // "front", "admin" or "ccomet"
	Address string // as in the side's list in Config
	FDs     []int  `json:"-"`
}

// sideLists returns the addresses of each side.
func (c *Config) sideLists() [conn.NumSides]struct {
	name      string
	addresses []string
} {
	return [conn.NumSides]struct {
		name      string
		addresses []string
	}{{"front", c.Front}, {"admin", c.Admin}, {"ccomet", c.CComet}}
}

// Sockets duplicates the sockets on which the server listens. The caller owns them, and must
// close them before Drain if no other process has them by then: a client that waits there
// would never be served. Call it before Start.
func (srv *Server) Sockets() (list []Sockets, err error) {
	n := 0
	for _, side := range srv.cfg.sideLists() {
		for _, address := range side.addresses {
			fds, err := srv.group.Sockets(n)
			if err != nil {
				CloseSockets(list)
				return nil, fmt.Errorf("comet: %w", err)
			}
			list = append(list, Sockets{side.name, address, fds})
			n++
		}
	}
	return list, nil
}

// Addresses returns the addresses on which the server listens, as Sockets without
// descriptors. Any goroutine may call it.
func (srv *Server) Addresses() (list []Sockets) {
	for _, side := range srv.cfg.sideLists() {
		for _, address := range side.addresses {
			list = append(list, Sockets{Side: side.name, Address: address})
		}
	}
	return list
}

// CloseSockets closes all sockets in a list.
func CloseSockets(list []Sockets) {
	for _, s := range list {
		for _, fd := range s.FDs {
			unix.Close(fd)
		}
	}
}

// HandOver tells the server whether another process also has the listening sockets. If so,
// Drain leaves waiting clients and the files of unix sockets to that process. Any goroutine
// may call it.
func (srv *Server) HandOver(over bool) { srv.handedOver.Store(over) }

// stopListening stops accepting. With finish, it first accepts the connections that the
// kernel has already established, unless another process can.
func (s *shard) stopListening(finish bool) {
	switch {
	case s.srv.handedOver.Load():
		s.loop.LeaveListeners()
	case finish:
		s.loop.FinishListeners()
	default:
		s.loop.CloseListeners()
	}
}

// listen opens all addresses, or takes the given sockets for them.
func (srv *Server) listen() error {
	opts := reactor.SocketOptions{
		KeepAlive: keepAlive, Unsent: unsent, AcceptRate: float64(srv.cfg.AcceptRate),
	}
	given := slices.Clone(srv.cfg.Sockets)
	lists := [conn.NumSides]*[]string{&srv.front, &srv.admin, &srv.ccomet}
	for side, l := range srv.cfg.sideLists() {
		for _, address := range l.addresses {
			var bound string
			var err error
			i := slices.IndexFunc(given, func(s Sockets) bool { return s.Side == l.name && s.Address == address && len(s.FDs) > 0 })
			if i < 0 {
				bound, err = srv.group.Listen(address, uint8(side), opts)
			} else {
				fds := given[i].FDs
				given = slices.Delete(given, i, i+1)
				bound, err = srv.group.Inherit(address, fds, uint8(side), opts)
			}
			if err != nil {
				CloseSockets(given)
				return fmt.Errorf("comet: %s: %w", l.name, err)
			}
			*lists[side] = append(*lists[side], bound)
		}
	}
	for _, s := range given { // no longer an address, but the kernel may have connected clients there
		if side := slices.Index(conn.SideNames[:], s.Side); side >= 0 && len(s.FDs) > 0 {
			if err := srv.group.Retire(s.Address, s.FDs, uint8(side), opts); err != nil {
				srv.cfg.Log.Warn().Err(err).Msg("clients that wait at an address that is gone are not served")
			}
		}
	}
	return nil
}

// overlap says whether an address is in use because the server that hands over listens there itself, in
// another way: on another side, or at all addresses of the machine instead of one.
func overlap(address string, err error, given []Sockets) string {
	if !errors.Is(err, unix.EADDRINUSE) {
		return ""
	}
	host, port := splitAddress(address)
	for _, s := range given {
		if h, p := splitAddress(s.Address); p == port && (h == host || isWildcard(h) || isWildcard(host)) {
			return fmt.Sprintf(" by the running server itself, which listens on %q (%s): restart the server to change that", s.Address, s.Side)
		}
	}
	return ""
}

// splitAddress divides an address at its last colon.
func splitAddress(address string) (host, port string) {
	i := strings.LastIndexByte(address, ':')
	return address[:max(i, 0)], address[i+1:]
}

func isWildcard(host string) bool { return host == "" || host == "0.0.0.0" || host == "[::]" }

// tryAddresses checks that the new addresses can be opened.
func (srv *Server) tryAddresses() error {
	given := srv.cfg.Sockets
	for _, l := range srv.cfg.sideLists() {
		for _, address := range l.addresses {
			if slices.ContainsFunc(given, func(s Sockets) bool { return s.Side == l.name && s.Address == address }) {
				continue
			}
			ln, err := reactor.Listen(address, reactor.SocketOptions{Exclusive: true})
			if err != nil {
				return fmt.Errorf("comet: %s: %w%s", l.name, err, overlap(address, err, given))
			}
			ln.Close()
		}
	}
	return nil
}
