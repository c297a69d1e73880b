package report

import (
	"math"
	"slices"

	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// points converts samples to points of a line. It leaves out those for which f
// returns false.
func points[T any](samples []T, f func(T) (x, y float64, ok bool)) [][2]float64 {
	var out [][2]float64
	for _, s := range samples {
		if x, y, ok := f(s); ok {
			out = append(out, [2]float64{x, y})
		}
	}
	return out
}

// drawn returns the number of the lines' points.
func drawn(lines []plot.Line) int {
	n := 0
	for _, l := range lines {
		n += len(l.Points)
	}
	return n
}

// wide reports whether the highest positive value along an axis (0 or 1) is
// more than 20 times the lowest. A linear axis would not show the lowest.
func wide(lines []plot.Line, axis int) bool {
	lo, hi := math.Inf(1), 0.0
	for _, l := range lines {
		for _, p := range l.Points {
			if v := p[axis]; v > 0 && !math.IsInf(v, 0) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	return hi > 20*lo
}

// scale returns the scale of an axis, and the words that its label needs.
func scale(log bool) (plot.Scale, string) {
	if log {
		return plot.Log, ", logarithmic"
	}
	return plot.Linear, ""
}

func finite(v []float64) []float64 {
	sorted := slices.DeleteFunc(slices.Clone(v), func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
	slices.Sort(sorted)
	return sorted
}

// above returns the bytes per connection that a server has more than when it
// was empty. Without connections it returns NaN.
func above(bytes, empty int64, connections int) float64 {
	if connections <= 0 {
		return math.NaN()
	}
	return float64(bytes-empty) / float64(connections)
}

// latencyCurve returns percentiles and their microseconds. The axis has no room
// for 100 %: the maximum of n values stands at n/(n+1).
func latencyCurve(l result.Latency) [][2]float64 {
	if l.Count <= 0 {
		return nil
	}
	curve := slices.Clone(l.Curve)
	if len(curve) == 0 {
		curve = [][2]float64{{50, l.P50}, {90, l.P90}, {99, l.P99}, {99.9, l.P999}, {100, l.Max}}
	}
	last := 100 * (1 - 1/float64(l.Count+1))
	for i := range curve {
		curve[i][0] = min(curve[i][0], last)
	}
	return curve
}

// latencyChart is a plot of latencies by percentile.
func latencyChart(title, sub string, lines []plot.Line) plot.Chart {
	return plot.Chart{
		Title: title, Sub: sub,
		X:     plot.Axis{Label: "% of the deliveries took no longer", Scale: plot.Nines, Format: percentile},
		Y:     plot.Axis{Scale: plot.Log, Format: tick(micros)},
		Lines: lines,
	}
}

const latencyCaption = "Each step along the axis is one nine more. Lower is better, and so is a line that stays low far to the right."
