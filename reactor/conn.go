package reactor

import (
	"errors"
	"time"
	"unsafe"
)

// Conn names a connection of one loop. It is plain data: it may be kept,
// copied and sent about, and when its connection is gone it names nothing
// (a generation sees to that), so using it late is harmless.
type Conn uint64

func makeConn(index, gen uint32) Conn { return Conn(gen)<<32 | Conn(index) }

// Index is the connection's place in its loop's slab, reused after it is gone.
func (c Conn) Index() uint32 { return uint32(c) }

func (c Conn) gen() uint32 { return uint32(c >> 32) }

// Errors that Handler.Closed and the writing calls report, beside those of the
// kernel.
var (
	ErrClosed    = errors.New("reactor: connection closed")
	ErrStopped   = errors.New("reactor: loop closed")
	ErrInputFull = errors.New("reactor: input that is not consumed exceeds Config.MaxInput")
	ErrHeldFull  = errors.New("reactor: output that the peer does not read exceeds Config.MaxHeld")
	ErrHeldAll   = errors.New("reactor: output that peers do not read exceeds Config.MaxHeldAll")
	ErrNoRecord  = errors.New("reactor: no record free for another connection")
)

// record is all that an idle connection costs here.
type record struct {
	fd    int32 // -1: a bare timer. First, because the slab links free records through it
	gen   uint32
	timer Timer
	held  uint32 // index of what is borrowed while input is incomplete or a write was short; 0: nothing
	user  uint32 // the handler's word
	flags uint16
	tag   uint8 // of the listener, or what Adopt and Dial were given, until SetTag
	_     uint8
}

// RecordSize is the bytes of a connection's record.
const RecordSize = 32

var _ [RecordSize]byte = [unsafe.Sizeof(record{})]byte{}

const (
	flagLive       uint16 = 1 << iota
	flagPaused            // Received is not to be called
	flagReadable          // an edge came that has not been read to the end
	flagReady             // to be read next turn without an event
	flagBlocked           // the last write was short; the next EPOLLOUT goes on with it
	flagConnecting        // dialled, not yet connected
	flagEnded             // the peer will send no more
	flagTold              // and the handler knows
	flagFinishing         // shut down once what is held is written
	flagLingering         // shut down; input is thrown away until the peer closes
	flagClosing           // to be reaped when the turn ends
	flagUrgent            // urgent data has come: a short read is not the last
	flagOutput            // the kernel reports that it can be written to
)

func (l *Loop) record(c Conn) *record {
	if i := c.Index(); l.conns.Has(i) {
		if r := l.conns.At(i); r.gen == c.gen() && r.flags&flagLive != 0 {
			return r
		}
	}
	return nil
}

// open reports the record of a connection that is not about to be reaped.
func (l *Loop) open(c Conn) *record {
	if r := l.record(c); r != nil && r.flags&flagClosing == 0 {
		return r
	}
	return nil
}

// usable reports the record of a connection that the handler may still act on:
// one that is neither about to be reaped nor being finished.
func (l *Loop) usable(c Conn) *record {
	if r := l.open(c); r != nil && r.flags&(flagFinishing|flagLingering) == 0 {
		return r
	}
	return nil
}

// The methods below are for the loop's goroutine alone, as is everything else
// here that takes a Conn. All are harmless on a Conn whose connection is gone.

// ConnAt returns the connection at an index, 0 when there is none.
func (l *Loop) ConnAt(index uint32) Conn {
	if l.conns.Has(index) {
		if r := l.conns.At(index); r.flags&flagLive != 0 && !r.rests() {
			return makeConn(index, r.gen)
		}
	}
	return 0
}

// Alive says whether c is open: not closed, nor about to be, nor finished.
func (l *Loop) Alive(c Conn) bool { return l.usable(c) != nil }

// Open reports whether c is not closed yet, be it that it is being finished.
func (l *Loop) Open(c Conn) bool { return l.open(c) != nil }

// User returns the handler's word for c, which SetUser stores; 0 at first.
func (l *Loop) User(c Conn) uint32 {
	if r := l.record(c); r != nil {
		return r.user
	}
	return 0
}

// SetUser stores the handler's word.
func (l *Loop) SetUser(c Conn, word uint32) {
	if r := l.record(c); r != nil {
		r.user = word
	}
}

// Tag returns what the listener, Adopt or Dial was given, or SetTag has stored
// since.
func (l *Loop) Tag(c Conn) uint8 {
	if r := l.record(c); r != nil {
		return r.tag
	}
	return 0
}

// SetTag stores another tag: eight bits that a handler has beside its word, for
// what it knows of the connection as a whole. It does nothing to a bare timer.
func (l *Loop) SetTag(c Conn, tag uint8) {
	if r := l.record(c); r != nil && r.fd >= 0 {
		r.tag = tag
	}
}

// Fd returns the descriptor, -1 when there is none.
func (l *Loop) Fd(c Conn) int {
	if r := l.record(c); r != nil {
		return int(r.fd)
	}
	return -1
}

// Blocked says whether output is held because the peer does not read.
func (l *Loop) Blocked(c Conn) bool {
	r := l.record(c)
	return r != nil && r.flags&flagBlocked != 0
}

// HeldOut is how many bytes are held because the peer does not read.
func (l *Loop) HeldOut(c Conn) int {
	if r := l.record(c); r != nil && r.held != 0 {
		return len(l.held[r.held].out)
	}
	return 0
}

// SlowestReader is the bytes a second at which a peer that reads is slow and not stuck.
const SlowestReader = 8 << 10

// WriteTime is how long c has to read what is held for it now: Config.WriteTimeout,
// and what SlowestReader takes, but for a frame that is Uncounted.
func (l *Loop) WriteTime(c Conn) time.Duration {
	n := l.HeldOut(c)
	if r := l.record(c); n > 0 {
		if f := l.held[r.held].frame; f != nil && f.Uncounted {
			n = 0
		}
	}
	return l.cfg.WriteTimeout + time.Duration(n)*time.Second/SlowestReader
}

// TimeLeft is how long it is until Handler.Expired is called for c, to the tick;
// false when its timer is not armed.
func (l *Loop) TimeLeft(c Conn) (time.Duration, bool) {
	r := l.record(c)
	if r == nil || !r.timer.Armed() {
		return 0, false
	}
	return time.Duration(int32(r.timer.Due()-l.Tick())) * TickLength, true
}

// SetTimer has Handler.Expired called d from the beginning of this turn, once,
// rounded up to TickLength. A connection has one timer; setting it again moves
// it, and putting it off costs next to nothing. d below zero disarms it; above
// two years it is taken for two years.
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

// SetTimerAt is SetTimer for a point in time: see Tick. Timers that may as well
// run out together, at the same tick, wake an idle loop once.
func (l *Loop) SetTimerAt(c Conn, at Tick) {
	if l.usable(c) != nil {
		l.wheel.Schedule(c.Index(), at)
	}
}

// InputBytes is what the buffers of input take that Received has left, of all
// connections.
func (l *borrowed) InputBytes() int { return l.inputBytes }

// Pause stops calls of Received for c; what arrives waits in the kernel. That
// the peer has gone is seen all the same.
func (l *Loop) Pause(c Conn) {
	if r := l.usable(c); r != nil {
		r.flags |= flagPaused
	}
}

// Resume undoes Pause. What has arrived meanwhile is Received next turn.
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
