package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/internal/broker"
)

// Log numbers and keeps the messages of channels in Redis, for the server that it is the log of.
type Log struct {
	cfg        Config
	client     rueidis.Client
	cluster    bool // of Redis
	partitions []*partition
	readers    []*reader
	nodes      nodes
	figures    figures
	consts     [5]string // the first arguments of publishText

	loops  atomic.Pointer[[]*loop]
	adding sync.Mutex // loops

	ctx     context.Context // ends with the log
	end     context.CancelFunc
	running sync.WaitGroup
	secret  []byte
	// lostSecret: Redis may have lost the secret; otherSecret: it has another.
	lostSecret, otherSecret atomic.Bool
	paused                  atomic.Bool
	touched                 signal
	uneasy                  signal    // something waits, or has failed
	away                    time.Time // since when it was told that Redis does not serve; the sweep's alone
}

// Open connects to Redis, for which it waits as long as ctx lasts, and says so in the log. An
// error that waiting does not mend is returned at once: of the configuration, a Redis that is
// too old, or a cluster with other partitions.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	o, err := options(cfg.Redis)
	if err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg, touched: newSignal(), uneasy: newSignal()}
	l.consts = [5]string{
		strconv.Itoa(cfg.History), strconv.Itoa(int(cfg.TTL / time.Second)), numberSeconds,
		strconv.Itoa(max(cfg.Bus/busSegments, 1)), strconv.Itoa(max(cfg.BusBytes/busSegments, 1)),
	}
	if l.secret, err = secretOf(cfg.State); err != nil {
		return nil, err
	}
	l.nodes.open(&l.cfg)
	l.nodes.health.uneasy = l.uneasy
	l.loops.Store(&[]*loop{})
	l.ctx, l.end = context.WithCancel(context.Background())
	told := time.Time{}
	for {
		err := l.connect(ctx, o)
		if err == nil {
			break
		}
		if fatal := (*fatalError)(nil); errors.As(err, &fatal) {
			l.Close()
			return nil, err
		}
		if time.Since(told) > 10*time.Second {
			cfg.Log.Warn().Err(explained(cfg.Redis, err)).Msg("waiting for Redis")
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			l.Close()
			return nil, fmt.Errorf("redis: %w (%w)", ctx.Err(), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
	if cfg.State != nil {
		if err := l.restore(cfg.State); err != nil {
			l.Close()
			return nil, err
		}
	}
	cfg.Log.Info().Str("node", cfg.Node).Str("mode", string(l.client.Mode())).Int("partitions", len(l.partitions)).Msg("connected to Redis")
	l.start()
	return l, nil
}

// busSegments is in how many parts the bus is cut off: it keeps as many, and the one that grows.
const busSegments = 8

// fatalError is one that waiting does not mend.
type fatalError struct{ error }

// leastVersion is that of Redis: an earlier one gives replicas the scripts of its master, by
// whose lack a new master is known (fence.go).
const leastVersion = 7

// connect makes one attempt.
func (l *Log) connect(ctx context.Context, o rueidis.ClientOption) (err error) {
	if l.client == nil {
		if l.client, err = client(o, l.cfg.Node); err != nil {
			l.client = nil
			return err
		}
		l.cluster = l.client.Mode() == rueidis.ClientModeCluster
	}
	for addr, node := range l.client.Nodes() {
		call, done := context.WithTimeout(ctx, callTimeout)
		info, err := node.Do(call, node.B().Info().Section("server").Build()).ToString()
		done()
		if err != nil {
			return err
		}
		if major, _ := strconv.Atoi(strings.Split(infoField(info, "redis_version"), ".")[0]); major < leastVersion {
			return &fatalError{fmt.Errorf("redis at %s is of version %s: at least %d.0 is needed", addr, infoField(info, "redis_version"), leastVersion)}
		}
	}
	if l.partitions == nil {
		if err := l.makePartitions(ctx); err != nil {
			return err
		}
	}
	for _, p := range l.partitions {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	if err := l.beginSecret(ctx); err != nil {
		return err
	}
	return l.beginControl(ctx)
}

// infoField is a field of an answer to INFO.
func infoField(info, name string) string {
	_, value, _ := strings.Cut(info, "\n"+name+":")
	value, _, _ = strings.Cut(value, "\r")
	return value
}

// makePartitions makes as many as there are to be.
func (l *Log) makePartitions(ctx context.Context) error {
	n := l.cfg.Partitions
	if n == 0 {
		call, done := context.WithTimeout(ctx, callTimeout)
		defer done()
		there, err := l.client.Do(call, l.client.B().Hget().Key(newPartition(l, 0).keyG).Field("parts").Build()).AsInt64()
		switch {
		case err == nil && there > 0 && there <= maxPartitions:
			n = int(there)
		case err != nil && !rueidis.IsRedisNil(err):
			return err
		case l.cluster:
			n = 16
		default:
			n = 1
		}
	}
	for id := range n {
		l.partitions = append(l.partitions, newPartition(l, id))
	}
	l.readers = []*reader{newReader(l)}
	if !l.cluster {
		l.readers = append(l.readers, newReader(l, l.partitions...))
		return nil
	}
	for _, p := range l.partitions {
		l.readers = append(l.readers, newReader(l, p))
	}
	return nil
}

// start has the partitions and the readers run.
func (l *Log) start() {
	for _, p := range l.partitions {
		l.run(p.propose)
		l.run(p.attach)
	}
	l.run(l.sweep)
	l.run(l.beat)
	l.run(l.speak)
	l.run(l.touch)
}

// run runs a goroutine that ends when the log's context does.
func (l *Log) run(f func()) { l.running.Go(f) }

// sweepTime is how often what waits is looked through for what has waited too long.
const sweepTime = 250 * time.Millisecond

// sweep refuses what has waited too long, and tells whether Redis serves. Where nothing waits and
// nothing fails, it rests.
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
			p.express.expire(time.Now().Add(-callTimeout))
		}
		well = l.tellHealth() && l.figures.queued.Load() == 0
	}
}

// sleep sleeps; false: the log has ended.
func (l *Log) sleep(d time.Duration) bool {
	select {
	case <-l.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Open makes the log's end at a loop. Loops are opened in the order of their numbers.
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
		posts.count(end, p.standing())
		posts.post()
		p.mu.Unlock()
	}
	return end
}

// Close ends the log: what is still proposed is refused. Nothing is posted when it has returned.
func (l *Log) Close() {
	l.end()
	for _, p := range l.partitions {
		p.express.end()
	}
	if l.client != nil {
		l.client.Close()
	}
	l.running.Wait()
	for _, r := range l.readers {
		r.resting.Lock() // it has told the loops what it had to tell
		r.ended = true
		r.resting.Unlock()
	}
	for _, p := range l.partitions {
		p.expire(time.Now().Add(time.Hour))
	}
}

// call is a context for one call.
func (l *Log) call(wait time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(l.ctx, wait)
}
