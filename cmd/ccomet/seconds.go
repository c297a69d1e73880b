package main

import (
	"fmt"
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
