package report

import (
	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// upgrades makes the section about upgrades of a running server.
func upgrades(s *section, of []entry) {
	t := table{
		Note: "Silence: the longest of any client, by its own clock, in a window with an upgrade, minus the longest in the window before it. Memory includes files in memory and, at the peak, the new program that rehearses. “More at the peak” does not include pages that are mapped from the program's file.",
		Heads: []string{"", "connections", "of them without messages", "publishers", "upgrades", "pause, median", "longest", "extra silence, median", "longest", "refused",
			"memory before", "at the peak of the first", "more at the peak", "after the first", "after the last", "verified deliveries"},
	}
	latencies := table{Title: "Time from when a message was due to its delivery", Heads: []string{"", "deliveries", "mean", "50 %", "90 %", "99 %", "99.9 %", "longest"}}
	var g group
	for _, e := range of {
		u := e.upgrade()
		n := int64(len(u.Each))
		s.addCard(e, e.time(some(1e3*u.PauseMillis, micros)), "of pause per upgrade", counted(int64(e.setting().Connections), "connection"), counted(n, "upgrade"))
		refused, first, last := "", "", ""
		if n > 0 {
			refused, first, last = whole(u.Refused), some(float64(u.Each[0].Bytes), memory), some(float64(u.Each[n-1].Bytes), memory)
		}
		time := func(millis float64) string { return e.time(some(1e3*millis, micros)) }
		g.Rows = append(g.Rows, e.row(someWhole(int64(e.setting().Connections)), someWhole(int64(u.Idle)), someWhole(int64(u.Publishers)), someWhole(n),
			time(u.PauseMillis), time(u.PauseMostMillis), time(u.BeyondMillis), time(u.BeyondMostMillis), refused,
			some(float64(u.BytesBefore), memory), some(float64(u.PeakBytes), memory), some(float64(u.MoreBytes), memory), first, last, verified(u.Check)))
		if e.Machine.Emulated {
			continue
		}
		l := group{Name: e.Name, Marks: e.Marks}
		for _, r := range []struct {
			name string
			l    result.Latency
		}{{"without an upgrade", u.Quiet}, {"with one", u.Meanwhile}} {
			if r.l.Count > 0 {
				l.Rows = append(l.Rows, row{Name: r.name, Cells: append([]string{whole(r.l.Count)}, latencyCells(r.l)...)})
			}
		}
		latencies.Groups = append(latencies.Groups, l)
	}
	t.Groups = []group{g}
	s.upgradeSilence(of)
	s.addTable(t)
	s.addTable(latencies)
}

func (s *section) upgradeSilence(of []entry) {
	var lines []plot.Line
	for _, e := range of {
		if e.Machine.Emulated {
			continue
		}
		quiet, meanwhile := e.line("", nil), e.line("", nil)
		quiet.Name, quiet.Pattern = e.Name+", without", 2*e.pattern
		meanwhile.Name, meanwhile.Pattern = e.Name+", with an upgrade", 2*e.pattern+1
		for i, u := range e.upgrade().Each {
			quiet.Points = append(quiet.Points, [2]float64{float64(i + 1), 1e3 * u.QuietMillis})
			meanwhile.Points = append(meanwhile.Points, [2]float64{float64(i + 1), 1e3 * u.SilenceMillis})
		}
		lines = append(lines, quiet, meanwhile)
	}
	s.addFigure(figure{"upgrade-silence", plot.Chart{
		Title: "Silences while the server is upgraded", Sub: "the longest of any client in a window",
		X: plot.Axis{Label: "upgrade", Format: tick(digits)}, Y: plot.Axis{Format: tick(micros)}, Lines: lines,
	}, "If both lines have the same height, no client can notice an upgrade."}, drawn(lines))
}
