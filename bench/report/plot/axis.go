package plot

import (
	"math"
	"slices"
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
	Format func(float64) string // of ticks and, in hints, of values
}

// fitted is an axis that knows its ends.
type fitted struct {
	Axis
	lo, hi float64 // as f gives them
	ticks  []float64
}

// f lays a value out; shown tells which it can.
func (a Axis) f(v float64) float64 {
	switch a.Scale {
	case Log:
		return math.Log10(v)
	case Nines:
		return -math.Log10(1 - v/100)
	}
	return v
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

// at is the place of a value, 0 to 1.
func (a fitted) at(v float64) float64 { return (a.f(v) - a.lo) / (a.hi - a.lo) }

// fit finds the ends and the ticks, of which at most a given number are wanted.
// A tight axis that is linear ends with the highest value, another at a tick.
func (a Axis) fit(values []float64, wanted int, tight bool) fitted {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !a.shown(v) })
	if len(values) == 0 {
		values = []float64{1}
		if a.Scale == Nines {
			values = []float64{90}
		}
	}
	lo, hi := slices.Min(values), slices.Max(values)
	switch a.Scale {
	case Log:
		return a.fitLog(lo, hi, wanted)
	case Nines:
		return a.fitNines(hi)
	}
	return a.fitLinear(min(lo, 0), max(hi, 0), wanted, tight)
}

func (a Axis) fitLinear(lo, hi float64, wanted int, tight bool) fitted {
	if hi-lo < 1e-9 {
		hi = lo + 1
	}
	step := a.nice((hi - lo) / float64(max(wanted, 1)))
	first, last := math.Floor(lo/step), math.Ceil(hi/step)
	out := fitted{Axis: a, lo: first * step, hi: last * step}
	if tight {
		last = math.Floor(hi / step * (1 + 1e-9))
		out.hi = hi
	}
	for n := first; n <= last; n++ {
		out.ticks = append(out.ticks, n*step)
	}
	return out
}

// nice is the step of ticks at or above one: 1, 2 or 5 of a power of ten, and
// with Binary of those below a power of 1024.
func (a Axis) nice(step float64) float64 {
	unit := 1.0
	if a.Binary {
		for step >= 1000*unit {
			unit *= 1024
		}
	}
	ten := math.Pow(10, math.Floor(math.Log10(step/unit)))
	for _, m := range []float64{1, 2, 5} {
		if m*ten*unit >= step*(1-1e-9) {
			return m * ten * unit
		}
	}
	if a.Binary && ten == 100 {
		return 1024 * unit
	}
	return 10 * ten * unit
}

func (a Axis) fitLog(lo, hi float64, wanted int) fitted {
	steps := a.logSteps(lo, hi)
	from, to := 0, len(steps)-1
	for from < to && steps[from+1] <= lo {
		from++
	}
	for to > from && steps[to-1] >= hi {
		to--
	}
	if from == to { // one value, at a step
		from, to = max(from-1, 0), min(to+1, len(steps)-1)
	}
	steps = steps[from : to+1]
	out := fitted{Axis: a, lo: a.f(steps[0]), hi: a.f(steps[len(steps)-1])}
	// 1, 2, 5; where that is too many, powers of ten; then every second of those.
	for every := 1; ; every *= 2 {
		out.ticks = out.ticks[:0]
		for i, v := range steps {
			if every == 1 || (from+i)%3 == 0 && (from+i)/3%(every/2) == 0 {
				out.ticks = append(out.ticks, v)
			}
		}
		if len(out.ticks) <= max(wanted, 2) {
			return out
		}
	}
}

// logSteps is 1, 2, 5, 10, … round the two values, with Binary within each
// power of 1024. It begins with a 1.
func (a Axis) logSteps(lo, hi float64) []float64 {
	var steps []float64
	add := func(unit float64, tens int) {
		for ; tens > 0; tens-- {
			steps = append(steps, unit, 2*unit, 5*unit)
			unit *= 10
		}
	}
	if a.Binary {
		unit := 1.0
		for unit*1024 <= lo {
			unit *= 1024
		}
		for ; len(steps) == 0 || steps[len(steps)-1] < hi; unit *= 1024 {
			add(unit, 3)
		}
		return append(steps, unit)
	}
	first, last := int(math.Floor(math.Log10(lo))), int(math.Floor(math.Log10(hi)))
	add(math.Pow(10, float64(first)), last-first+1)
	return append(steps, math.Pow(10, float64(last+1)))
}

func (a Axis) fitNines(hi float64) fitted {
	out := fitted{Axis: a, lo: 0, hi: max(a.f(hi), 1)}
	for _, v := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999, 99.99999} {
		if a.f(v) <= out.hi+1e-9 {
			out.ticks = append(out.ticks, v)
		}
	}
	return out
}
