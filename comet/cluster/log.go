package cluster

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/internal/broker"
)

// Log numbers the messages of a server's channels in Redis, and keeps them there.
type Log struct {
	cfg        Config
	options    rueidis.ClientOption
	client     rueidis.Client
	cluster    bool // Redis is a Redis Cluster
	partitions []*partition
	readers    []*reader
	nodes      nodes
	figures    figures
	consts     [5]string // the first arguments of publishText

	loops  atomic.Pointer[[]*loop]
	adding sync.Mutex // held to change loops

	ctx        context.Context // ends with the log
	end        context.CancelFunc
	running    sync.WaitGroup
	connecting sync.WaitGroup
	connected  chan struct{} // closed when Redis has been reached; until then only connect uses the client
	secret     []byte
	// lostSecret: Redis may have lost the secret. otherSecret: Redis has another one.
	lostSecret, otherSecret atomic.Bool
	trial                   bool // for Try: no secret is made
	paused                  atomic.Bool
	touched                 signal
	uneasy                  signal    // something waits, or has failed
	away                    time.Time // since when the log has said that Redis does not serve; zero: it serves; only for sweep
}

// Open connects to Redis. It waits for Redis until ctx ends, and logs that. An error that waiting
// cannot cure is returned at once: a wrong configuration, a Redis that is too old, or a cluster with
// another number of partitions.
//
// A node that continues for another program (Config.State), with the same Redis, already has what it
// needs: Open does not wait for Redis. The node connects after Start; until then, Redis is away.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	from, err := parseState(cfg.State)
	if err != nil {
		return nil, err
	}
	l, err := newLog(cfg)
	if err != nil {
		return nil, err
	}
	l.secret = from.Secret
	if from.Redis != cfg.redisID() {
		err = l.await(ctx, l.saysWaiting())
	}
	if err == nil && cfg.State != nil {
		err = l.restore(&from)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	l.start()
	return l, nil
}

// newLog returns a Log that is not connected.
func newLog(cfg Config) (*Log, error) {
	o, err := options(cfg.Redis)
	if err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg, options: o, connected: make(chan struct{}), touched: newSignal(), uneasy: newSignal()}
	l.consts = [5]string{
		strconv.Itoa(cfg.History), strconv.Itoa(int(cfg.TTL / time.Second)), numberSeconds,
		strconv.Itoa(max(cfg.Bus/busSegments, 1)), strconv.Itoa(max(cfg.BusBytes/busSegments, 1)),
	}
	l.nodes.open(&l.cfg)
	l.nodes.health.uneasy = l.uneasy
	l.loops.Store(&[]*loop{})
	l.ctx, l.end = context.WithCancel(context.Background())
	return l, nil
}

// busSegments: the bus is trimmed by segments. It keeps this many full ones, and the one that grows.
const busSegments = 8

// start starts the goroutines of the log, except the readers.
func (l *Log) start() {
	l.run(l.sweep)
	for _, p := range l.partitions {
		l.runConnected(p.propose)
		l.runConnected(p.attach)
	}
	l.runConnected(l.beat)
	l.runConnected(l.writeControl)
	l.runConnected(l.touch)
}

// runConnected runs f like run, but not before Redis has been reached.
func (l *Log) runConnected(f func()) {
	l.run(func() {
		if l.awaitConnected() {
			f()
		}
	})
}

// awaitConnected waits until Redis has been reached. It returns false if the log has ended.
func (l *Log) awaitConnected() bool {
	select {
	case <-l.connected:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// run runs f in a goroutine. f must return when the log's context ends.
func (l *Log) run(f func()) { l.running.Go(f) }

// sweepTime is the interval of sweep.
const sweepTime = 250 * time.Millisecond

// sweep refuses proposals that have waited for longer than Config.Wait, closes wires whose answer is
// overdue, and logs whether Redis serves. It sleeps while nothing waits and nothing fails.
func (l *Log) sweep() {
	for well := true; ; {
		if well {
			select {
			case <-l.uneasy:
			case <-l.ctx.Done():
			}
		}
		if !l.sleep(sweepTime) {
			return
		}
		for _, p := range l.partitions {
			p.expire(time.Now().Add(-l.cfg.Wait))
			p.fast.expire(time.Now().Add(-callTimeout))
		}
		well = l.tellHealth() && l.figures.queued.Load() == 0
	}
}

// sleep sleeps for d. It returns false if the log has ended.
func (l *Log) sleep(d time.Duration) bool {
	select {
	case <-l.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Open opens the log for a loop. Loops are opened in the order of their numbers.
func (l *Log) Open(number uint8, home broker.Inbox) broker.Authority {
	end := newLoop(l, number, home)
	l.adding.Lock()
	defer l.adding.Unlock()
	before := *l.loops.Load()
	all := append(before[:len(before):len(before)], end)
	l.loops.Store(&all)
	for _, p := range l.partitions {
		p.mu.Lock()
		posts := l.posts()
		posts.count(end, p.stateMail())
		posts.post()
		p.mu.Unlock()
	}
	return end
}

// Close ends the log and refuses the proposals that wait. When it has returned, nothing is posted.
func (l *Log) Close() {
	l.end()
	l.connecting.Wait()
	for _, r := range l.readers {
		r.cut()
		r.wake()
	}
	if l.client != nil {
		l.client.Close()
	}
	l.running.Wait()
	for _, r := range l.readers {
		r.resting.Lock() // wait until it has told the loops
		r.ended = true
		r.resting.Unlock()
	}
	for _, p := range l.partitions {
		p.expire(time.Now().Add(time.Hour))
	}
}

// call returns a context for one call, which may take at most wait.
func (l *Log) call(wait time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(l.ctx, wait)
}
