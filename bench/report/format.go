package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// These functions write all figures of a report. They write "" for a number
// that is not finite.

// whole writes a count with separated thousands.
func whole[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// decimal writes a number with the given digits after the point.
func decimal(v float64, places int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e18 {
		return ""
	}
	s := strconv.FormatFloat(math.Abs(v), 'f', places, 64)
	integer, fraction, _ := strings.Cut(s, ".")
	n, _ := strconv.ParseInt(integer, 10, 64)
	s = whole(n)
	if fraction != "" {
		s += "." + fraction
	}
	if v < 0 && strings.ContainsAny(s, "123456789") {
		s = "−" + s
	}
	return s
}

// digits writes a number with three significant digits, or with all digits
// before the point: 1,234, 69.6, 8.08, 0.28, 0.031.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0 || a >= 99.95:
		return decimal(v, 0)
	case a >= 9.995:
		return decimal(v, 1)
	case a >= 0.1:
		return decimal(v, 2)
	case a >= 0.01:
		return decimal(v, 3)
	case a >= 0.00005:
		return decimal(v, 4)
	}
	return decimal(0*v, 0)
}

// scaled writes a number in the largest unit in which it is at least 1. Each
// unit is the given number of times the one before.
func scaled(v, times float64, units ...string) string {
	i := 0
	for i < len(units)-1 && math.Abs(v) >= times-times/2000 {
		v /= times
		i++
	}
	return with(digits(v), units[i])
}

func with(number, unit string) string {
	if number == "" {
		return ""
	}
	return number + " " + unit
}

// memory writes the bytes of a process or a machine: 512 B, 69.6 MiB.
func memory(bytes float64) string {
	if math.Abs(bytes) < 1023.5 {
		return with(decimal(bytes, 0), "B")
	}
	return scaled(bytes, 1024, "B", "KiB", "MiB", "GiB", "TiB")
}

// each writes the bytes of one connection. A small number has one decimal: 69.6
// B, 2,345 B.
func each(bytes float64) string {
	switch {
	case math.Abs(bytes) < 999.95:
		return with(decimal(bytes, 1), "B")
	case math.Abs(bytes) < 100_000:
		return with(decimal(bytes, 0), "B")
	}
	return memory(bytes)
}

// micros writes microseconds: 8.08 µs, 1.20 ms, 3.40 s.
func micros(v float64) string { return scaled(v, 1000, "µs", "ms", "s") }

// seconds writes a duration for people: 3.40 s, 7 min 5 s, 2 h 3 min.
func seconds(v float64) string {
	switch {
	case decimal(v, 0) == "":
		return ""
	case math.Abs(v) < 1:
		return micros(v * 1e6)
	case math.Abs(v) < 119.5:
		return with(digits(v), "s")
	case math.Abs(v) < 7200:
		d := time.Duration(math.Round(v)) * time.Second
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	d := time.Duration(math.Round(v/60)) * time.Minute
	return fmt.Sprintf("%s h %d min", whole(int64(d/time.Hour)), d%time.Hour/time.Minute)
}

// rate writes a number per second.
func rate(v float64) string { return with(digits(v), "/s") }

// percent writes a fraction of 1 as a percentage.
func percent(v float64) string { return with(digits(v*100), "%") }

// times writes a ratio: 1.05×. It writes "" for 0.
func times(v float64) string {
	if v == 0 {
		return ""
	}
	return strings.Replace(with(digits(v), "×"), " ", "", 1)
}

// percentile writes a label of an axis of percentiles: 99.9.
func percentile(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e7)/1e7, 'f', -1, 64)
}

// tick changes a function that writes figures for the ticks of an axis: it
// omits zeros after the point, and the unit of 0.
func tick(write func(float64) string) func(float64) string {
	return func(v float64) string {
		number, unit, ok := strings.Cut(write(v), " ")
		if strings.Contains(number, ".") {
			number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
		}
		if ok && number != "0" {
			return number + " " + unit
		}
		return number
	}
}

// some writes a figure, or "" if it is 0, which means not measured.
func some(v float64, write func(float64) string) string {
	if v == 0 {
		return ""
	}
	return write(v)
}

// someWhole does the same for counts.
func someWhole(n int64) string {
	if n == 0 {
		return ""
	}
	return whole(n)
}

// date writes the day and time in UTC, or "" for the zero time.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

// and joins words: "a, b and c".
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// median returns the median of the finite numbers; without any, NaN.
func median(v []float64) float64 {
	sorted := finite(v)
	if len(sorted) == 0 {
		return math.NaN()
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
