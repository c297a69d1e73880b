package report

import (
	"ccomet/bench/report/plot"
)

// storm makes the section about all clients coming back at once.
func storm(s *section, of []entry) {
	t := table{Heads: []string{"", "connections", "all back after", "refused, tried again", "accept rate", "server's processor time", "resident before", "at its peak", "after", "verified deliveries"}}
	latencies := table{Title: "Time to delivery on a channel whose subscribers stay", Heads: []string{"", "deliveries", "mean", "50 %", "90 %", "99 %", "99.9 %", "longest"}}
	var g group
	for _, e := range withoutRate(of) {
		storm, n := e.storm(), int64(e.setting().Connections)
		back := e.time(some(storm.BackSeconds, seconds))
		refused := ""
		if e.Storm != nil {
			refused = whole(storm.Refused)
		}
		if e.Machine.Emulated {
			s.addCard(e, some(float64(storm.ResidentPeak), memory), "resident at the peak", counted(n, "connection"))
		} else {
			s.addCard(e, back, "until all were back", counted(n, "connection"), with(refused, "refused"))
		}
		size := func(bytes int64) string { return some(float64(bytes), memory) }
		g.Rows = append(g.Rows, e.row(someWhole(n), back, refused, someWhole(int64(storm.AcceptRate)), e.time(some(storm.ServerSeconds, seconds)),
			size(storm.ResidentBefore), size(storm.ResidentPeak), size(storm.ResidentAfter), verified(storm.Check)))
		if e.Machine.Emulated {
			continue
		}
		l := group{Name: e.Name, Marks: e.Marks}
		if storm.Quiet.Count > 0 {
			l.Rows = append(l.Rows, row{Name: "quiet, before", Cells: append([]string{whole(storm.Quiet.Count)}, latencyCells(storm.Quiet)...)})
		}
		if storm.Meanwhile.Count > 0 {
			l.Rows = append(l.Rows, row{Name: "meanwhile", Cells: append([]string{whole(storm.Meanwhile.Count)}, latencyCells(storm.Meanwhile)...)})
		}
		latencies.Groups = append(latencies.Groups, l)
	}
	t.Groups = []group{g}
	s.stormBack(of)
	s.stormLatency(of)
	s.stormMemory(of)
	s.addTable(t)
	s.addTable(latencies)
}

// withoutRate puts the storm without an accept rate before the one with it.
func withoutRate(of []entry) (all []entry) {
	for _, e := range of {
		if before := e.storm().Without; before != nil {
			r := *e.Result
			r.Storm = before
			without := e
			without.Result, without.Name = &r, e.Name+", without an accept rate"
			all = append(all, without)
		}
		all = append(all, e)
	}
	return all
}

func (s *section) stormBack(of []entry) {
	var lines []plot.Line
	for _, e := range of {
		if storm := e.storm(); !e.Machine.Emulated && len(storm.Back) > 0 {
			lines = append(lines, e.line(some(storm.BackSeconds, seconds), storm.Back))
		}
	}
	s.addFigure(figure{"storm-back", plot.Chart{
		Title: "Coming back", Sub: "connections subscribed again",
		X:     plot.Axis{Label: "seconds since the cut", Format: tick(digits)},
		Y:     plot.Axis{Format: tick(digits)},
		Lines: lines,
	}, "Steeper is better."}, drawn(lines))
}

func (s *section) stormLatency(of []entry) {
	var lines []plot.Line
	for _, e := range of {
		storm := e.storm()
		if e.Machine.Emulated {
			continue
		}
		quiet := e.line("", latencyCurve(storm.Quiet))
		quiet.Name, quiet.Pattern = e.Name+", quiet", 2*e.pattern
		meanwhile := e.line("", latencyCurve(storm.Meanwhile))
		meanwhile.Name, meanwhile.Pattern = e.Name+", meanwhile", 2*e.pattern+1
		lines = append(lines, quiet, meanwhile)
	}
	s.addFigure(figure{"storm-latency", latencyChart("Time to delivery for those who stay", "before the cut, and until all are back; logarithmic", lines), latencyCaption}, drawn(lines))
}

func (s *section) stormMemory(of []entry) {
	c := plot.Bars{Title: "Memory while all come back", Sub: "resident memory of the server", Format: memory}
	for _, e := range of {
		storm, g := e.storm(), plot.Group{Name: e.title()}
		for _, m := range []struct {
			name  string
			bytes int64
		}{{"before", storm.ResidentBefore}, {"peak", storm.ResidentPeak}, {"after", storm.ResidentAfter}} {
			if m.bytes > 0 {
				g.Bars = append(g.Bars, plot.Bar{Name: m.name, Value: float64(m.bytes), Hue: e.hue})
			}
		}
		if len(g.Bars) > 0 {
			c.Groups = append(c.Groups, g)
		}
	}
	s.addFigure(figure{"storm-memory", c, "When all clients are back, memory should be as before."}, len(c.Groups))
}
