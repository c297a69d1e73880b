package bench

import (
	"math"
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
