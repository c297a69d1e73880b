package cluster

import (
	"context"
	crypto "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// fenced is the state of a partition, as the master that was asked has it.
type fenced struct {
	run        string // the run id of that master
	place      place
	jump, last string // ids on the bus
}

// term is one generation of a partition, under one run of a master. Its scripts work
// only there.
type term struct {
	run             string
	gen             uint32
	publish, attach *script
}

// do makes a call with the scripts of the current term, and returns that term. If the
// master does not know the scripts, do fences the partition and calls again.
func (p *partition) do(ctx context.Context, call func(*term) rueidis.Completed) (r *term, answer rueidis.RedisResult, err error) {
	for range 3 {
		if r = p.term.Load(); r == nil {
			return nil, answer, errNoTerm
		}
		answer = p.log.client.Do(ctx, call(r))
		if err = answer.Error(); err == nil || !isUnknown(err) {
			return r, answer, err
		}
		if p.term.Load() == r {
			if _, err := p.fence(ctx, true); err != nil {
				return r, answer, &notDone{err}
			}
		}
	}
	return r, answer, err
}

// notDone is an error before the call was made: nothing was executed.
type notDone struct{ error }

func (e *notDone) Unwrap() error { return e.error }

// fence asks for the state of the partition, raises its numbers if some may have been
// lost (fenceScript), and loads the scripts of the new term. Both happen on one
// connection, so that the scripts are loaded on the master that was asked and on no
// other.
func (p *partition) fence(ctx context.Context, load bool) (f fenced, err error) {
	p.fencing.Lock()
	defer p.fencing.Unlock()
	err = p.log.client.Dedicated(func(c rueidis.DedicatedClient) error {
		known := p.known()
		answer, err := c.Do(ctx, c.B().Eval().Script(fenceScript.text).Numkeys(2).Key(p.keyG, p.keyBus).Arg(
			unsigned(known.gen), unsigned(max(known.off, known.top)), unsigned(known.b), unsigned(max(known.total, known.seen)), known.seed,
			newSeed(), strconv.Itoa(len(p.log.partitions)), strconv.Itoa(rand.IntN(1<<generationBits)), strconv.Itoa(rand.IntN(chanceJump)),
		).Build()).AsStrSlice()
		if err != nil {
			return err
		}
		if len(answer) == 1 {
			return &fatalError{fmt.Errorf("redis has %q with %s partitions, not %d", p.log.cfg.Prefix, answer[0], len(p.log.partitions))}
		}
		if f, err = readFenced(answer); err != nil {
			return err
		}
		if now := p.term.Load(); !load && now != nil && now.run == f.run && now.gen == f.place.gen {
			return nil
		}
		next := &term{f.run, f.place.gen, newTermScript(f.run, f.place.gen, publishText), newTermScript(f.run, f.place.gen, attachText)}
		for _, of := range []*script{next.publish, next.attach} {
			sha, err := c.Do(ctx, c.B().ScriptLoad().Script(of.text).Build()).ToString()
			if err != nil {
				return err
			}
			if sha != of.sha {
				return fmt.Errorf("redis knows the script as %s, not as %s", sha, of.sha)
			}
		}
		before := p.term.Swap(next)
		if before != nil && before.run != next.run {
			p.fast.end(errOtherMaster)
			p.reader.cut()
		}
		if before == nil || before.gen != next.gen {
			p.log.cfg.Log.Info().Int("partition", p.id).Uint32("generation", f.place.gen>>generationBits).Uint32("offset", f.place.off).Msg("Redis: generation")
			p.log.lostSecret.Store(true)
		}
		return nil
	})
	return f, err
}

func readFenced(answer []string) (f fenced, err error) {
	if len(answer) != 8 {
		return f, fmt.Errorf("redis: an answer of %d parts", len(answer))
	}
	f.run, f.place.seed, f.jump, f.last = answer[0], answer[5], answer[6], answer[7]
	for at, to := range map[int]*uint32{1: &f.place.gen, 2: &f.place.off, 3: &f.place.b} {
		v, err := strconv.ParseUint(answer[at], 10, 32)
		if err != nil {
			return f, fmt.Errorf("redis: %w", err)
		}
		*to = uint32(v)
	}
	f.place.total, err = strconv.ParseUint(answer[4], 10, 64)
	f.place.seen, f.place.top = f.place.total, f.place.off
	return f, err
}

func unsigned[T uint32 | uint64](v T) string { return strconv.FormatUint(uint64(v), 10) }

func newSeed() string {
	var seed [8]byte
	_, _ = crypto.Read(seed[:])
	return hex.EncodeToString(seed[:])
}

// A generation is a counter with random bits below it. Numbers rise by at least 65,536
// and a random amount below chanceJump (fenceScript), so 2^31 numbers are enough for
// some two thousand changes of the master.
const (
	generationBits = 12
	chanceJump     = 31 << 16
)

// begin has the partition stand where Redis has it, or where another program's stood.
func (p *partition) begin(ctx context.Context) error {
	switch {
	case p.term.Load() != nil:
		return nil
	case p.restored:
		return p.check()
	}
	call, done := context.WithTimeout(ctx, callTimeout)
	defer done()
	f, err := p.fence(call, true)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f.place.events = 1 // so that loops are told where it stands
	p.at, p.read = f.place, f.last
	return nil
}

// check fences again. If the bus does not continue from what was read, the reader starts
// over: the ids of a new master's bus may be lower than those of the old one.
func (p *partition) check() error {
	call, done := p.log.call(callTimeout)
	defer done()
	read := p.readTo()
	f, err := p.fence(call, false)
	if err != nil {
		return err
	}
	p.log.keepSecret()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case f.place.gen > p.at.gen && !before(p.read, f.jump):
		p.read = beforeID(f.jump)
	case f.place.gen == p.at.gen && p.read == read && before(f.last, read):
		p.read = "0-0" // entries that were read already are recognised by their totals
	}
	return nil
}

// before says whether one id of a stream is before another.
func before(a, b string) bool {
	am, as := splitID(a)
	bm, bs := splitID(b)
	return am < bm || am == bm && as < bs
}

func splitID(id string) (ms, seq uint64) {
	first, second, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(first, 10, 64)
	seq, _ = strconv.ParseUint(second, 10, 64)
	return ms, seq
}

// beforeID is the id just before id.
func beforeID(id string) string {
	ms, seq := splitID(id)
	switch {
	case seq > 0:
		seq--
	case ms > 0:
		ms, seq = ms-1, 1<<64-1
	}
	return unsigned(ms) + "-" + unsigned(seq)
}

// errNoTerm is the error of a call before begin.
var errNoTerm = errors.New("redis: no generation")
