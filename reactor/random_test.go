package reactor

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// world is two loops, connections that move between them, and their peers. Each
// direction of each connection carries its own stream, in which every byte is
// known by its position.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	loops [2]*probe
	links []*link
	harsh bool // connections may be lost by faults
}

type link struct {
	id    int
	loop  int
	c     Conn
	far   *peer
	timer bool // it may expire

	sent, shown, eaten int // peer to us
	wrote, read        int // us to peer
	farEnded, farReset bool
	ended, finished    bool
	cut                bool
	hurt               bool // by a fault
	over               bool
	overWith           error
}

// stream returns n bytes of a stream from position at on.
func stream(id, at, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		k := at + i
		b[i] = byte(k*31 + k>>8 + k>>16 + id*7)
	}
	return b
}

func newWorld(t *testing.T, rnd *rand.Rand) *world {
	w := &world{t: t, rnd: rnd}
	for i := range w.loops {
		p := newProbe(t, Config{WriteTimeout: time.Hour, Linger: time.Minute, MaxHeld: 1 << 20, Inheritable: true})
		w.loops[i] = p
		p.onReceived = func(c Conn, b []byte) int { return w.received(i, c, b) }
		p.onEnded = func(c Conn) { w.endedTold(i, c) }
		p.onExpired = func(c Conn) {
			if l := w.link(i, c); !l.timer {
				t.Errorf("%d: expired, but no timer was set", l.id)
			}
			w.link(i, c).timer = false
		}
		p.onClosed = func(c Conn, err error) {
			l := w.link(i, c)
			l.over, l.overWith = true, err
		}
	}
	return w
}

// link returns the link of a connection of loop i.
func (w *world) link(i int, c Conn) *link {
	l := w.links[w.loops[i].loop.User(c)]
	if l.c != c || l.loop != i || l.over {
		w.t.Fatalf("told of %#x in loop %d, which is %#x in loop %d, over %v", uint64(c), i, uint64(l.c), l.loop, l.over)
	}
	return l
}

func (w *world) received(i int, c Conn, b []byte) int {
	l := w.link(i, c)
	if !bytes.Equal(b, stream(l.id, l.eaten, len(b))) {
		w.t.Fatalf("%d: received a wrong byte at %d", l.id, l.eaten)
	}
	if l.finished || w.loops[i].loop.record(c).flags&flagPaused != 0 {
		w.t.Fatalf("%d: received when finished (%v) or paused", l.id, l.finished)
	}
	l.shown = l.eaten + len(b)
	n := len(b)
	if w.rnd.IntN(3) == 0 {
		n = w.rnd.IntN(len(b) + 1)
	}
	l.eaten += n
	switch w.rnd.IntN(20) {
	case 0:
		w.loops[i].loop.Pause(c)
	case 1:
		w.write(l)
	case 2:
		w.finish(l)
	}
	return n
}

func (w *world) endedTold(i int, c Conn) {
	l := w.link(i, c)
	paused := w.loops[i].loop.record(c).flags&flagPaused != 0
	switch {
	case !l.farEnded:
		w.t.Fatalf("%d: ended, but its peer has not", l.id)
	case l.finished:
		w.t.Fatalf("%d: ended when finished", l.id)
	case !paused && l.shown != l.sent:
		w.t.Fatalf("%d: ended after %d of %d bytes", l.id, l.shown, l.sent)
	}
	l.ended = true
}

func (w *world) open() {
	i := w.rnd.IntN(2)
	near, far := 0, 0
	if w.rnd.IntN(3) == 0 {
		near, far = tcpSockets(w.t)
	} else {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		near, far = fds[0], fds[1]
	}
	_ = unix.SetsockoptInt(near, unix.SOL_SOCKET, unix.SO_SNDBUF, 5000) // short writes
	c, err := w.loops[i].loop.Adopt(near, 7, nil)
	if err != nil {
		if !w.harsh {
			w.t.Fatal(err)
		}
		unix.Close(near)
		unix.Close(far)
		return
	}
	l := &link{id: len(w.links), loop: i, c: c, far: newPeer(w.t, far)}
	w.loops[i].loop.SetUser(l.c, uint32(l.id))
	w.links = append(w.links, l)
}

func (w *world) write(l *link) {
	loop := w.loops[l.loop].loop
	p := stream(l.id, l.wrote, w.rnd.IntN(20_000))
	if w.rnd.IntN(2) == 0 && !loop.Blocked(l.c) {
		n, err := loop.TryWrite(l.c, p)
		if err == nil {
			loop.Hold(l.c, &Frame{Bytes: p}, n)
			l.wrote += len(p)
		}
		return
	}
	if loop.Write(l.c, p) == nil {
		l.wrote += len(p)
	}
}

func (w *world) finish(l *link) {
	if loop := w.loops[l.loop].loop; loop.Alive(l.c) {
		loop.Finish(l.c)
		l.finished, l.timer = true, false
	}
}

func (w *world) send(l *link) {
	if l.farEnded || l.farReset {
		return
	}
	n, _ := unix.Write(l.far.fd, stream(l.id, l.sent, w.rnd.IntN(30_000)))
	l.sent += max(n, 0)
}

// take lets the peer read, and compares.
func (w *world) take(l *link) (end bool) {
	if l.far.fd < 0 {
		return true
	}
	data, end := l.far.take()
	if !bytes.Equal(data, stream(l.id, l.read, len(data))) {
		w.t.Fatalf("%d: the peer read a wrong byte at %d", l.id, l.read)
	}
	l.read += len(data)
	return end
}

func (w *world) move(l *link) {
	from, to := w.loops[l.loop].loop, w.loops[1-l.loop].loop
	fd, unread, err := from.Detach(l.c)
	if err != nil {
		if !from.Blocked(l.c) && from.Alive(l.c) {
			w.t.Fatalf("%d: %v", l.id, err)
		}
		return
	}
	if !bytes.Equal(unread, stream(l.id, l.eaten, len(unread))) || l.eaten+len(unread) != l.shown {
		w.t.Fatalf("%d: detached with %d bytes unread, of %d shown and %d consumed", l.id, len(unread), l.shown, l.eaten)
	}
	l.timer, l.loop = false, 1-l.loop
	if l.c, err = to.Adopt(fd, 0, unread); err != nil {
		if !w.harsh {
			w.t.Fatal(err)
		}
		unix.Close(fd)
		l.over, l.overWith, l.hurt = true, err, true
		return
	}
	to.SetUser(l.c, uint32(l.id))
}

// act does something to one connection.
func (w *world) act(l *link) {
	loop := w.loops[l.loop].loop
	switch w.rnd.IntN(24) {
	case 0, 1, 2, 3, 4, 5:
		w.send(l)
	case 6, 7, 8:
		w.write(l)
	case 9, 10, 11, 12:
		w.take(l)
	case 13:
		loop.Pause(l.c)
	case 14, 15, 16:
		loop.Resume(l.c)
	case 17:
		loop.SetTimer(l.c, time.Duration(w.rnd.IntN(10))*time.Second)
		l.timer = loop.Alive(l.c)
	case 18:
		loop.SetTimer(l.c, -1)
		l.timer = false
	case 19, 20:
		w.move(l)
	default:
		if w.rnd.IntN(8) == 0 {
			w.end(l)
		}
	}
}

// end brings a connection nearer to its end, in some way.
func (w *world) end(l *link) {
	switch w.rnd.IntN(5) {
	case 0:
		w.loops[l.loop].loop.Close(l.c) // drops held output
		l.cut = true
	case 1:
		w.finish(l)
	case 2, 3:
		if !l.farReset && !l.farEnded {
			l.far.closeWrite()
			l.farEnded = true
		}
	case 4:
		w.take(l)
		l.far.reset()
		l.farReset, l.farEnded = true, true
	}
}

func (w *world) turn() {
	for _, p := range w.loops {
		p.turn() // and check
	}
}

// settle lets all peers end and all connections be finished, and checks that
// nothing was lost.
func (w *world) settle() {
	open := func() (n int) {
		for _, l := range w.links {
			if !l.over {
				n++
			}
		}
		return n
	}
	for round := 0; open() > 0; round++ {
		if round == 3000 {
			w.t.Fatal(open(), "connections never end")
		}
		for _, l := range w.links {
			if !l.over {
				w.settleOne(l)
			}
		}
		for _, p := range w.loops {
			if err := p.loop.Turn(time.Millisecond); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for _, l := range w.links {
		w.take(l)
		if l.overWith != nil && !l.hurt && !l.farReset {
			w.t.Errorf("%d: closed with %v, without a reason", l.id, l.overWith)
		}
		if l.finished && !l.cut && !l.hurt && !l.farReset && l.overWith == nil && l.read != l.wrote {
			w.t.Errorf("%d: finished, but of %d bytes %d arrived", l.id, l.wrote, l.read)
		}
	}
	w.turn()
}

func (w *world) settleOne(l *link) {
	loop := w.loops[l.loop].loop
	loop.Resume(l.c)
	if !l.farEnded {
		l.far.closeWrite()
		l.farEnded = true
	}
	if l.ended && l.shown == l.sent {
		w.finish(l)
	}
	w.take(l)
}

func TestRandomOperations(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	for range 6 {
		newWorld(t, rnd).run(1200)
	}
}

func (w *world) run(steps int) {
	for step := range steps {
		if len(w.links) < 30 && w.rnd.IntN(10) == 0 {
			w.open()
		}
		if len(w.links) > 0 {
			if l := w.links[w.rnd.IntN(len(w.links))]; !l.over {
				w.act(l)
			}
		}
		if step%4 == 0 {
			w.loops[0].now = w.loops[0].now.Add(50 * time.Millisecond)
			w.loops[1].now = w.loops[0].now
			w.turn()
			if w.rnd.IntN(20) == 0 {
				w.loops[w.rnd.IntN(2)].handOver(w.harsh)
			}
		}
	}
	w.settle()
}
