package cluster

import (
	"testing"
	"time"
)

// TestReaderPace: messages come at a steady rate. The number of reads depends on whether the loops
// wait for them.
func TestReaderPace(t *testing.T) {
	const rate, seconds = 500, 20
	for _, c := range []struct {
		name        string
		waits, told bool
		control     bool
		least, most int // reads per second
	}{
		{"what comes is waited for", true, true, false, rate, rate},
		{"others are waited for", true, false, false, 15, int(time.Second / paceIdle)},
		{"no channel is", false, false, false, 1, int(time.Second / paceUnused)},
		{"nodes tell each other", false, false, true, rate, rate},
	} {
		l := new(Log)
		end := newLoop(l, 0, nil)
		l.loops.Store(&[]*loop{end})
		if c.waits {
			end.Follow([]byte("a"))
		}
		r := newReader(l, new(partition))
		if c.control {
			r = newReader(l)
		}
		began := time.Unix(1_700_000_000, 0)
		reads := 0
		for now := began; now.Sub(began) < seconds*time.Second; reads++ {
			now = now.Add(r.pause(now))
			now = now.Truncate(time.Second / rate).Add(time.Second / rate) // the next message
			if c.told {
				r.pace.told = now
			}
		}
		if reads < c.least*seconds-1 || reads > c.most*seconds+paceBurst {
			t.Errorf("%s: %d reads in %d s, want %d to %d in each", c.name, reads, seconds, c.least, c.most)
		}
		if r.pace.more = true; r.pause(began) != 0 {
			t.Errorf("%s: it waits while there is more to read", c.name)
		}
	}
}

// TestReaderPaceAfterSilence: a pause is at most a fraction of the time without messages.
func TestReaderPaceAfterSilence(t *testing.T) {
	l := new(Log)
	end := newLoop(l, 0, nil)
	l.loops.Store(&[]*loop{end})
	end.Follow([]byte("a"))
	now := time.Unix(1_700_000_000, 0)
	for silence, want := range map[time.Duration]time.Duration{0: paceTime, 160 * time.Millisecond: 10 * time.Millisecond, time.Hour: paceIdle} {
		r := newReader(l, new(partition))
		r.pace.told, r.pace.at = now.Add(-silence), now
		if pause := r.pause(now); pause != want {
			t.Errorf("after %v it pauses for %v, want %v", silence, pause, want)
		}
	}
}

// TestReaderPaceAfterBurst: after a burst, messages come more slowly than the pace. After some time each
// is read at once again.
func TestReaderPaceAfterBurst(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	p := pace{at: now}
	waited := 0
	for n := range 200 {
		now = now.Add(19 * paceTime / 10)
		if pause := p.next(now, paceTime); pause > 0 && n >= 100 {
			waited++
		}
	}
	if waited > 0 {
		t.Errorf("%d reads of 100 waited", waited)
	}
}

// TestReaderPaceSteady: pauses that last a little longer than they should do not earn a read without a
// pause.
func TestReaderPaceSteady(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	p := pace{at: now}
	for range 200 {
		if pause := p.next(now, paceIdle); pause != paceIdle {
			t.Fatalf("it pauses for %v", pause)
		}
		now = now.Add(paceIdle * 105 / 100)
	}
}

// TestReaderWait: a pause ends early if the reader is woken, during the pause or before it.
func TestReaderWait(t *testing.T) {
	r := newReader(new(Log), new(partition))
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	r.wake() // there is no alarm yet
	within(t, "the pause", func() { r.wait(a, hang) })
	r.alarm.Store(a)
	r.wake()
	within(t, "the second pause", func() { r.wait(a, hang) })
	began := time.Now()
	within(t, "a pause that is not ended", func() { r.wait(a, 2*time.Millisecond) })
	if took := time.Since(began); took < 2*time.Millisecond {
		t.Errorf("a pause of 2 ms takes %v", took)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.wait(a, hang)
	}()
	within(t, "a pause that is ended meanwhile", func() {
		r.wake()
		<-over
	})
}

// TestReaderWoken: a reader is told when a loop attaches its first channel.
func TestReaderWoken(t *testing.T) {
	l := new(Log)
	one, other := newLoop(l, 0, nil), newLoop(l, 1, nil)
	l.loops.Store(&[]*loop{one, other})
	r := newReader(l, new(partition))
	l.readers = []*reader{r}
	for round, end := range []*loop{one, other, one} {
		if l.waits() || len(r.changed) != 0 {
			t.Fatalf("round %d: no loop waits for anything, and it is said that one does", round)
		}
		end.Follow([]byte("a"))
		if !l.waits() || len(r.changed) != 1 {
			t.Errorf("round %d: a loop waits for a channel, and the reader is not told", round)
		}
		<-r.changed
		end.Follow([]byte("a"))
		end.Detach([]byte("a"))
		if len(r.changed) != 0 {
			t.Errorf("round %d: the reader is told of what it knows", round)
		}
		end.Detach([]byte("a"))
	}
}

// TestReaderFails: Redis refuses reads, and does everything else: the server is not ready then, and is
// ready again afterwards.
func TestReaderFails(t *testing.T) {
	r := startRedis(t)
	n := startNode(t, 1, Config{}, r.url)
	control := n.readers[0]
	r.must("DEL", n.nodes.key)
	r.must("SET", n.nodes.key, "no stream")
	waitFor(t, "it is away", func() bool { return control.health.away(time.Now()) != nil && n.Away() != nil })
	r.must("DEL", n.nodes.key)
	waitFor(t, "it is back", func() bool { return n.Away() == nil })
}
