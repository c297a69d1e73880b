package plot

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
)

// Scale tells how values are spaced along an axis.
type Scale int

const (
	Linear Scale = iota // begins at 0, or at the lowest value if that is negative
	Log
	Nines // for percentiles: 0, 90, 99, 99.9 … at equal distances
)

// Axis describes the horizontal or the vertical axis of a Chart.
type Axis struct {
	Label  string               // the quantity and its unit
	Scale  Scale                // Log leaves out values that are not positive (with Binary: below 1); Nines leaves out those outside [0, 100)
	Binary bool                 // ticks at multiples of powers of 1024
	Format func(float64) string // writes a tick's label; nil: 6 significant digits
}

func (a Axis) shown(v float64) bool {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e18:
		return false
	case a.Scale == Log:
		return v >= 1e-9 && (v >= 1 || !a.Binary)
	case a.Scale == Nines:
		return v >= 0 && v <= 100-1e-8
	}
	return true
}

func (a Axis) format(v float64) string {
	if a.Format == nil {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	return a.Format(v)
}

// fit sets the range and the ticks of a plot's axis. A linear axis ends at
// above times the highest value. At most wanted ticks have a label (at least
// 2).
func (a Axis) fit(to *plot.Axis, values []float64, above float64, wanted int) {
	if len(values) == 0 {
		values = []float64{1}
	}
	lo, hi := slices.Min(values), slices.Max(values)
	to.Tick.Marker = ticker{a, max(wanted, 2)}
	switch a.Scale {
	case Log:
		to.Scale = plot.LogScale{}
		to.Min, to.Max = a.roundLog(lo, hi)
	case Nines:
		to.Scale = nines{}
		to.Min, to.Max = 0, max(hi, 90)
	default:
		to.Min, to.Max = min(lo, 0), max(hi, 0)*above
		if to.Max-to.Min < 1e-9 {
			to.Max = to.Min + 1
		}
	}
}

// roundLog returns the nearest logSteps that enclose two values.
func (a Axis) roundLog(lo, hi float64) (from, to float64) {
	for _, v := range a.logSteps(lo/10, hi*10) {
		if v <= lo || from == 0 {
			from = v
		}
		if to = v; v >= hi && v > from {
			break
		}
	}
	return from, to
}

// logSteps returns the values 1, 2, 5, 10, … that enclose lo and hi; with
// Binary, such values within each power of 1024. The first is a power of ten,
// or of 1024.
func (a Axis) logSteps(lo, hi float64) []float64 {
	if !a.Binary {
		return logSteps(lo, hi)
	}
	var steps []float64
	for unit := 1.0; unit <= hi; unit *= 1024 {
		if lo < 1000*unit {
			within := logSteps(max(lo/unit, 1), min(hi/unit, 999))
			for _, v := range within {
				if v < 1000 {
					steps = append(steps, v*unit)
				}
			}
		}
	}
	return steps
}

func logSteps(lo, hi float64) []float64 {
	if lo < 1 {
		lo /= 10 // below 1, LogTicks rounds up
	}
	var steps []float64
	for i, t := range (plot.LogTicks{Prec: -1}).Ticks(lo, hi) {
		if n := i % 10; n == 0 || n == 2 || n == 5 { // LogTicks repeats the labelled one: 1, 1, 2, … 9
			steps = append(steps, t.Value)
		}
	}
	return steps
}

// nines is the plot.Normalizer of Nines.
type nines struct{}

// Normalize returns the position of a percentile between lo (0) and hi (1).
func (nines) Normalize(lo, hi, v float64) float64 {
	f := func(v float64) float64 { return -math.Log10(1 - v/100) }
	return (f(v) - f(lo)) / (f(hi) - f(lo))
}

// ticker is the plot.Ticker of an axis.
type ticker struct {
	Axis
	wanted int // how many labels at most
}

// Ticks returns gonum's ticks, of which at most t.wanted have a label, in the
// format of the axis.
func (t ticker) Ticks(lo, hi float64) []plot.Tick {
	switch t.Scale {
	case Log:
		steps := t.logSteps(lo, hi)
		// Label 1, 2 and 5; if that is too many, powers of ten only; then every
		// second of those, and so on.
		ticks := t.label(steps, lo, hi, 1)
		for every := 3; labels(ticks) > t.wanted; every *= 2 {
			ticks = t.label(steps, lo, hi, every)
		}
		return ticks
	case Nines:
		steps := []float64{0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999, 99.99999}
		ticks := t.label(steps, lo, hi, 1)
		for every := 1; labels(ticks) > t.wanted; every *= 2 {
			ticks = t.label(slices.Delete(slices.Clone(steps), 1, 2), lo, hi, every)
		}
		return ticks
	}
	return t.linear(lo, hi)
}

// linear returns the ticks of gonum. It labels every n-th, for the smallest n
// that fits gonum's own choice and leaves at most t.wanted labels.
func (t ticker) linear(lo, hi float64) []plot.Tick {
	unit := 1.0
	for t.Binary && hi >= 1000*unit {
		unit *= 1024
	}
	ticks := plot.DefaultTicks{}.Ticks(lo/unit, hi/unit)
	slices.SortFunc(ticks, func(a, b plot.Tick) int { return cmp.Compare(a.Value, b.Value) })
	var values []float64
	first, step := -1, len(ticks) // the first tick that gonum labels, and the distance to the next
	for i, tick := range ticks {
		values = append(values, tick.Value*unit)
		if !tick.IsMinor() && first < 0 {
			first = i
		} else if !tick.IsMinor() {
			step = min(step, i-first)
		}
	}
	for every := 1; ; every++ {
		if step%every != 0 && every%step != 0 {
			continue
		}
		if out := t.label(values[first%every:], lo, hi, every); labels(out) <= t.wanted {
			return out
		}
	}
}

// label makes ticks of the values between lo and hi. It labels one in every.
func (t ticker) label(values []float64, lo, hi float64, every int) []plot.Tick {
	var ticks []plot.Tick
	for i, v := range values {
		if v < lo-(hi-lo)*1e-9 || v > hi+(hi-lo)*1e-9 {
			continue
		}
		tick := plot.Tick{Value: v}
		if i%every == 0 {
			tick.Label = t.format(v)
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

func labels(ticks []plot.Tick) int {
	n := 0
	for _, t := range ticks {
		if !t.IsMinor() {
			n++
		}
	}
	return n
}
