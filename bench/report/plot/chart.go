package plot

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Chart is a plot of lines.
type Chart struct {
	Title, Sub string // the heading, and the line below it, which names the vertical axis
	X, Y       Axis
	Lines      []Line
}

// Line is a line of a Chart. Points that are not finite, or that an axis cannot
// show, are left out.
type Line struct {
	Name    string
	Notes   []string // further lines of the label
	Hue     int      // the colour: any number, or Neutral
	Pattern int      // the dashes and markers: any number
	Points  [][2]float64
}

// If a chart is narrower than this, a legend below it names the lines.
// Otherwise labels at their ends do, if there is room.
const narrow = 460

// SVG draws the chart, width pixels wide; 200 is the least.
func (c Chart) SVG(width int) string {
	head := newHeading(c.Title, c.Sub, width)
	body := min(max(head.wide*0.48, 190), 300)
	ends, room := c.ends()
	direct := head.wide >= narrow && room < head.wide*0.4 && stacked(ends) < body
	var legends []plot.Legend
	under := vg.Length(0)
	if !direct {
		room = 0
		legends, under = c.legends(head.wide)
	}
	axis := vg.Length(30)
	if c.X.Label != "" {
		axis += mute.Font.Size * lineStep
	}
	sheet, finish := head.sheet(body + axis + under)
	p := c.plot(head.wide - room)
	area := draw.Crop(sheet, 0, -room, under, -6)
	p.Draw(area)
	if direct {
		drawEnds(p.DataCanvas(area), p, ends)
	}
	for _, l := range legends {
		legend := draw.Crop(sheet, 0, 0, 0, under-(sheet.Max.Y-sheet.Min.Y)-8)
		l.Draw(legend)
		under -= legendHeight(l, legend)
	}
	return finish()
}

// plot returns the plot of the chart without labels for the lines, for about
// width pixels.
func (c Chart) plot(width vg.Length) *plot.Plot {
	p := newPlot()
	var xs, ys []float64
	for _, l := range c.Lines {
		for _, at := range c.shown(l) {
			xs, ys = append(xs, at.X), append(ys, at.Y)
		}
	}
	p.X.Label.Text = clean(c.X.Label)
	p.X.LineStyle = draw.LineStyle{Color: faint(grey, 0.8), Width: 1}
	p.X.Tick.LineStyle = p.X.LineStyle
	p.X.Tick.Length = 5
	c.Y.fit(&p.Y, ys, 1.04, 7)
	c.X.fit(&p.X, xs, 1, 2)
	widest := 12 + mute.Width(c.X.format(p.X.Max))
	c.X.fit(&p.X, xs, 1, min(int((width-60)/widest), 8))
	p.Add(&plotter.Grid{Horizontal: draw.LineStyle{Color: faint(grey, 0.25), Width: 1}})
	for _, l := range c.Lines {
		if at := c.shown(l); len(at) > 0 {
			line, marks := plotters(l, at)
			p.Add(line, marks)
		}
	}
	return p
}

// plotters returns the dashed line, and markers on about 12 of its points.
func plotters(l Line, at plotter.XYs) (*plotter.Line, *plotter.Scatter) {
	every := max((len(at)+11)/12, 1)
	var marked plotter.XYs
	for i, p := range at {
		if i%every == 0 || i == len(at)-1 {
			marked = append(marked, p)
		}
	}
	return &plotter.Line{XYs: at, LineStyle: lineStyle(l)}, &plotter.Scatter{XYs: marked, GlyphStyle: glyphStyle(l)}
}

// shown returns the points of a line that both axes can show.
func (c Chart) shown(l Line) plotter.XYs {
	var points plotter.XYs
	for _, p := range l.Points {
		if c.X.shown(p[0]) && c.Y.shown(p[1]) {
			points = append(points, plotter.XY{X: p[0], Y: p[1]})
		}
	}
	return points
}
