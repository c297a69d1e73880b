package limit

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

const second = int64(time.Second)

// TestRate: a full bucket has as many tokens as it gets in a second, and then one after
// another.
func TestRate(t *testing.T) {
	const rate = Rate(4)
	now, full := 100*second, int64(0)
	for n := range int(rate) {
		var ok bool
		if full, _, ok = rate.Take(full, now); !ok {
			t.Fatalf("token %d of a full bucket is refused", n)
		}
	}
	_, wait, ok := rate.Take(full, now)
	if ok || wait != time.Second/4 {
		t.Fatalf("an empty bucket: %v, wait %v; want a wait of 250ms", ok, wait)
	}
	if _, _, ok = rate.Take(full, now+int64(wait)-1); ok {
		t.Error("a token is there before its time")
	}
	if full, _, ok = rate.Take(full, now+int64(wait)); !ok {
		t.Error("no token is there at its time")
	}
	if _, _, ok = rate.Take(full, now+int64(wait)); ok {
		t.Error("one token was taken twice")
	}
	if _, _, ok = rate.Take(full, now-3600*second); !ok {
		t.Error("the bucket stays empty after the clock was set back")
	}
}

// TestAddrRates: loops that take from one address at once take no token twice, and take
// nothing from another address.
func TestAddrRates(t *testing.T) {
	const rate, loops, client = Rate(1000), 4, 7
	rates := new(AddrRates)
	var taken [loops]int
	var all sync.WaitGroup
	for loop := range taken {
		all.Go(func() {
			for range int(rate) {
				if _, ok := rates.Take(rate, client, second); ok {
					taken[loop]++
				}
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range taken {
		sum += n
	}
	if sum != int(rate) {
		t.Errorf("%d tokens were taken of %d", sum, rate)
	}
	if wait, ok := rates.Take(rate, client, second); ok || wait != time.Second/time.Duration(rate) {
		t.Errorf("the empty bucket: %v, wait %v", ok, wait)
	}
	if _, ok := rates.Take(rate, client+1, second); !ok {
		t.Error("another address is refused, too")
	}
}

// TestAddrCounter: the count of an address is exact while it shares at most one of its two
// counters with each other address.
func TestAddrCounter(t *testing.T) {
	counts := new(AddrCounter)
	const client = uint64(5)<<32 | 9
	for range 3 {
		counts.Add(uint64(5)<<32 | 8) // the same counter in the second row
		counts.Add(uint64(6)<<32 | 9) // the same counter in the first row
	}
	if got := counts.Add(client); got != 4 { // both are shared: too high, never too low
		t.Errorf("an address whose counters are both shared: %d, want 4", got)
	}
	counts.Remove(client)
	for range 3 {
		counts.Remove(uint64(6)<<32 | 9)
	}
	for want := 1; want <= 2; want++ {
		if got := counts.Add(client); got != want {
			t.Errorf("an address with one shared counter: %d, want %d", got, want)
		}
	}
}

// TestHitLimit: each hit is counted. It is logged at most once in ten seconds for each limit,
// also if the clock is set back.
func TestHitLimit(t *testing.T) {
	var text bytes.Buffer
	log := zerolog.New(&text)
	totals := &Totals{Log: &log}
	start := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		after time.Duration
		which Limit
		lines int // logged so far
	}{
		{0, Channels, 1},
		{9 * time.Second, Channels, 1},
		{9 * time.Second, WSRate, 2},
		{10 * time.Second, Channels, 3},
		{-time.Hour, Channels, 4},
		{-time.Hour + 9*time.Second, Channels, 4},
	} {
		totals.HitLimit(c.which, 3, start.Add(c.after))
		if got := strings.Count(text.String(), "\n"); got != c.lines {
			t.Fatalf("after %v: %d lines, want %d:\n%s", c.after, got, c.lines, &text)
		}
	}
	if got := totals.Hits[Channels].Times.Load(); got != 5 {
		t.Errorf("%d hits were counted, want 5", got)
	}
	if !strings.HasPrefix(text.String(), `{"level":"warn","limit":"max-channels","value":3,"message":"limit reached"}`) {
		t.Errorf("logged: %s", &text)
	}
}

// TestNames: each limit has the name of its setting.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for which, name := range Names {
		if name == "" || seen[name] {
			t.Errorf("limit %d has the name %q, which is empty or another's", which, name)
		}
		seen[name] = true
	}
}

// TestRetryAfter: a wait is told in whole seconds, rounded up, at least one.
func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "1", 1: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90",
	} {
		if got := string(RetryAfter(nil, WholeSeconds(wait))); got != "Retry-After: "+want+"\r\n" {
			t.Errorf("%v: %q", wait, got)
		}
	}
}
