package plot

import (
	"cmp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Labels at the ends of lines are wrapped to this width.
const endWidth = 170

// end is a label beside the last point of a line.
type end struct {
	line         Line
	names, notes []string
	last         [2]float64 // the coordinates of the last point
	y, top       vg.Length  // heights on the drawing: of that point, and of the label's upper edge
}

func (e end) height() vg.Length { return height(ink, e.names) + height(mute, e.notes) }

// ends returns the labels of all lines that have points, and the width they
// need.
func (c Chart) ends() (ends []end, room vg.Length) {
	for _, l := range c.Lines {
		at := c.shown(l)
		if len(at) == 0 {
			continue
		}
		e := end{line: l, names: wrap(ink, l.Name, endWidth), last: [2]float64{at[len(at)-1].X, at[len(at)-1].Y}}
		for _, note := range l.Notes {
			e.notes = append(e.notes, wrap(mute, note, endWidth)...)
		}
		room = max(room, widest(ink, e.names)+20, widest(mute, e.notes)+20)
		ends = append(ends, e)
	}
	return ends, room
}

const endGap = 3 // between two labels

func stacked(ends []end) vg.Length {
	sum := vg.Length(0)
	for _, e := range ends {
		sum += e.height() + endGap
	}
	return sum
}

// place gives each label a position near the last point of its line. Labels
// keep the order of these points, and do not overlap.
func place(c draw.Canvas, p *plot.Plot, ends []end) {
	_, y := p.Transforms(&c)
	for i, e := range ends {
		ends[i].y = y(e.last[1])
		ends[i].top = ends[i].y + e.height()/2
	}
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(b.y, a.y) })
	edge := c.Max.Y + 8
	for i := range ends { // down: each below the one before
		ends[i].top = min(ends[i].top, edge)
		edge = ends[i].top - ends[i].height() - endGap
	}
	edge = c.Min.Y - 8
	for i := len(ends) - 1; i >= 0; i-- { // and up again, if the last are too low
		ends[i].top = max(ends[i].top, edge+ends[i].height())
		edge = ends[i].top + endGap
	}
}

// drawEnds writes the labels to the right of the lines, and draws a thin line
// from the end of each line to its label.
func drawEnds(c draw.Canvas, p *plot.Plot, ends []end) {
	place(c, p, ends)
	toX, _ := p.Transforms(&c)
	x := c.Max.X + 18
	for _, e := range ends {
		from := toX(e.last[0]) + 6
		c.StrokeLines(draw.LineStyle{Color: faint(colour(e.line.Hue), 0.6), Width: 1}, []vg.Point{
			{X: from, Y: e.y}, {X: max(from, x-10), Y: e.y}, {X: x - 3, Y: e.top - e.height()/2},
		})
		writeLines(c, mute, x, writeLines(c, ink, x, e.top+3, e.names), e.notes)
	}
}

// legends makes a legend for each line, since the height of each depends on its
// text. It returns them and the sum of their heights.
func (c Chart) legends(width vg.Length) (legends []plot.Legend, under vg.Length) {
	for _, l := range c.Lines {
		at := c.shown(l)
		if len(at) == 0 {
			continue
		}
		name := strings.TrimSuffix(l.Name+": "+strings.Join(l.Notes, ", "), ": ")
		legend := plot.NewLegend()
		legend.Top, legend.Left = true, true
		legend.TextStyle = ink
		legend.ThumbnailWidth = 34
		line, marks := plotters(l, at)
		legend.Add(strings.Join(wrap(ink, name, width-48), "\n"), line, marks)
		legends = append(legends, legend)
		under += legendHeight(legend, draw.Canvas{})
	}
	return legends, under + 12
}

func legendHeight(l plot.Legend, c draw.Canvas) vg.Length { return l.Rectangle(c).Size().Y + 5 }
