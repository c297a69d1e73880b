package plot

import (
	"fmt"
	"html"
	"math"
)

// Bars is a plot of horizontal bars in groups, each with its value beside it.
type Bars struct {
	Title, Sub string
	Format     func(float64) string
	Groups     []Group
}

// Group is bars under one name.
type Group struct {
	Name string
	Bars []Bar
}

// Bar is one of them. Negative values, and those that are not finite, have no
// bar.
type Bar struct {
	Name  string
	Note  string // after the value
	Value float64
	Part  float64 // of Value, which is drawn strong, the rest of it faint; 0: all of it strong
	Hue   int
}

// SVG draws the bars, so many pixels wide; below 200 there is no room.
func (c Bars) SVG(width int) string {
	out := &canvas{width: float64(max(width, 200))}
	y := out.header(c.Title, c.Sub)
	var names, values []string
	top := 0.0
	for _, g := range c.Groups {
		for _, b := range g.Bars {
			names, values = append(names, shorten(clean(b.Name), 150)), append(values, c.value(b))
			top = max(top, length(b.Value))
		}
	}
	left := widest(names) + 10
	room := max(out.width-left-widest(values)-10, 40)
	if top == 0 {
		top = 1
	}
	const thick, step = 16.0, 24.0
	for _, g := range c.Groups {
		y += 5
		for _, line := range wrap(g.Name, out.width) {
			y += lineStep
			out.text(0, y, "start", "ink", line)
		}
		y += 8
		for _, b := range g.Bars {
			long := length(b.Value) / top * room
			out.text(left-10, y+thick-3.5, "end", "mute", shorten(clean(b.Name), 150))
			c.bar(out, b, left, y, long, thick)
			out.text(left+long+7, y+thick-3.5, "start", "ink", c.value(b))
			y += step
		}
	}
	return out.finish(y+2, c.Title+": "+c.Sub)
}

func (c Bars) bar(out *canvas, b Bar, x, y, long, thick float64) {
	rect := func(width float64, opacity string) {
		fmt.Fprintf(&out.b, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s" fill-opacity="%s"/>`,
			num(x), num(y), num(max(width, 1)), num(thick), colour(b.Hue), opacity)
	}
	fmt.Fprintf(&out.b, `<g><title>%s</title>`, html.EscapeString(clean(b.Name+": "+c.value(b))))
	if part := length(b.Part); part > 0 && part < b.Value {
		rect(long, "0.45")
		rect(long*part/b.Value, "1")
	} else {
		rect(long, "1")
	}
	out.b.WriteString("</g>")
}

func (c Bars) value(b Bar) string {
	s := num(b.Value)
	if math.IsNaN(b.Value) || math.IsInf(b.Value, 0) {
		s = "–"
	} else if c.Format != nil {
		s = c.Format(b.Value)
	}
	if b.Note != "" {
		s += " " + b.Note
	}
	return s
}

// length is the value of a bar that can be drawn.
func length(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0
	}
	return v
}
