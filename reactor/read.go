package reactor

import (
	"github.com/valyala/bytebufferpool"
	"golang.org/x/sys/unix"
)

// How input gets from a socket to the handler:
//
//  1. An edge, or a Resume, marks the connection readable.
//  2. One read a turn fills the loop's input buffer, and the handler gets it from
//     there. Only what the handler leaves is copied, into a borrowed buffer. The next
//     read is appended to that, or goes into it directly if it has room.
//  3. A read that does not fill the buffer has emptied the socket: no second read has
//     to return EAGAIN. After one that does fill it, reading continues in the next
//     turn, so that a flood from one peer does not delay the others. If many
//     connections are to be read, the buffer is shortened (apportion), so that many
//     peers do not delay one either.
//  4. A handler that pauses leaves input that it could have consumed. If much of that
//     is kept (crowded), it is passed to the handler before more is read. Otherwise
//     all input of a peer that sends faster than it is served would be kept.
//  5. Urgent data ends a read early. If there was some, or if no further edge can
//     come, a short read does not count as the last one (shortIsAll).

const (
	inputSize  = 64 << 10 // size of the loop's input buffer
	inputLeast = 4 << 10  // a connection may always read this much of it in a turn, however many there are
	inputTurn  = 1 << 20  // all connections together should not read more in a turn
)

// apportion divides a turn's input among the n connections that may have some.
func (l *Loop) apportion(n int) {
	l.in = l.in[:min(inputSize, max(inputTurn/max(n, 1), inputLeast))]
}

// ready queues the connection to be read in the next turn.
func (l *Loop) ready(i uint32, r *record) {
	if r.flags&flagReady == 0 {
		r.flags |= flagReady
		l.readyList = append(l.readyList, i)
	}
}

// shortIsAll reports whether a read that does not fill the buffer has emptied the
// socket.
func (r *record) shortIsAll() bool { return r.flags&(flagEnded|flagUrgent) == 0 }

// takeReady takes the list of what was ready before this turn. What becomes ready in
// this turn waits for the next one.
func (l *Loop) takeReady() []uint32 {
	list := l.readyList
	l.readyList, l.readySpare = l.readySpare, nil
	return list
}

func (l *Loop) readReady(list []uint32) {
	for _, i := range list {
		r := l.conns.At(i)
		if r.flags&flagReady == 0 {
			continue // closed meanwhile
		}
		r.flags &^= flagReady
		l.read(makeConn(i, r.gen), r)
	}
	l.readySpare = trim(list)
}

func (l *Loop) read(c Conn, r *record) {
	for l.readOnce(c, r) {
	}
}

// readOnce reads once, and reports whether to call it again in this turn.
func (l *Loop) readOnce(c Conn, r *record) bool {
	switch {
	case r.flags&flagLingering != 0:
		l.discard(c, r)
		return false
	case r.flags&flagPaused != 0:
		l.tellEnd(c, r)
		return false
	}
	if l.crowded(r) && (!l.show(c, r, nil) || r.flags&flagPaused != 0) {
		return false
	}
	n, in := 0, l.in
	if r.flags&flagReadable != 0 {
		var errno unix.Errno
		if room := l.roomOf(r); len(room) >= len(in) {
			in = room[:len(in)]
		}
		n, errno = sysRead(r.fd, in)
		l.tally.BytesRead += uint64(max(n, 0))
		switch {
		case errno == unix.EAGAIN:
			r.flags &^= flagReadable | flagUrgent
			n = 0
		case errno != 0:
			l.fail(c, r, errno)
			return false
		case n == 0:
			r.flags = r.flags&^flagReadable | flagEnded
		case n < len(in) && r.shortIsAll():
			r.flags &^= flagReadable
		}
	}
	if !l.show(c, r, in[:n]) {
		return false
	}
	if r.flags&flagReadable == 0 {
		l.tellEnd(c, r)
		return false
	}
	if n < len(in) && r.flags&flagEnded != 0 {
		return true // nothing can follow, so this ends soon
	}
	l.ready(c.Index(), r)
	return false
}

// crowded reports whether another read might exceed MaxInput.
func (l *Loop) crowded(r *record) bool {
	if r.held == 0 {
		return false
	}
	kept := l.held[r.held].in
	return kept != nil && len(kept.B) > l.cfg.MaxInput-len(l.in)
}

// tellEnd calls Handler.Ended once if the peer has ended.
func (l *Loop) tellEnd(c Conn, r *record) {
	if r.flags&(flagEnded|flagTold|flagFinishing) == flagEnded {
		r.flags |= flagTold
		l.handler.Ended(c)
	}
}

// roomOf returns the free space behind the kept input of a connection.
func (l *Loop) roomOf(r *record) []byte {
	if r.held == 0 || l.held[r.held].in == nil {
		return nil
	}
	kept := l.held[r.held].in.B
	return kept[len(kept):cap(kept)]
}

// show passes the kept input with p behind it to the handler, and keeps what the
// handler leaves. It reports whether the connection is still open. p may already lie
// in the kept buffer (roomOf).
func (l *Loop) show(c Conn, r *record, p []byte) bool {
	// While the handler has the kept buffer, the record does not have it. So its
	// bytes stay valid, whatever happens to the connection meanwhile.
	var kept *bytebufferpool.ByteBuffer
	if r.held != 0 {
		h := &l.held[r.held]
		kept = l.takeInput(h)
		if h.out == nil && h.err == nil && kept != nil {
			l.giveBack(r)
		}
	}
	if kept != nil {
		if room := kept.B[len(kept.B):cap(kept.B)]; len(p) > 0 && len(room) > 0 && &room[0] == &p[0] {
			kept.B = kept.B[:len(kept.B)+len(p)]
		} else {
			kept = l.buffers.more(kept, len(p))
			kept.B = append(kept.B, p...)
		}
		p = kept.B
	}
	if len(p) == 0 {
		if kept != nil {
			l.buffers.put(kept)
		}
		return true
	}
	used := l.handler.Received(c, p)
	rest := p[used:]
	alive := l.Alive(c)
	if len(rest) == 0 || !alive {
		if kept != nil {
			l.buffers.put(kept)
		}
		return alive
	}
	if kept == nil {
		kept = l.buffers.Get()
		kept.B = kept.B[:0]
		kept = l.buffers.more(kept, len(rest))
		kept.B = append(kept.B, rest...)
	} else {
		kept.B = kept.B[:copy(kept.B, rest)]
	}
	l.keepInput(l.borrow(r), kept)
	if len(kept.B) > l.cfg.MaxInput {
		l.fail(c, r, ErrInputFull)
		return false
	}
	return true
}

// discard reads and drops input until the peer closes.
func (l *Loop) discard(c Conn, r *record) {
	n, errno := sysRead(r.fd, l.in)
	for errno == 0 && n > 0 && n < len(l.in) && r.flags&flagEnded != 0 {
		n, errno = sysRead(r.fd, l.in)
	}
	switch {
	case errno == unix.EAGAIN && r.flags&flagEnded == 0:
		r.flags &^= flagReadable | flagUrgent
		return
	case errno == 0 && n > 0 && n < len(l.in) && r.shortIsAll():
		r.flags &^= flagReadable
		return
	case errno == 0 && n > 0:
		l.ready(c.Index(), r)
		return
	}
	l.doom(c.Index(), r)
}

// broken closes a connection that the kernel has given up. Input that came before is
// passed to the handler first; no more can follow.
func (l *Loop) broken(c Conn, r *record, err error) {
	for r.flags&(flagPaused|flagConnecting) == 0 {
		n, errno := sysRead(r.fd, l.in)
		l.tally.BytesRead += uint64(max(n, 0))
		if errno != 0 && errno != unix.EAGAIN && err == nil {
			err = errno // the read has taken the error: the kernel reports it once
		}
		if errno != 0 || n == 0 {
			break
		}
		if !l.show(c, r, l.in[:n]) {
			break
		}
	}
	if l.open(c) == nil {
		return
	}
	if err == nil {
		err = sockError(r.fd)
	}
	if err == nil {
		err = unix.EPIPE
	}
	l.fail(c, r, err)
}
