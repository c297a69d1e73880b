package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet"
)

// A server with a pid file passes its listening sockets to the server that replaces
// it (-s restart):
//
//  1. The new server connects to a socket whose name is derived from the pid file.
//     It gets one message for each address, with the file descriptors, and then an
//     empty message.
//  2. It stops the old server by SIGTERM, and keeps the connection open. While that
//     is open, the old server accepts no new connections.
//  3. When the old server has ended, the new one serves. So the addresses are
//     always listened on, and clients that connect meanwhile wait in the kernel.

// Giver passes on the sockets of a running server.
type Giver struct {
	srv     *comet.Server
	sockets []comet.Sockets
	ln      *net.UnixListener

	mu     sync.Mutex
	takers int // connected processes
}

// givingTimeout is the time limit for passing the sockets.
const givingTimeout = 2 * time.Second

// GiveSockets starts a Giver. It must be called before the server starts.
func GiveSockets(srv *comet.Server, pidfile *PIDFile) (*Giver, error) {
	address, err := givingAddress(pidfile.name)
	if err != nil {
		return nil, err
	}
	g := &Giver{srv: srv}
	if g.ln, err = net.ListenUnix("unixpacket", address); err != nil {
		return nil, err
	}
	if g.sockets, err = srv.Sockets(); err != nil {
		g.ln.Close()
		return nil, err
	}
	go g.run()
	return g, nil
}

// givingAddress returns the address of the Giver for a pid file. It is an abstract
// unix socket, which has no file and is visible in one network namespace, like the
// listening sockets.
func givingAddress(pidfile string) (*net.UnixAddr, error) {
	info, err := os.Stat(pidfile)
	if err != nil {
		return nil, err
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, errors.New("a file without a number")
	}
	return &net.UnixAddr{Name: fmt.Sprintf("@ccomet-listeners-%d-%d", file.Dev, file.Ino), Net: "unixpacket"}, nil
}

func (g *Giver) run() {
	for {
		conn, err := g.ln.AcceptUnix()
		if err != nil {
			return // the listener is closed
		}
		go g.give(conn)
	}
}

// give serves one process, which must belong to the same user or to root.
func (g *Giver) give(conn *net.UnixConn) {
	defer conn.Close()
	if peer, err := peerOf(conn); err != nil || peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return
	}
	g.count(1)
	defer g.count(-1)
	if g.send(conn) != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	_, _ = conn.Read(make([]byte, 1)) // until the other process closes it
}

func (g *Giver) send(conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(givingTimeout)); err != nil {
		return err
	}
	g.mu.Lock() // End closes the sockets
	defer g.mu.Unlock()
	for _, s := range append(slices.Clone(g.sockets), comet.Sockets{}) {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		if _, _, err := conn.WriteMsgUnix(text, unix.UnixRights(s.FDs...), nil); err != nil {
			return err
		}
	}
	return nil
}

func (g *Giver) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.takers += n
	g.srv.HandOver(g.takers > 0)
}

// End stops passing sockets, because the server is about to stop.
func (g *Giver) End() {
	if g == nil {
		return
	}
	g.ln.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	comet.CloseSockets(g.sockets)
	g.sockets = nil
}

// peerOf returns the credentials of the process at the other end of a connection.
func peerOf(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var peerErr error
	if err := raw.Control(func(fd uintptr) {
		peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return peer, peerErr
}

// Taken are the sockets of the server that this process replaces.
type Taken struct {
	Sockets []comet.Sockets
	conn    *net.UnixConn // open until that server has ended
}

// TakeSockets requests the sockets of the server that has a pid file. It is no
// error if no server runs, or if the server passes no sockets because it is
// iComet's or about to stop.
func TakeSockets(pidfile, config string) (Taken, error) {
	pid, _, err := ServesFor(pidfile, config)
	if pid == 0 || err != nil {
		return Taken{}, nil // StopServer reports the error
	}
	address, err := givingAddress(pidfile)
	if err != nil {
		return Taken{}, err
	}
	conn, err := net.DialUnix("unixpacket", nil, address)
	if errors.Is(err, unix.ECONNREFUSED) {
		return Taken{}, nil
	} else if err != nil {
		return Taken{}, err
	}
	t := Taken{conn: conn}
	peer, err := peerOf(conn)
	if err == nil && int(peer.Pid) != pid {
		err = fmt.Errorf("process %d answers instead of %d", peer.Pid, pid)
	}
	if err == nil {
		err = t.receive()
	}
	if err != nil {
		t.Close()
		comet.CloseSockets(t.Sockets)
		return Taken{}, err
	}
	return t, nil
}

func (t *Taken) receive() error {
	if err := t.conn.SetDeadline(time.Now().Add(givingTimeout)); err != nil {
		return err
	}
	text, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*comet.MaxLoops))
	for {
		n, m, flags, _, err := t.conn.ReadMsgUnix(text, rights)
		if err != nil {
			return err
		}
		var s comet.Sockets
		messages, err := unix.ParseSocketControlMessage(rights[:m])
		for i := range messages {
			fds, rightsErr := unix.ParseUnixRights(&messages[i])
			s.FDs, err = append(s.FDs, fds...), errors.Join(err, rightsErr)
		}
		t.Sockets = append(t.Sockets, s)
		its := &t.Sockets[len(t.Sockets)-1]
		if err = errors.Join(err, json.Unmarshal(text[:n], its)); err != nil {
			return err
		}
		for _, fd := range its.FDs {
			unix.CloseOnExec(fd)
		}
		switch {
		case flags&unix.MSG_CTRUNC != 0:
			return errors.New("the limit on open files is too low for all sockets")
		case its.Side == "":
			return nil
		}
	}
}

// Close ends the transfer: the other server may accept connections again.
func (t *Taken) Close() {
	if t.conn != nil {
		t.conn.Close()
	}
}
