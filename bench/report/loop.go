package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// contestant is a library that was measured with a number of loops.
type contestant struct {
	who   string
	loops int // threads, each with a loop
}

// among returns the name of a contestant. It includes the number of loops if
// the same library is there with another number.
func (c contestant) among(all []contestant) string {
	for _, other := range all {
		if other.who == c.who && other.loops != c.loops {
			return c.who + ", " + counted(int64(c.loops), "loop")
		}
	}
	return c.who
}

// loop makes the section about the event loop alone.
func loop(s *section, of []entry) {
	of = slices.Clone(of)
	for i, e := range of {
		if e.Machine.Emulated {
			s.addCard(e, "", "")
			of[i].Loop = nil // all its figures are times
		}
	}
	all, baseline := contestants(of)
	for _, e := range of {
		for _, c := range all {
			if span := ratioRange(e.loop(), c); span != "" {
				named := e
				named.Name += ": " + c.among(all)
				s.addCard(named, span+" ×", "of the time of "+cmp.Or(baseline, "the baseline"))
			}
		}
	}
	for _, active := range actives(of) {
		s.loopFigure(of, all, active, baseline)
		s.addTable(loopTable(of, all, active, baseline))
	}
}

// contestants returns the contestants of all results. Those without ratios come
// first: they are the baseline that others are compared with. baseline is its
// name, or "" if it is not exactly one.
func contestants(of []entry) (all []contestant, baseline string) {
	compared := map[contestant]bool{}
	for _, e := range of {
		for _, p := range e.loop().Points {
			c := contestant{p.Who, p.Loops}
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
			compared[c] = compared[c] || len(p.Ratios) > 0
		}
	}
	slices.SortStableFunc(all, func(a, b contestant) int {
		if compared[a] != compared[b] {
			if compared[b] {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.who, b.who), cmp.Compare(a.loops, b.loops))
	})
	if len(all) > 1 && !compared[all[0]] && compared[all[1]] {
		baseline = all[0].among(all)
	}
	return all, baseline
}

// actives returns the numbers of active pairs in ascending order.
func actives(of []entry) []int {
	var all []int
	for _, e := range of {
		for _, p := range e.loop().Points {
			all = append(all, p.Active)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ratioRange returns the lowest and the highest ratio of a contestant. Each
// ratio is the median of a point's rounds.
func ratioRange(l result.Loop, c contestant) string {
	var all []float64
	for _, p := range l.Points {
		if (contestant{p.Who, p.Loops}) == c {
			all = append(all, median(p.Ratios))
		}
	}
	all = finite(all)
	if len(all) == 0 {
		return ""
	}
	lo, hi := digits(all[0]), digits(all[len(all)-1])
	if lo == hi {
		return lo
	}
	return lo + "–" + hi
}

func (s *section) loopFigure(of []entry, all []contestant, active int, baseline string) {
	var lines []plot.Line
	for _, e := range of {
		for i, c := range all {
			var curve [][2]float64
			for _, p := range e.loop().Points {
				if (contestant{p.Who, p.Loops}) == c && p.Active == active {
					curve = append(curve, [2]float64{float64(p.Pairs), p.Micros})
				}
			}
			if len(curve) == 0 {
				continue
			}
			slices.SortFunc(curve, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
			l := e.line(micros(curve[len(curve)-1][1]), curve)
			l.Name, l.Hue, l.Pattern = c.among(all), i, len(lines)
			if baseline != "" {
				l.Hue-- // the baseline gets plot.Neutral
			}
			if len(of) > 1 {
				l.Name = e.Name + ": " + l.Name
			}
			lines = append(lines, l)
		}
	}
	log, note := scale(wide(lines, 1))
	s.addFigure(figure{fmt.Sprintf("loop-%d-active", active), plot.Chart{
		Title: fmt.Sprintf("Socket pairs, %s active at a time", whole(active)),
		Sub:   "time of a run" + note,
		X:     plot.Axis{Label: "socket pairs", Format: tick(digits)},
		Y:     plot.Axis{Scale: log, Format: tick(micros)},
		Lines: lines,
	}, "Medians of the runs. Lower is better; flat means that idle pairs cost nothing."}, drawn(lines))
}

func loopTable(of []entry, all []contestant, active int, baseline string) table {
	t := table{Title: fmt.Sprintf("%s active at a time", whole(active)), Heads: []string{"pairs"}}
	for _, c := range all {
		t.Heads = append(t.Heads, c.among(all), "÷ "+cmp.Or(baseline, "baseline"))
	}
	for _, e := range of {
		cells := map[int][]string{} // by the number of pairs
		var pairs []int
		for _, p := range e.loop().Points {
			i := slices.Index(all, contestant{p.Who, p.Loops})
			if p.Active != active {
				continue
			}
			if cells[p.Pairs] == nil {
				cells[p.Pairs] = make([]string, 2*len(all))
				pairs = append(pairs, p.Pairs)
			}
			cells[p.Pairs][2*i] = micros(p.Micros)
			if m := median(p.Ratios); !math.IsNaN(m) {
				cells[p.Pairs][2*i+1] = times(m)
			}
		}
		slices.Sort(pairs)
		g := group{}
		if len(of) > 1 || len(e.Marks) > 0 {
			g.Name, g.Marks = e.Name, e.Marks
		}
		for _, n := range pairs {
			g.Rows = append(g.Rows, row{Name: whole(n), Cells: cells[n]})
		}
		t.Groups = append(t.Groups, g)
	}
	return t
}
