package reactor

import "golang.org/x/sys/unix"

// In a rush clients connect faster than the loop serves them, for instance when all reconnect
// after a restart. They wait in the queue of the listening socket, so that the loop's other
// connections are served in between. But that queue is bounded. When it is full, the kernel
// drops the handshakes of TCP, which clients repeat after 1, 3 and 7 seconds, and refuses
// connections to a unix socket. To accept a connection takes much less time than to serve its
// request. So when the queue is half full, the loop accepts connections without reading them.
// Then they wait in the list of epoll, which is not bounded.

// expected returns how many connections to accept for one event. Mostly it is one: no more
// have come, and the call that finds none would be wasted. In a rush it is twice as many as
// for the last event. A rush is when epoll reports the listener again as soon as it can: in
// the same turn (catchUp), in the next one, or after the events that were queued before it.
func (a *accepting) expected(ln *listener) int {
	if ln.turn >= a.whole {
		ln.most = min(max(2*ln.most, 1), acceptBudget)
	} else {
		ln.most = 1
	}
	ln.turn = a.loop.stats.turns.Load()
	return ln.most
}

// relieveBudget bounds the connections that a turn accepts from a listener without reading
// them.
const relieveBudget = 1024

// relieve accepts the connections of listeners whose queues are more than half full. In a rush
// it looks at a listener in each turn, and at all listeners when the kernel has more events
// than one call returns: epoll reports a listener only after the events that were there before.
func (a *accepting) relieve(all bool) {
	if !a.many && !all || a.loop.holding {
		return
	}
	a.many = false
	for n := range a.listeners {
		ln := &a.listeners[n]
		if ln.fd < 0 || ln.resting || !ln.many && !all {
			continue
		}
		waiting, limit, known := sysAcceptQueue(int32(ln.fd))
		if !known && (all || ln.most == acceptBudget) {
			waiting, limit = relieveBudget, relieveBudget // it may be full
		}
		ln.many = ln.many && waiting > 0
		if 2*waiting > limit {
			a.acceptSome(n, min(waiting, relieveBudget), false)
		}
		a.many = a.many || a.listeners[n].many // Opened may have added listeners
	}
}

// sysAcceptQueue returns how many connections wait in the queue of a listening socket, and the
// bound of the queue. The kernel does not tell it of a unix socket.
func sysAcceptQueue(fd int32) (waiting, limit int, known bool) {
	var info unix.TCPInfo
	if !sysTCPInfo(fd, &info) {
		return 0, 0, false
	}
	return int(info.Unacked), int(info.Sacked), true
}
