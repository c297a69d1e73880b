package pairs

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ccomet/reactor"
)

// contestant is one loop with its share of the pairs. It is the loop's handler.
type contestant struct {
	loop   *reactor.Loop
	next   []int32 // by a connection's index: the descriptor that its handler writes to
	starts []int32 // where the first byte of each chain is written
	far    []int   // all descriptors that are written to
	writes int     // writes of a run

	readsLeft, writesLeft int // in the current run
	err                   error
}

// RunContestant is the reactor's process. The pairs, active chains and writes are divided among
// its loops. It says "ready" when all pairs are open. For each line of in it performs a run,
// and says "micros" and the duration. It returns at the end of in.
func RunContestant(in io.Reader, out io.Writer, loops, pairs, active, writes int) error {
	if err := checkSize(loops, pairs, active, writes); err != nil {
		return err
	}
	// One more than the loops, which keep their processors while they wait, as in the server.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), loops+1))
	team := make([]*contestant, loops)
	for i := range team {
		c, err := newContestant(pairs/loops, active/loops, writes/loops)
		if err != nil {
			return err
		}
		defer c.close()
		team[i] = c
	}
	fmt.Fprintln(out, "ready")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		took, err := runAll(team)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "micros", took.Microseconds())
	}
	return nil
}

func newContestant(pairs, active, writes int) (*contestant, error) {
	c := &contestant{writes: writes, next: make([]int32, pairs+1)} // index 0 is not used
	loop, err := reactor.NewLoop(c, reactor.Config{})
	if err != nil {
		return nil, err
	}
	c.loop = loop
	for range active {
		if err := c.addChain(pairs / active); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// addChain opens the pairs of one chain.
func (c *contestant) addChain(pairs int) error {
	near, far := make([]reactor.Conn, pairs), make([]int32, pairs)
	for i := range pairs {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("socketpair: %w", err)
		}
		c.far = append(c.far, ends[1])
		far[i] = int32(ends[1])
		if near[i], err = c.loop.Adopt(ends[0], 0, nil); err != nil {
			unix.Close(ends[0])
			return err
		}
	}
	for i, conn := range near {
		c.next[conn.Index()] = far[(i+1)%pairs]
	}
	c.starts = append(c.starts, far[0])
	return nil
}

func (c *contestant) close() {
	c.loop.Release()
	for _, fd := range c.far {
		unix.Close(fd)
	}
}

// runAll performs one run of all loops, each on its own goroutine, and returns its duration.
func runAll(team []*contestant) (took time.Duration, err error) {
	ended := make(chan error, len(team))
	began := time.Now()
	for _, c := range team {
		go func() { ended <- c.run() }()
	}
	for range team {
		if failed := <-ended; failed != nil {
			err = failed
		}
	}
	return time.Since(began), err
}

func (c *contestant) run() error {
	c.readsLeft, c.writesLeft = len(c.starts)+c.writes, c.writes
	for _, fd := range c.starts {
		c.writeByte(fd)
	}
	for c.readsLeft > 0 && c.err == nil {
		if err := c.loop.Turn(-1); err != nil {
			return err
		}
	}
	return c.err
}

var oneByte = []byte{'x'}

func (c *contestant) writeByte(fd int32) {
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(oneByte))), 1)
	if n != 1 {
		c.err = fmt.Errorf("write: %w", errno)
	}
}

// Received reads one byte.
func (c *contestant) Received(conn reactor.Conn, p []byte) int {
	c.readsLeft -= len(p)
	if c.writesLeft > 0 {
		c.writesLeft--
		c.writeByte(c.next[conn.Index()])
	}
	return len(p)
}

// Closed reports a failure, or is called by Release.
func (c *contestant) Closed(_ reactor.Conn, err error) {
	if err != reactor.ErrStopped {
		c.err = fmt.Errorf("a pair was closed: %w", err)
	}
}

// The other events do not occur, or do not matter.

func (c *contestant) Opened(reactor.Conn)               {}
func (c *contestant) Ended(reactor.Conn)                {}
func (c *contestant) Drained(reactor.Conn)              {}
func (c *contestant) Expired(reactor.Conn)              {}
func (c *contestant) TurnEnded(time.Time) time.Duration { return -1 }
