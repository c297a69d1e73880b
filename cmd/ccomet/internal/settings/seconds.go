package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Seconds is a duration in whole seconds: "30", "30s" or "1m30s".
type Seconds time.Duration

// UnmarshalText parses a duration.
func (s *Seconds) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseInt(string(text), 10, 32); err == nil {
		*s = Seconds(time.Duration(n) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d%time.Second != 0 {
		return fmt.Errorf("%q: want whole seconds, as in 90, 90s or 1m30s", text)
	}
	*s = Seconds(d)
	return nil
}

func (s Seconds) String() string { return span(time.Duration(s)) }

// span formats a duration without zero minutes and seconds: 8760h, not 8760h0m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// DrainTime is a duration that may have fractions of a second: "5", "0.3" or "300ms".
type DrainTime time.Duration

// UnmarshalText parses a duration.
func (d *DrainTime) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseFloat(string(text), 64); err == nil && math.Abs(n) <= float64(MaxSeconds) {
		*d = DrainTime(math.Round(n*1000)) * DrainTime(time.Millisecond)
		return nil
	}
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q: want seconds, as in 5, 0.3 or 300ms", text)
	}
	*d = DrainTime(v)
	return nil
}

func (d DrainTime) String() string { return span(time.Duration(d)) }
