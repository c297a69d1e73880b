package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Chart is a plot of lines over two axes.
type Chart struct {
	Title, Sub string // the heading, and the line below it, which names the vertical axis
	X, Y       Axis
	Lines      []Line
}

// Line is one of them. Values that are not finite, or that an axis cannot
// show, are left out.
type Line struct {
	Name    string
	Notes   []string // further lines of its label
	Hue     int      // colour; any number, or Neutral
	Pattern int      // dashes and markers; any number
	Points  [][2]float64
}

// Below this width the lines are named in a legend under the plot, instead of
// at their ends.
const narrow = 460

// SVG draws the chart, so many pixels wide; below 200 there is no room.
func (c Chart) SVG(width int) string {
	out := &canvas{width: float64(max(width, 200))}
	a := c.area(out)
	c.grid(out, a)
	for _, l := range c.Lines {
		c.line(out, a, l)
	}
	height := a.bottom + 26
	if c.X.Label != "" {
		height += lineStep
		out.text((a.left+a.right)/2, height-5, "middle", "mute", c.X.Label)
	}
	if a.direct {
		drawEnds(out, a, c.ends(a))
	} else {
		height = c.legend(out, height+8)
	}
	return out.finish(height+2, c.Title+": "+c.Sub)
}

// area is where the lines are drawn.
type area struct {
	left, right, top, bottom float64
	x, y                     fitted
	direct                   bool // lines are named at their ends
}

func (a area) place(p [2]float64) (x, y float64) {
	return a.left + a.x.at(p[0])*(a.right-a.left), a.bottom - a.y.at(p[1])*(a.bottom-a.top)
}

func (c Chart) area(out *canvas) area {
	var xs, ys []float64
	for _, l := range c.Lines {
		for _, p := range c.shown(l) {
			xs, ys = append(xs, p[0]), append(ys, p[1])
		}
	}
	a := area{top: out.header(c.Title, c.Sub) + 10}
	a.bottom = a.top + min(max(out.width*0.48, 190), 300)
	a.y = c.Y.fit(ys, 6, false)
	for _, v := range a.y.ticks {
		a.left = max(a.left, textWidth(c.Y.format(v))+8)
	}
	var names []string
	lines := 0
	for _, l := range c.Lines {
		wrapped := endLines(l)
		names = append(names, wrapped...)
		lines += len(wrapped)
	}
	room := widest(names) + 22
	a.direct = out.width >= narrow && room < out.width*0.4 && float64(lines)*(fontSize+2) < a.bottom-a.top
	a.right = out.width - room
	// As many ticks as there is room for; the last one's label may stand half
	// beyond the end.
	for wanted := 8; wanted > 1; wanted-- {
		a.x = c.X.fit(xs, wanted, true)
		if !a.direct {
			a.right = out.width - textWidth(a.x.format(a.x.ticks[len(a.x.ticks)-1]))/2 - 4
		}
		if len(a.labelled()) == len(a.x.ticks) {
			break
		}
	}
	return a
}

// labelled is the horizontal axis's ticks whose labels do not touch the one
// before.
func (a area) labelled() []float64 {
	var ticks []float64
	free := math.Inf(-1)
	for _, v := range a.x.ticks {
		half := textWidth(a.x.format(v)) / 2
		if x, _ := a.place([2]float64{v, a.y.ticks[0]}); x-half >= free {
			ticks = append(ticks, v)
			free = x + half + 8
		}
	}
	return ticks
}

// shown is the points that both axes can show.
func (c Chart) shown(l Line) [][2]float64 {
	var points [][2]float64
	for _, p := range l.Points {
		if c.X.shown(p[0]) && c.Y.shown(p[1]) {
			points = append(points, p)
		}
	}
	return points
}

func (a Axis) format(v float64) string {
	if a.Format == nil {
		return num(v)
	}
	return a.Format(v)
}

func (c Chart) grid(out *canvas, a area) {
	for _, v := range a.y.ticks {
		_, y := a.place([2]float64{a.x.ticks[0], v})
		out.rule(a.left, y, a.right, y, false)
		out.text(a.left-8, y+4.5, "end", "mute", c.Y.format(v))
	}
	for _, v := range a.labelled() {
		x, _ := a.place([2]float64{v, a.y.ticks[0]})
		out.rule(x, a.bottom, x, a.bottom+5, true)
		out.text(x, a.bottom+20, "middle", "mute", c.X.format(v))
	}
	out.rule(a.left, a.bottom, a.right, a.bottom, true)
}

// line draws the dashed line, and markers on at most some 12 of its points.
func (c Chart) line(out *canvas, a area, l Line) {
	points := c.shown(l)
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(&out.b, `<g fill="%s">`, colour(l.Hue))
	var path strings.Builder
	for i, p := range points {
		x, y := a.place(p)
		path.WriteByte("ML"[min(i, 1)])
		path.WriteString(num(x) + " " + num(y))
	}
	stroke(out, path.String(), l)
	every := max((len(points)+11)/12, 1)
	for i, p := range points {
		if i%every != 0 && i != len(points)-1 {
			continue
		}
		x, y := a.place(p)
		hint := clean(fmt.Sprintf("%s: %s, %s", l.Name, c.X.format(p[0]), c.Y.format(p[1])))
		fmt.Fprintf(&out.b, `<path d="%s"><title>%s</title></path>`, marker(l.Pattern, x, y), html.EscapeString(hint))
	}
	out.b.WriteString("</g>")
}

func stroke(out *canvas, path string, l Line) {
	dashes := []string{"", "7 4", "2 3", "11 3 2 3", "14 5", "4 2 1 2"}
	dash := ""
	if d := dashes[abs(l.Pattern)%len(dashes)]; d != "" {
		dash = fmt.Sprintf(` stroke-dasharray="%s"`, d)
	}
	fmt.Fprintf(&out.b, `<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"%s/>`, path, colour(l.Hue), dash)
}

// marker is the outline of a circle, square, triangle, diamond, or one of the
// triangles' and squares' turned or hollow kin.
func marker(pattern int, x, y float64) string {
	corners := [][]float64{
		nil,
		{-3.5, -3.5, 3.5, -3.5, 3.5, 3.5, -3.5, 3.5},
		{0, -4.6, 4.4, 3.4, -4.4, 3.4},
		{0, -5, 5, 0, 0, 5, -5, 0},
		{0, 4.6, 4.4, -3.4, -4.4, -3.4},
		{-1.3, -4.5, 1.3, -4.5, 1.3, -1.3, 4.5, -1.3, 4.5, 1.3, 1.3, 1.3, 1.3, 4.5, -1.3, 4.5, -1.3, 1.3, -4.5, 1.3, -4.5, -1.3, -1.3, -1.3},
	}
	shape := corners[abs(pattern)%len(corners)]
	if shape == nil {
		return fmt.Sprintf("M%s %sa4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", num(x-4), num(y))
	}
	var b strings.Builder
	for i := 0; i < len(shape); i += 2 {
		b.WriteByte("ML"[min(i, 1)])
		b.WriteString(num(x+shape[i]) + " " + num(y+shape[i+1]))
	}
	return b.String() + "z"
}

func abs(n int) int { return int(math.Abs(float64(n))) }
