package report

import "ccomet/bench/result"

// compare makes the section about servers that take turns, with a table for
// each result.
func compare(s *section, of []entry) {
	for _, e := range of {
		c := e.compare()
		if len(c.Contestants) < 2 || e.Machine.Emulated {
			s.addCard(e, "", "")
			continue
		}
		t := table{
			Title: e.title(),
			Note: "Medians of " + counted(int64(c.Rounds), "round") + "; in each round, all take turns. In brackets: the ratio to " + bareWords(e) +
				". The load average of the machine was " + digits(c.LoadBefore) + " before and " + digits(c.LoadAfter) + " after.",
			Heads: []string{""},
		}
		for _, who := range c.Contestants {
			t.Heads = append(t.Heads, oneLine(who))
		}
		for _, who := range c.Contestants[2:] {
			t.Heads = append(t.Heads, oneLine(c.Contestants[1])+" ÷ "+oneLine(who))
		}
		for _, row := range c.Rows {
			if len(t.Groups) == 0 || t.Groups[len(t.Groups)-1].Name != oneLine(row.What) {
				t.Groups = append(t.Groups, group{Name: oneLine(row.What)})
			}
			g := &t.Groups[len(t.Groups)-1]
			g.Rows = append(g.Rows, compareRow(e, row))
		}
		s.addCard(e, "", "")
		s.addTable(t)
	}
}

func compareRow(e entry, r result.CompareRow) row {
	contestants := e.compare().Contestants
	of := func(list []float64, i int) float64 {
		if i >= len(list) {
			return 0
		}
		return list[i]
	}
	out := row{Name: oneLine(r.Figure)}
	for i := range contestants {
		cell := ""
		if i < len(r.Values) && len(r.Values[i]) > 0 { // 0 is a valid figure
			cell = with(digits(of(r.Medians, i)), oneLine(r.Unit))
		}
		if to := times(of(r.ToBare, i)); i > 0 && cell != "" && to != "" {
			cell += " (" + to + ")"
		}
		out.Cells = append(out.Cells, cell)
	}
	for i := 2; i < len(contestants); i++ {
		out.Cells = append(out.Cells, times(of(r.OursTo, i)))
	}
	return out
}

// bareWords says what the first contestant is.
func bareWords(e entry) string {
	if e.Kind == result.KindCluster {
		return "“alone” in the same round"
	}
	return "the bare program in the same round. The bare program is written in " + e.compare().BareLanguage
}
