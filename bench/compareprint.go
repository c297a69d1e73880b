package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"ccomet/bench/result"
)

// summary computes the medians and ratios, and removes the rows without figures.
func (m *compareRun) summary() {
	m.Rows = slices.DeleteFunc(m.Rows, func(row result.CompareRow) bool { return len(row.Values[1]) == 0 })
	for i := range m.Rows {
		row := &m.Rows[i]
		ours := row.Values[1]
		row.Medians, row.ToBare, row.OursTo = make([]float64, len(row.Values)), make([]float64, len(row.Values)), make([]float64, len(row.Values))
		for at, values := range row.Values {
			row.Medians[at] = median(values)
			if at > 0 {
				row.ToBare[at] = median(quotients(values, row.Values[0]))
			}
			if at > 1 {
				row.OursTo[at] = median(quotients(ours, values))
			}
		}
	}
}

var errNoRound = errors.New("no round was completed")

// print prints the table: the medians, their ratio to the bare program's, and the first
// server's ratio to each other server.
func (m *compareRun) print() {
	out := m.Out
	if len(m.Rows) == 0 {
		fmt.Fprintln(out, errNoRound)
		return
	}
	fmt.Fprintf(out, "\nMedians of the rounds, and their ratio to those of the first, which is in %s. The machine's load average was %.1f before and %.1f after.\n",
		m.BareLanguage, m.LoadBefore, m.LoadAfter)
	const figureWidth = 36
	heads := slices.Clone(m.Contestants)
	for _, name := range m.Contestants[2:] {
		heads = append(heads, m.Contestants[1]+" ÷ "+name)
	}
	what := ""
	for _, row := range m.Rows {
		if row.What != what {
			what = row.What
			fmt.Fprintf(out, "\n%s\n%s", what, pad("", figureWidth))
			for _, head := range heads {
				fmt.Fprintf(out, "  %*s", cellWidth(head), head)
			}
			fmt.Fprintln(out)
		}
		fmt.Fprint(out, pad("  "+row.Figure+", "+row.Unit, figureWidth))
		for i, cell := range m.cells(&row) {
			fmt.Fprintf(out, "  %s%s", pad("", cellWidth(heads[i])-utf8.RuneCountInString(cell)), cell)
		}
		fmt.Fprintln(out)
	}
}

// cells returns the cells of a row; "-" for a missing value.
func (m *compareRun) cells(row *result.CompareRow) (cells []string) {
	for i, v := range row.Medians {
		cell := "-"
		switch {
		case len(row.Values[i]) > 0 && row.ToBare[i] != 0:
			cell = fmt.Sprintf("%s (%.2f×)", figure(v), row.ToBare[i])
		case len(row.Values[i]) > 0:
			cell = figure(v)
		}
		cells = append(cells, cell)
	}
	for i := 2; i < len(m.Contestants); i++ {
		cell := "-"
		if row.OursTo[i] != 0 {
			cell = fmt.Sprintf("%.2f×", row.OursTo[i])
		}
		cells = append(cells, cell)
	}
	return cells
}

func cellWidth(head string) int { return max(15, utf8.RuneCountInString(head)) }

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// figure formats a number with three significant digits.
func figure(v float64) string {
	switch {
	case v >= 99.95:
		return thousands(int(v + 0.5))
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
