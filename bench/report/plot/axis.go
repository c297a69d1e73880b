package plot

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
)

// Scale is how values are laid along an axis.
type Scale int

const (
	Linear Scale = iota // from 0
	Log
	Nines // percentiles, each nine of them as far from the next: 0, 90, 99, 99.9 …
)

// Axis is one of the two of a Chart.
type Axis struct {
	Label  string               // what is counted, and in which unit
	Scale  Scale                // of Log, values that are not positive (with Binary: below 1) are left out; of Nines, those not in [0, 100)
	Binary bool                 // ticks at multiples of powers of 1024
	Format func(float64) string // of ticks
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

// fit gives the axis of a plot its ends, of which the upper one of a linear
// axis is so many times the highest value, and at most so many labelled ticks.
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

// roundLog is the nearest logSteps outside of two values.
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

// logSteps is 1, 2, 5, 10, … round the two values, with Binary within each
// power of 1024. It begins with a 1.
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
		lo /= 10 // LogTicks rounds up there
	}
	var steps []float64
	for i, t := range (plot.LogTicks{Prec: -1}).Ticks(lo, hi) {
		if n := i % 10; n == 0 || n == 2 || n == 5 { // of 1 (labelled), 1, 2, … 9
			steps = append(steps, t.Value)
		}
	}
	return steps
}

// nines is the plot.Normalizer of Nines.
type nines struct{}

// Normalize lays a percentile out.
func (nines) Normalize(lo, hi, v float64) float64 {
	f := func(v float64) float64 { return -math.Log10(1 - v/100) }
	return (f(v) - f(lo)) / (f(hi) - f(lo))
}

// ticker is the plot.Ticker of an axis.
type ticker struct {
	Axis
	wanted int // labels, at most
}

// Ticks are gonum's, but labelled by the axis, as many as are wanted.
func (t ticker) Ticks(lo, hi float64) []plot.Tick {
	switch t.Scale {
	case Log:
		steps := t.logSteps(lo, hi)
		// 1, 2, 5; where that is too many, powers of ten; then every second of those.
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

// linear is the ticks of gonum, of which so many are labelled that the steps
// between them stay even.
func (t ticker) linear(lo, hi float64) []plot.Tick {
	unit := 1.0
	for t.Binary && hi >= 1000*unit {
		unit *= 1024
	}
	ticks := plot.DefaultTicks{}.Ticks(lo/unit, hi/unit)
	slices.SortFunc(ticks, func(a, b plot.Tick) int { return cmp.Compare(a.Value, b.Value) })
	var values []float64
	first, step := -1, len(ticks) // of those that gonum labels
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

// label makes ticks of the values between the ends, one of every so many
// labelled.
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
