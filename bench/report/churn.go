package report

import (
	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// churn makes the section about connections that come and go.
func churn(s *section, of []entry) {
	t := table{Heads: []string{"", "connections", "came back", "resident, first", "resident, last", "most", "drift per minute", "descriptors before", "after", "verified deliveries"}}
	var g group
	for _, e := range of {
		h := e.hold()
		first, last, most := residentEnds(h.Samples)
		if e.Machine.Emulated {
			s.addCard(e, some(last, memory), "resident at the end", whole(h.Returned)+" came back")
		} else if len(h.Samples) > 0 {
			s.addCard(e, memory(h.DriftBytesPerMinute), "of drift per minute, after the first minute", whole(h.Returned)+" came back", counted(int64(mostConnections(h)), "connection"))
		} else {
			s.addCard(e, "", "")
		}
		drift := ""
		if len(h.Samples) > 0 {
			drift = e.time(memory(h.DriftBytesPerMinute))
		}
		g.Rows = append(g.Rows, e.row(
			someWhole(int64(mostConnections(h))), someWhole(h.Returned), some(first, memory), some(last, memory), some(most, memory),
			drift, someWhole(int64(h.DescriptorsAtStart)), someWhole(int64(h.DescriptorsAtTheEnd)), verified(h.Check)))
	}
	t.Groups = []group{g}
	s.churnFigures(of)
	s.addTable(t)
}

// residentEnds returns the first, the last and the highest resident bytes.
func residentEnds(samples []result.Sample) (first, last, most float64) {
	for i, p := range samples {
		last = float64(p.ResidentBytes)
		if i == 0 {
			first = last
		}
		most = max(most, last)
	}
	return first, last, most
}

// churnFigures plots memory and descriptors over time: in minutes after 300
// seconds.
func (s *section) churnFigures(of []entry) {
	unit, label := 1.0, "seconds"
	for _, e := range of {
		for _, p := range e.hold().Samples {
			if p.Seconds > 300 {
				unit, label = 60, "minutes"
			}
		}
	}
	var resident, descriptors []plot.Line
	for _, e := range of {
		if e.Machine.Emulated {
			continue
		}
		samples := e.hold().Samples
		line := func(y func(result.Sample) float64, write func(float64) string) plot.Line {
			note, values := "", points(samples, func(p result.Sample) (float64, float64, bool) { return p.Seconds / unit, y(p), true })
			if len(values) > 0 {
				note = write(values[len(values)-1][1])
			}
			return e.line(note, values)
		}
		resident = append(resident, line(func(p result.Sample) float64 { return float64(p.ResidentBytes) }, memory))
		descriptors = append(descriptors, line(func(p result.Sample) float64 { return float64(p.Descriptors) }, func(v float64) string { return decimal(v, 0) }))
	}
	x := plot.Axis{Label: label, Format: tick(digits)}
	log, note := scale(wide(resident, 1))
	s.addFigure(figure{"churn-memory", plot.Chart{
		Title: "Memory under churn", Sub: "resident memory of the server" + note,
		X: x, Y: plot.Axis{Scale: log, Binary: true, Format: tick(memory)}, Lines: resident,
	}, "A flat line is good: the memory of connections that have left is freed or reused."}, drawn(resident))
	s.addFigure(figure{"churn-descriptors", plot.Chart{
		Title: "Descriptors under churn", Sub: "open in the server",
		X: x, Y: plot.Axis{Format: tick(digits)}, Lines: descriptors,
	}, "A flat line is good: no descriptor leaks."}, drawn(descriptors))
}
