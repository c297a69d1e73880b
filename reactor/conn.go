package reactor

import (
	"errors"
	"time"
	"unsafe"
)

// Conn identifies a connection of one loop. It is a plain number, which may be
// stored, copied and sent to other goroutines. It contains a generation: when its
// connection is gone it identifies nothing, and using it is harmless.
type Conn uint64

func makeConn(index, gen uint32) Conn { return Conn(gen)<<32 | Conn(index) }

// Index returns the connection's index in the loop's slab. It is reused after the
// connection is gone.
func (c Conn) Index() uint32 { return uint32(c) }

func (c Conn) gen() uint32 { return uint32(c >> 32) }

// Errors that Handler.Closed and the writing methods report, besides those of the
// kernel.
var (
	ErrClosed    = errors.New("reactor: connection closed")
	ErrStopped   = errors.New("reactor: loop closed")
	ErrInputFull = errors.New("reactor: input that is not consumed exceeds Config.MaxInput")
	ErrHeldFull  = errors.New("reactor: output that the peer does not read exceeds Config.MaxHeld")
	ErrHeldAll   = errors.New("reactor: output that peers do not read exceeds Config.MaxHeldAll")
	ErrNoRecord  = errors.New("reactor: no free record for another connection")
)

// record is all the memory of an idle connection in this package.
type record struct {
	fd    int32 // -1: a bare timer. First field, because the free list of the slab overwrites it
	gen   uint32
	timer Timer
	held  uint32 // index in borrowed.held, while input is incomplete or a write was short; 0: nothing
	user  uint32 // the handler's value (SetUser)
	flags uint16
	tag   uint8 // of the listener, or from Adopt or Dial, until SetTag
	_     uint8
}

// RecordSize is the size of a connection's record in bytes.
const RecordSize = 32

var _ [RecordSize]byte = [unsafe.Sizeof(record{})]byte{}

const (
	flagLive       uint16 = 1 << iota
	flagPaused            // Received must not be called
	flagReadable          // an edge was reported, and the socket is not read to its end yet
	flagReady             // in readyList: it is read next turn without an event
	flagBlocked           // the last write was short; the next EPOLLOUT continues it
	flagConnecting        // dialled, not yet connected
	flagEnded             // the peer will send no more
	flagTold              // Handler.Ended was called
	flagFinishing         // to be shut down after the held output is written
	flagLingering         // shut down; input is discarded until the peer closes
	flagClosing           // closed at the end of the turn
	flagUrgent            // urgent data has come: a short read need not be the last
	flagOutput            // EPOLLOUT is watched
)

func (l *Loop) record(c Conn) *record {
	if i := c.Index(); l.conns.Has(i) {
		if r := l.conns.At(i); r.gen == c.gen() && r.flags&flagLive != 0 {
			return r
		}
	}
	return nil
}

// open returns the record of c; nil if c is gone or about to be closed.
func (l *Loop) open(c Conn) *record {
	if r := l.record(c); r != nil && r.flags&flagClosing == 0 {
		return r
	}
	return nil
}

// usable returns the record of c; nil if c is gone, about to be closed, or being
// finished.
func (l *Loop) usable(c Conn) *record {
	if r := l.open(c); r != nil && r.flags&(flagFinishing|flagLingering) == 0 {
		return r
	}
	return nil
}

// The methods below may be called only on the loop's goroutine, like everything in
// this package that takes a Conn. All are harmless on a Conn whose connection is
// gone.

// ConnAt returns the connection or bare timer at an index, 0 if there is none.
func (l *Loop) ConnAt(index uint32) Conn {
	if l.conns.Has(index) {
		if r := l.conns.At(index); r.flags&flagLive != 0 && !r.rests() {
			return makeConn(index, r.gen)
		}
	}
	return 0
}

// Alive reports whether c is open: not closed, not about to be, and not being
// finished.
func (l *Loop) Alive(c Conn) bool { return l.usable(c) != nil }

// Open reports whether c is not closed yet. It is also true while c is being
// finished.
func (l *Loop) Open(c Conn) bool { return l.open(c) != nil }

// User returns the value that SetUser has stored for c; 0 at first.
func (l *Loop) User(c Conn) uint32 {
	if r := l.record(c); r != nil {
		return r.user
	}
	return 0
}

// SetUser stores a value of the handler's choice.
func (l *Loop) SetUser(c Conn, word uint32) {
	if r := l.record(c); r != nil {
		r.user = word
	}
}

// Tag returns the tag of c: from its listener, Adopt or Dial, or the last SetTag.
func (l *Loop) Tag(c Conn) uint8 {
	if r := l.record(c); r != nil {
		return r.tag
	}
	return 0
}

// SetTag stores another tag: eight bits in addition to the value of SetUser, for what the
// handler knows of the connection as a whole. It has no effect on a bare timer.
func (l *Loop) SetTag(c Conn, tag uint8) {
	if r := l.record(c); r != nil && r.fd >= 0 {
		r.tag = tag
	}
}

// Fd returns the file descriptor, -1 if there is none.
func (l *Loop) Fd(c Conn) int {
	if r := l.record(c); r != nil {
		return int(r.fd)
	}
	return -1
}

// Blocked reports whether output is held because the peer does not read.
func (l *Loop) Blocked(c Conn) bool {
	r := l.record(c)
	return r != nil && r.flags&flagBlocked != 0
}

// HeldOut returns how many bytes are held because the peer does not read.
func (l *Loop) HeldOut(c Conn) int {
	if r := l.record(c); r != nil && r.held != 0 {
		return len(l.held[r.held].out)
	}
	return 0
}

// SlowestReader is a rate in bytes per second: a peer that reads this fast is slow,
// not stuck.
const SlowestReader = 8 << 10

// WriteTime returns how long the peer of c has to read the output that is held now:
// Config.WriteTimeout, plus the time at the rate SlowestReader for these bytes and for
// those that the kernel has not sent yet, which are read before. An Uncounted frame adds
// nothing.
func (l *Loop) WriteTime(c Conn) time.Duration {
	n, r := l.HeldOut(c), l.record(c)
	if n > 0 {
		if f := l.held[r.held].frame; f != nil && f.Uncounted {
			n = 0
		}
	}
	if r != nil && r.fd >= 0 {
		n += sysUnsent(r.fd)
	}
	return l.cfg.WriteTimeout + time.Duration(n)*time.Second/SlowestReader
}

// TimeLeft returns the time until Handler.Expired is called for c, in whole ticks;
// false if its timer is not armed.
func (l *Loop) TimeLeft(c Conn) (time.Duration, bool) {
	r := l.record(c)
	if r == nil || !r.timer.Armed() {
		return 0, false
	}
	return time.Duration(int32(r.timer.Due()-l.Tick())) * TickLength, true
}

// SetTimer arms the timer of c: Handler.Expired is called once, d after the start
// of this turn, rounded up to TickLength. A connection has one timer. Setting it
// again moves it; moving it later costs almost nothing. A negative d disarms it.
// The longest d is two years.
func (l *Loop) SetTimer(c Conn, d time.Duration) {
	if l.usable(c) == nil {
		return
	}
	if d < 0 {
		l.wheel.Cancel(c.Index())
		return
	}
	l.wheel.Schedule(c.Index(), l.ticksAhead(d))
}

// SetTimerAt is SetTimer for an absolute time in ticks (see Tick). Timers that
// expire at the same tick wake an idle loop only once.
func (l *Loop) SetTimerAt(c Conn, at Tick) {
	if l.usable(c) != nil {
		l.wheel.Schedule(c.Index(), at)
	}
}

// InputBytes returns the total size of the buffers of unconsumed input, of all
// connections.
func (l *borrowed) InputBytes() int { return l.inputBytes }

// Pause stops calls of Received for c. Further input waits in the kernel. The end
// of the peer is still noticed.
func (l *Loop) Pause(c Conn) {
	if r := l.usable(c); r != nil {
		r.flags |= flagPaused
	}
}

// Resume undoes Pause. Input that has arrived meanwhile is passed to Received next
// turn.
func (l *Loop) Resume(c Conn) {
	r := l.usable(c)
	if r == nil || r.flags&flagPaused == 0 {
		return
	}
	r.flags &^= flagPaused | flagTold
	if r.flags&(flagReadable|flagEnded) != 0 || r.held != 0 && l.held[r.held].in != nil {
		l.ready(c.Index(), r)
	}
}
