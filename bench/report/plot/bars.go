package plot

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Bars is a plot of horizontal bars in groups. Each bar has its value beside
// it.
type Bars struct {
	Title, Sub string
	Format     func(float64) string
	Groups     []Group
}

// Group is a group of bars with a common name.
type Group struct {
	Name string
	Bars []Bar
}

// Bar is a named value. A value that is negative or not finite is written, but
// no bar is drawn.
type Bar struct {
	Name  string
	Note  string // written after the value
	Value float64
	Part  float64 // the part of Value that is drawn in full colour, the rest is paler; 0: all
	Hue   int
}

const (
	barThick = 16
	barStep  = 24 // the distance between two rows
)

// row is a bar, or one line of a group's name.
type row struct {
	group string
	bar   *Bar
}

// SVG draws the bars, width pixels wide; 200 is the least.
func (c Bars) SVG(width int) string {
	head := newHeading(c.Title, c.Sub, width)
	var rows []row
	var values []string
	top := 0.0
	for _, g := range c.Groups {
		for _, line := range wrap(ink, g.Name, head.wide) {
			rows = append(rows, row{group: line})
		}
		for i, b := range g.Bars {
			rows = append(rows, row{bar: &g.Bars[i]})
			values = append(values, c.value(b, head.wide*0.4))
			top = max(top, length(b.Value))
		}
	}
	if top == 0 {
		top = 1
	}
	p := newPlot()
	p.HideX()
	p.X.Min, p.X.Max = 0, top
	p.Y.Min, p.Y.Max = 0.5-float64(max(len(rows), 1)), 0.5
	p.Y.Tick.Marker = names(rows, head.wide*0.3)
	for i, r := range rows {
		if r.bar != nil {
			p.Add(r.bar.plotters(float64(-i))...)
		}
	}
	sheet, finish := head.sheet(vg.Length(len(rows))*barStep + 2)
	area := draw.Crop(sheet, 0, -widest(ink, values)-10, 2, 0)
	p.Draw(area)
	data := p.DataCanvas(area)
	x, y := p.Transforms(&data)
	beside := ink
	beside.YAlign = draw.YCenter
	for i, r := range rows {
		at := vg.Point{Y: y(float64(-i)) + 3}
		if r.bar != nil {
			at.X = x(length(r.bar.Value)) + 7
			r.group = c.value(*r.bar, head.wide*0.4)
		}
		sheet.FillText(beside, at, r.group)
	}
	return finish()
}

// names returns the labels of the bars' rows, each cut to the width.
func names(rows []row, width vg.Length) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for i, r := range rows {
		if r.bar != nil {
			ticks = append(ticks, plot.Tick{Value: float64(-i), Label: shorten(mute, clean(r.bar.Name), width)})
		}
	}
	return ticks
}

// plotters return the full-coloured and the pale part of a bar in the row at y.
func (b Bar) plotters(y float64) []plot.Plotter {
	value, part := length(b.Value), length(b.Part)
	if part == 0 || part > value {
		part = value
	}
	strong := &plotter.BarChart{Values: plotter.Values{part}, Width: barThick, Color: colour(b.Hue), XMin: y, Horizontal: true}
	if part == value {
		return []plot.Plotter{strong}
	}
	rest := &plotter.BarChart{Values: plotter.Values{value - part}, Width: barThick, Color: faint(colour(b.Hue), 0.45), Horizontal: true}
	rest.StackOn(strong)
	return []plot.Plotter{strong, rest}
}

// value returns the text beside a bar, cut to the width.
func (c Bars) value(b Bar, width vg.Length) string {
	s := strconv.FormatFloat(b.Value, 'g', 6, 64)
	if math.IsNaN(b.Value) || math.IsInf(b.Value, 0) {
		s = "–"
	} else if c.Format != nil {
		s = c.Format(b.Value)
	}
	if b.Note != "" {
		s += " " + b.Note
	}
	return shorten(ink, clean(s), width)
}

// length returns the length of a bar for a value: 0 if it cannot be drawn.
func length(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0
	}
	return v
}
