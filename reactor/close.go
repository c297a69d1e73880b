package reactor

import "golang.org/x/sys/unix"

// Close closes c at the end of the turn and drops its held output. If there was any, the
// peer gets a RST instead of a FIN: its response is cut, and the kernel would keep output
// that the peer does not read for minutes. Handler.Closed follows with a nil error.
func (l *Loop) Close(c Conn) {
	if r := l.open(c); r != nil {
		l.doom(c.Index(), r)
	}
}

// ResetOnClose makes closing c send a RST instead of a FIN: the peer sees a failure,
// not a regular end. Data that is still on its way to the peer is lost. It may be
// called as late as in Handler.Closed. It has no effect on sockets other than TCP.
func (l *Loop) ResetOnClose(c Conn) {
	if r := l.record(c); r != nil && r.fd >= 0 {
		_ = sysResetOnClose(r.fd) // if it fails, the peer gets a FIN
	}
}

// Finish closes c gracefully. It first writes the held output, for at most WriteTime.
// Then it shuts down the sending side, and for at most Config.Linger discards what
// the peer still sends: closing a socket with unread input would destroy output on
// its way. Of the handler only Closed is called from now on. Its error reports that
// the held output could not be written.
func (l *Loop) Finish(c Conn) {
	r := l.usable(c)
	if r == nil {
		return
	}
	if r.flags&flagBlocked != 0 {
		r.flags |= flagFinishing | flagPaused
		l.wheel.Cancel(c.Index())
		l.wheel.Schedule(c.Index(), l.ticksAhead(l.WriteTime(c)))
		return
	}
	l.linger(c.Index(), r)
}

// Detach removes c from the loop without closing it, to hand it to another loop or
// process. It returns the descriptor, which the caller then owns, and the input that
// was read and not consumed (inside Received the caller has that already). Closed is
// not called. Detach fails while output is held or a Dial is under way.
func (l *Loop) Detach(c Conn) (fd int, unread []byte, err error) {
	r := l.usable(c)
	if r == nil || r.fd < 0 {
		return -1, nil, ErrClosed
	}
	if r.flags&(flagBlocked|flagConnecting) != 0 {
		return -1, nil, opError("detach", unix.EBUSY)
	}
	if r.held != 0 && l.held[r.held].in != nil {
		unread = append(unread, l.held[r.held].in.B...)
	}
	fd = int(r.fd)
	if err := l.poller.remove(r.fd); err != nil {
		return -1, nil, err
	}
	l.freeRecord(c.Index(), r)
	return fd, unread, nil
}

// linger shuts down the sending side and waits for the peer to do the same.
func (l *Loop) linger(i uint32, r *record) {
	l.wheel.Cancel(i)
	if r.fd < 0 || r.flags&flagConnecting != 0 || r.flags&(flagEnded|flagReadable) == flagEnded {
		l.doom(i, r)
		return
	}
	r.flags = r.flags&^flagFinishing | flagLingering | flagPaused
	if err := sysShutdown(r.fd); err != nil {
		l.doom(i, r)
		return
	}
	if r.held != 0 {
		l.giveBack(r)
	}
	l.wheel.Schedule(i, l.ticksAhead(l.cfg.Linger))
	if r.flags&flagReadable != 0 {
		l.ready(i, r)
	}
}

// fail closes c with an error, which Closed gets.
func (l *Loop) fail(c Conn, r *record, err error) {
	l.borrow(r).err = err
	l.doom(c.Index(), r)
}

// doom queues a connection to be closed at the end of the turn. Its input is dropped
// at once: other connections may wait for that memory.
func (l *Loop) doom(i uint32, r *record) {
	l.wheel.Cancel(i)
	if r.held != 0 && l.held[r.held].in != nil {
		l.buffers.put(l.takeInput(&l.held[r.held]))
	}
	r.flags = r.flags&^flagReady | flagClosing
	l.doomed = append(l.doomed, i)
}

// reap closes the connections that were doomed in this turn, and reports whether
// there were any. Closed gets why for those that have no error of their own.
func (l *Loop) reap(why error) bool {
	if len(l.doomed) == 0 {
		return false
	}
	for n := 0; n < len(l.doomed); n++ { // Closed may doom more
		i := l.doomed[n]
		r := l.conns.At(i)
		err := why
		if r.held != 0 && l.held[r.held].err != nil {
			err = l.held[r.held].err
		}
		l.handler.Closed(makeConn(i, r.gen), err)
		if r.flags&flagBlocked != 0 {
			l.ResetOnClose(makeConn(i, r.gen))
		}
		if r.fd >= 0 {
			sysClose(r.fd)
		}
		l.freeRecord(i, r)
	}
	l.doomed = trim(l.doomed)
	return true
}

// freeRecord frees the record. Its Conn is invalid from now on.
func (l *Loop) freeRecord(i uint32, r *record) {
	if r.held != 0 {
		l.giveBack(r)
	}
	l.unblock(r)
	l.wheel.Cancel(i)
	if r.fd >= 0 {
		l.stats.open.Add(-1)
	}
	r.gen++
	r.flags = 0
	l.conns.Free(i)
}
