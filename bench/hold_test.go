package bench

import (
	"math"
	"os"
	"testing"
)

func TestSlope(t *testing.T) {
	if got := slope([]float64{1, 2, 3, 4}, []float64{10, 13, 16, 19}); math.Abs(got-3) > 1e-9 {
		t.Errorf("the slope of a line of slope 3 is %v", got)
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{5, 1, 4}); got != 4 {
		t.Errorf("median %v, want 4", got)
	}
}

// What is read of a process is there, and makes sense, for this one.
func TestProcess(t *testing.T) {
	self := Process(os.Getpid())
	rss, err := self.Resident()
	if err != nil || rss < 1<<20 {
		t.Errorf("resident: %d, %v", rss, err)
	}
	before, err := self.CPU()
	if err != nil || before.All <= 0 {
		t.Errorf("processor time: %v, %v", before, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	writes := self.Writes()
	for range 10 {
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := self.Writes() - writes; n < 10 {
		t.Errorf("%d write calls counted, 10 made", n)
	}
	if gone := Process(1 << 30); func() error { _, err := gone.CPU(); return err }() == nil {
		t.Error("a process that is not there has processor time")
	}
}

func TestChannelNumber(t *testing.T) {
	for request, want := range map[string]int{
		"GET /push?cname=0000000000000042&content=x": 42,
		"GET /stream?cname=bench HTTP/1.1":           -1,
		"GET / HTTP/1.1":                             -1,
	} {
		if got := channelNumber([]byte(request)); got != want {
			t.Errorf("%q: %d, want %d", request, got, want)
		}
	}
}
