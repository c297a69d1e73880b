package reactor

import "golang.org/x/sys/unix"

// TryWrite writes what the kernel accepts of p now, and returns how many bytes that was: none
// while earlier output is held. It keeps no reference to p. An error means that the
// connection is lost; Closed is called later, unless c was gone already (ErrClosed).
func (l *Loop) TryWrite(c Conn, p []byte) (int, error) {
	if l.record(c) == nil {
		return 0, ErrClosed
	}
	return l.TryWriteAt(c.Index(), p)
}

// TryWriteAt is TryWrite for a caller that stores the connection's index, and drops it when
// Closed is called. It saves a lookup in a delivery to very many connections.
func (l *Loop) TryWriteAt(index uint32, p []byte) (int, error) {
	r := l.conns.At(index)
	if r.flags&(flagLive|flagClosing|flagFinishing|flagLingering) != flagLive || r.fd < 0 {
		return 0, ErrClosed
	}
	if r.flags&(flagBlocked|flagConnecting) != 0 || len(p) == 0 {
		return 0, nil
	}
	l.writes++
	n, errno := sysWrite(r.fd, p)
	if errno == 0 {
		l.tally.BytesWritten += uint64(n)
		return n, nil
	}
	if errno == unix.EAGAIN {
		return 0, nil
	}
	l.fail(makeConn(index, r.gen), r, errno)
	return 0, errno
}

// Hold keeps the rest of a frame that TryWrite has left, from byte at on. It is written when
// the peer can take it, and then Handler.Drained is called. The bytes are not copied, and
// many connections may share them. For Config.MaxHeldAll they count once; a connection that
// would exceed that is closed with ErrHeldAll. If output is already held (ask Blocked first),
// they are copied behind it, as Write does.
func (l *Loop) Hold(c Conn, f *Frame, at int) {
	r := l.usable(c)
	switch {
	case r == nil || r.fd < 0 || at >= len(f.Bytes):
	case r.flags&flagBlocked != 0:
		_ = l.keep(c, r, f.Bytes[at:])
	default:
		h := l.borrow(r)
		l.share(h, f)
		h.out = f.Bytes[at:]
		if l.block(c, r) == nil && !f.Uncounted && l.heldBytes > l.cfg.MaxHeldAll {
			l.fail(c, r, ErrHeldAll)
		}
	}
}

// Write writes p. What the kernel does not accept is copied and written as the peer reads,
// and then Handler.Drained is called. If more than Config.MaxHeld bytes wait, the connection
// is closed with ErrHeldFull.
func (l *Loop) Write(c Conn, p []byte) error {
	n, err := l.TryWrite(c, p)
	if err != nil || n == len(p) {
		return err
	}
	return l.keep(c, l.open(c), p[n:])
}

// keep copies the rest of a write behind the held output.
func (l *Loop) keep(c Conn, r *record, rest []byte) error {
	h := l.borrow(r)
	if h.own == nil {
		own := l.buffers.Get()
		own.B = append(own.B[:0], h.out...)
		l.dropOut(h)
		h.own = own
	} else if len(h.out) < len(h.own.B) {
		h.own.B = h.own.B[:copy(h.own.B, h.out)]
	}
	l.heldBytes -= h.kept
	h.own.B = append(h.own.B, rest...)
	h.out = h.own.B
	h.kept = cap(h.own.B)
	l.heldBytes += h.kept
	if err := l.block(c, r); err != nil {
		return err
	}
	switch {
	case len(h.out) > l.cfg.MaxHeld:
		l.fail(c, r, ErrHeldFull)
		return ErrHeldFull
	case l.heldBytes > l.cfg.MaxHeldAll:
		l.fail(c, r, ErrHeldAll)
		return ErrHeldAll
	}
	return nil
}

// block marks a connection that has held output. Writing continues when the kernel reports
// that the socket is writable.
func (l *Loop) block(c Conn, r *record) error {
	if r.flags&flagBlocked != 0 {
		return nil
	}
	r.flags |= flagBlocked
	l.tally.Blocked++
	if r.flags&flagOutput != 0 {
		return nil
	}
	if err := l.poller.modify(r.fd, uint64(c), outputEvents); err != nil {
		l.fail(c, r, err)
		return err
	}
	r.flags |= flagOutput
	return nil
}

func (l *Loop) unblock(r *record) {
	if r.flags&flagBlocked != 0 {
		r.flags &^= flagBlocked
		l.tally.Blocked--
	}
}

// flush continues a short write.
func (l *Loop) flush(c Conn, r *record) {
	h := &l.held[r.held]
	l.writes++
	n, errno := sysWrite(r.fd, h.out)
	if errno == unix.EAGAIN {
		return
	}
	if errno != 0 {
		l.broken(c, r, errno)
		return
	}
	l.tally.BytesWritten += uint64(n)
	h.out = h.out[n:]
	if len(h.out) > 0 {
		return // the kernel's buffer is full again: another edge will come
	}
	l.unblock(r)
	l.dropOut(h)
	if h.in == nil {
		l.giveBack(r)
	}
	if r.flags&flagFinishing != 0 {
		l.linger(c.Index(), r)
		return
	}
	l.handler.Drained(c)
}
