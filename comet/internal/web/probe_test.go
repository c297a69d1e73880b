package web

import (
	"strings"
	"testing"

	"ccomet/comet/internal/record"
)

// Mail that is lost between two running loops is reported as such.
func TestMissing(t *testing.T) {
	c := Probe{Passed: [record.MaxLoops]uint64{0b111, 0b011, 0b111}}
	if got, want := c.missing(3), "no answer by way of loop 1 and then loop 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c = Probe{Passed: [record.MaxLoops]uint64{63: 1}}
	if got := c.missing(record.MaxLoops); !strings.HasPrefix(got, "loops 1, 2,") || !strings.HasSuffix(got, " 63 did not answer") {
		t.Errorf("%q", got)
	}
}
