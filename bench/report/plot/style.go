package plot

import (
	"fmt"
	"image/color"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// These colours have a contrast of at least 4.3 both on white and on #0d1117.
var (
	grey = color.NRGBA{0x74, 0x7a, 0x80, 0xff}
	hues = [numHues]color.NRGBA{
		{0x22, 0x79, 0xdb, 0xff}, {0xc3, 0x5b, 0x02, 0xff}, {0x16, 0x8b, 0x48, 0xff}, {0x9c, 0x56, 0xdd, 0xff},
		{0x08, 0x86, 0x90, 0xff}, {0xde, 0x39, 0x4b, 0xff}, {0x83, 0x7b, 0x05, 0xff}, {0xcd, 0x42, 0x90, 0xff},
	}
)

// numHues is the number of colours. A Hue beyond it begins again with the first.
const numHues = 8

// Neutral is the Hue of the baseline that others are compared with.
const Neutral = -1

func colour(hue int) color.NRGBA {
	if hue < 0 {
		return grey
	}
	return hues[hue%numHues]
}

func faint(c color.NRGBA, opacity float64) color.NRGBA {
	c.A = uint8(opacity * 255)
	return c
}

// The kinds of text. Their sizes must differ: finish recognizes a kind by its
// size.
var (
	title = style(15, xfont.WeightBold)
	ink   = style(13, xfont.WeightNormal)
	mute  = style(12, xfont.WeightNormal)
)

// kinds holds the kinds of text by size, with the class and the further
// attribute that each has in SVG.
var kinds = map[string]struct {
	text.Style
	class, weight string
}{
	"15": {title, "title", ` font-weight="bold"`},
	"13": {ink, "ink", ""},
	"12": {mute, "mute", ""},
}

func style(size vg.Length, weight xfont.Weight) text.Style {
	return text.Style{
		Color:   grey,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: size},
		Handler: plot.DefaultTextHandler,
	}
}

var dashes = [][]vg.Length{nil, {7, 4}, {2, 3}, {11, 3, 2, 3}, {14, 5}, {4, 2, 1, 2}}

func lineStyle(l Line) draw.LineStyle {
	return draw.LineStyle{Color: colour(l.Hue), Width: 2, Dashes: dashes[index(l.Pattern, len(dashes))]}
}

var markers = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{},
	polygon{{X: 0, Y: 1.3}, {X: 1.3, Y: 0}, {X: 0, Y: -1.3}, {X: -1.3, Y: 0}},
	polygon{{X: 0, Y: -1.2}, {X: 1.1, Y: 0.8}, {X: -1.1, Y: 0.8}},
	polygon{{X: -1.3, Y: -0.4}, {X: -1.3, Y: 0.4}, {X: 1.3, Y: 0.4}, {X: 1.3, Y: -0.4}},
}

func glyphStyle(l Line) draw.GlyphStyle {
	return draw.GlyphStyle{Color: colour(l.Hue), Radius: 4, Shape: markers[index(l.Pattern, len(markers))]}
}

func index(n, of int) int { return (n%of + of) % of }

// polygon is a filled marker with a radius of about 1.
type polygon []vg.Point

// DrawGlyph implements draw.GlyphDrawer.
func (p polygon) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, at vg.Point) {
	corners := make([]vg.Point, len(p))
	for i, corner := range p {
		corners[i] = at.Add(corner.Scale(s.Radius))
	}
	c.FillPolygon(s.Color, corners)
}

// newPlot returns a plot without a frame, which shows only the horizontal axis
// and the grid.
func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Padding = 0
		a.LineStyle = draw.LineStyle{}
		a.Tick.LineStyle = draw.LineStyle{}
		a.Tick.Length = 0
		a.Label.TextStyle = mute
		place := a.Tick.Label
		a.Tick.Label = mute
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = place.XAlign, place.YAlign
	}
	p.X.Label.TextStyle.XAlign = draw.XCenter
	p.X.Label.Padding = 4
	p.X.Tick.Label.YAlign = draw.YTop - 0.2 // keeps a distance from the ticks
	p.Y.Padding = 6
	return p
}

// hex writes a colour as SVG does.
func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
