package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// seconds is a time span that is set in whole seconds: "30", "30s" or "1m30s".
type seconds time.Duration

// UnmarshalText reads one.
func (s *seconds) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseInt(string(text), 10, 32); err == nil {
		*s = seconds(time.Duration(n) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d%time.Second != 0 {
		return fmt.Errorf("%q: want whole seconds, as in 90, 90s or 1m30s", text)
	}
	*s = seconds(d)
	return nil
}

func (s seconds) String() string { return time.Duration(s).String() }

// drainTime is a time span that may be set in parts of a second, too: "5", "0.3" or
// "300ms".
type drainTime time.Duration

// UnmarshalText reads one.
func (d *drainTime) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseFloat(string(text), 64); err == nil && math.Abs(n) <= float64(maxSeconds) {
		*d = drainTime(math.Round(n*1000)) * drainTime(time.Millisecond)
		return nil
	}
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q: want seconds, as in 5, 0.3 or 300ms", text)
	}
	*d = drainTime(v)
	return nil
}

func (d drainTime) String() string { return time.Duration(d).String() }
