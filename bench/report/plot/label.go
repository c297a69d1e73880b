package plot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Labels at the ends of lines are wrapped to this width, in pixels.
const endWidth = 170.0

func endLines(l Line) []string {
	lines := wrap(l.Name, endWidth)
	for _, note := range l.Notes {
		lines = append(lines, wrap(note, endWidth)...)
	}
	return lines
}

// end is a label beside the last point of its line.
type end struct {
	line  Line
	texts []string
	x, y  float64 // the last point
	top   float64 // of the label, where there is room
}

func (e end) height() float64 { return float64(len(e.texts)) * (fontSize + 2) }

// ends gives every line's label a place near the line's last point, in their
// order from above, without one over another.
func (c Chart) ends(a area) []end {
	var ends []end
	for _, l := range c.Lines {
		points := c.shown(l)
		if len(points) == 0 {
			continue
		}
		e := end{line: l, texts: endLines(l)}
		e.x, e.y = a.place(points[len(points)-1])
		e.top = e.y - e.height()/2
		ends = append(ends, e)
	}
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.y, b.y) })
	const gap = 3
	edge := a.top - 8
	for i := range ends { // down, each below the one before
		ends[i].top = max(ends[i].top, edge)
		edge = ends[i].top + ends[i].height() + gap
	}
	edge = a.bottom + 4
	for i := len(ends) - 1; i >= 0; i-- { // and back up, where that went too far
		ends[i].top = min(ends[i].top, edge-ends[i].height())
		edge = ends[i].top - gap
	}
	return ends
}

// drawEnds writes the labels, each with a thin line from its line's end.
func drawEnds(out *canvas, a area, ends []end) {
	for _, e := range ends {
		middle := e.top + e.height()/2
		x := a.right + 16
		fmt.Fprintf(&out.b, `<path d="M%s %sL%s %sL%s %s" fill="none" stroke="%s" stroke-opacity="0.6"/>`,
			num(e.x+5), num(e.y), num(max(e.x+5, x-10)), num(e.y), num(x-3), num(middle), colour(e.line.Hue))
		named := len(wrap(e.line.Name, endWidth))
		for i, s := range e.texts {
			class := "ink"
			if i >= named {
				class = "mute"
			}
			out.text(x, e.top+float64(i+1)*(fontSize+2)-3, "start", class, s)
		}
	}
}

// legend writes a row for each line and returns where they end.
func (c Chart) legend(out *canvas, y float64) float64 {
	for _, l := range c.Lines {
		name := strings.TrimSuffix(l.Name+": "+strings.Join(l.Notes, ", "), ": ")
		for i, s := range wrap(name, out.width-44) {
			y += lineStep + 2
			if i == 0 {
				middle := y - 4.5
				fmt.Fprintf(&out.b, `<g fill="%s">`, colour(l.Hue))
				stroke(out, fmt.Sprintf("M0 %sL34 %s", num(middle), num(middle)), l)
				fmt.Fprintf(&out.b, `<path d="%s"/></g>`, marker(l.Pattern, 17, middle))
			}
			out.text(44, y, "start", "ink", s)
		}
	}
	return y + 6
}
