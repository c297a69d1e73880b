package report

import (
	"slices"
	"strings"
)

// table holds figures in rows. The first column names the row. The others are
// figures with units, or "".
type table struct {
	Title  string
	Heads  []string
	Groups []group
	Note   string // written below the table
	Detail bool   // left out of summaries
}

// group holds rows that belong together.
type group struct {
	Name  string // "" if the table needs no names of groups
	Marks []mark
	Rows  []row
}

type row struct {
	Name  string
	Marks []mark
	Cells []string
}

func (e entry) row(cells ...string) row { return row{Name: e.Name, Marks: e.Marks, Cells: cells} }

// addTable appends a table without the columns that have no figures, and
// without the groups that have no rows. It leaves out a table without rows.
func (s *section) addTable(t table) {
	t.Groups = slices.DeleteFunc(t.Groups, func(g group) bool { return len(g.Rows) == 0 })
	if len(t.Groups) == 0 {
		return
	}
	for i := len(t.Heads) - 1; i > 0; i-- {
		if !t.filled(i - 1) {
			t.drop(i)
		}
	}
	s.Tables = append(s.Tables, t)
}

// filled reports whether any row has a figure in the column.
func (t *table) filled(cell int) bool {
	return slices.ContainsFunc(t.Groups, func(g group) bool {
		return slices.ContainsFunc(g.Rows, func(r row) bool { return r.Cells[cell] != "" })
	})
}

func (t *table) drop(column int) {
	t.Heads = slices.Delete(slices.Clone(t.Heads), column, column+1)
	for _, g := range t.Groups {
		for i, r := range g.Rows {
			g.Rows[i].Cells = slices.Delete(r.Cells, column-1, column)
		}
	}
}

// Words reports whether a column holds words instead of figures.
func (t table) Words(column int) bool {
	return !slices.ContainsFunc(t.Groups, func(g group) bool {
		return slices.ContainsFunc(g.Rows, func(r row) bool { return strings.ContainsAny(r.Cells[column-1], "0123456789") })
	})
}
