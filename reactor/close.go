package reactor

import "golang.org/x/sys/unix"

// Close closes c when the turn ends; Handler.Closed follows with a nil error.
// What is held is dropped.
func (l *Loop) Close(c Conn) {
	if r := l.open(c); r != nil {
		l.doom(c.Index(), r)
	}
}

// ResetOnClose has c end, when it is closed, with a RST in place of a FIN: the
// peer sees a failure, and not that all has been said. What is still on its way
// to the peer is lost. It is not too late for it in Handler.Closed. Other than
// TCP sockets have no such end.
func (l *Loop) ResetOnClose(c Conn) {
	if r := l.record(c); r != nil && r.fd >= 0 {
		_ = sysResetOnClose(r.fd) // at worst a FIN
	}
}

// Finish closes c politely: what is held is written first (for at most
// WriteTime), then the sending side is shut down, and for at most
// Config.Linger whatever the peer still sends is thrown away, for closing a
// socket with unread input would destroy output under way. Of the handler only
// Closed is called again; its error tells when what was held could not be
// written.
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

// Detach takes c out of the loop without closing it, for handing it to another
// loop or process: the descriptor is the caller's, with the input that was
// read and not consumed (but inside Received, where the caller has it already).
// Closed is not called. Held output, or a Dial under way, makes it fail.
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

// linger shuts the sending side down and waits for the peer to do the same.
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

// fail closes c with an error for Closed to tell.
func (l *Loop) fail(c Conn, r *record, err error) {
	l.borrow(r).err = err
	l.doom(c.Index(), r)
}

// doom puts a connection on the list of those that the turn's end reaps. Its input is
// dropped at once: others may have been waiting for that room.
func (l *Loop) doom(i uint32, r *record) {
	l.wheel.Cancel(i)
	if r.held != 0 && l.held[r.held].in != nil {
		l.buffers.put(l.takeInput(&l.held[r.held]))
	}
	r.flags = r.flags&^flagReady | flagClosing
	l.doomed = append(l.doomed, i)
}

// reap closes what the turn has doomed, and says whether there was anything.
// why is what Closed hears where no error is known.
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
		if r.fd >= 0 {
			sysClose(r.fd)
		}
		l.freeRecord(i, r)
	}
	l.doomed = trim(l.doomed)
	return true
}

// freeRecord frees the record: from here on its Conn names nothing.
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
