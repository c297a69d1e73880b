package bench

import (
	"math"
	"net/netip"
	"testing"

	"ccomet/bench/result"
)

func TestSlope(t *testing.T) {
	if got := slope([]float64{1, 2, 3, 4}, []float64{10, 13, 16, 19}); math.Abs(got-3) > 1e-9 {
		t.Errorf("the slope of a line of slope 3 is %v", got)
	}
}

func TestMedian(t *testing.T) {
	if a, b := median([]float64{5, 1, 4}), median([]float64{4, 1, 2, 3}); a != 4 || b != 2.5 {
		t.Errorf("medians %v and %v, want 4 and 2.5", a, b)
	}
}

// Each client process connects from its own addresses, and from enough of them
// that its connections have ports.
func TestSources(t *testing.T) {
	seen := map[string]bool{}
	for number := range 60 {
		list := sources("127.0.0.1:8100", number, 18000)
		if len(list)*28000 < 18000 {
			t.Fatalf("%d addresses for 18,000 connections", len(list))
		}
		for _, address := range list {
			if seen[address] {
				t.Errorf("%s is two processes'", address)
			}
			seen[address] = true
			if ap, err := netip.ParseAddrPort(address); err != nil || !ap.Addr().IsLoopback() {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	if list := sources("192.0.2.1:80", 0, 18000); len(list) != 1 || list[0] != "" {
		t.Errorf("%q for a server elsewhere: want the kernel's choice", list)
	}
}

// Only memory after the first minute counts as drift.
func TestDrift(t *testing.T) {
	var samples []result.Sample
	for second := 0; second <= 600; second += 10 {
		s := result.Sample{Seconds: float64(second), ResidentBytes: 50 << 20}
		if second >= 60 {
			s.ResidentBytes = 60<<20 + int64(second)*100
		}
		samples = append(samples, s)
	}
	if got := drift(samples); math.Abs(got-6000) > 1 {
		t.Errorf("%v bytes a minute, want 6000", got)
	}
	if got := drift(samples[:3]); got != 0 {
		t.Errorf("%v bytes a minute of half a minute", got)
	}
}

// The number in an ETag is found with and without quotes and W/.
func TestTagNumber(t *testing.T) {
	for tag, want := range map[string]uint32{`"3"`: 3, "3": 3, "W/3": 3, `W/"3"`: 3, "": 0, "x": 0} {
		if got := tagNumber(tag); got != want {
			t.Errorf("%q: %d, want %d", tag, got, want)
		}
	}
}
