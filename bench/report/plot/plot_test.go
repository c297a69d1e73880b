package plot

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const hostile = `<b onload="x">&'` + "\x00\x1b\xff" + `]]></title>`

func sampleChart(x, y Scale) Chart {
	c := Chart{Title: "a title " + hostile, Sub: "what it shows", X: Axis{Label: "things", Scale: x}, Y: Axis{Scale: y, Binary: true}}
	for i := range 5 {
		l := Line{Name: fmt.Sprintf("line number %d of several with a long name", i), Notes: []string{"a note", hostile}, Hue: i, Pattern: i}
		for p := range 40 {
			l.Points = append(l.Points, [2]float64{float64(p) * 2.4, float64((i + 1) * (p + 1) * 1000)})
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// drawings returns drawings of all kinds, with points and without.
func drawings() map[string]interface{ SVG(int) string } {
	all := map[string]interface{ SVG(int) string }{
		"empty chart": Chart{}, "empty bars": Bars{},
		"chart of empty lines": Chart{Lines: []Line{{Name: "none"}, {}}},
		"bars": Bars{Title: hostile, Groups: []Group{
			{hostile, []Bar{{Name: hostile, Note: hostile, Value: 3, Part: 1}, {Name: "bare", Value: 7, Hue: Neutral}}},
			{"odd", []Bar{{Value: math.NaN()}, {Value: math.Inf(1), Part: math.NaN()}, {Value: -3}, {Value: 0}, {Value: 1, Part: 2}}},
		}},
	}
	odd := [][2]float64{{math.NaN(), 1}, {1, math.NaN()}, {math.Inf(1), 1}, {1, math.Inf(-1)}, {0, 0}, {-5, -5}, {1e300, 1e300}, {1e-300, 1e-300}}
	for _, x := range []Scale{Linear, Log, Nines} {
		for _, y := range []Scale{Linear, Log} {
			name := fmt.Sprintf("scales %d and %d", x, y)
			all[name] = sampleChart(x, y)
			all[name+", odd values"] = Chart{X: Axis{Scale: x}, Y: Axis{Scale: y}, Lines: []Line{{Name: "odd", Points: odd}}}
			all[name+", one point"] = Chart{X: Axis{Scale: x}, Y: Axis{Scale: y}, Lines: []Line{{Name: "one", Points: [][2]float64{{50, 50}}}}}
		}
	}
	return all
}

var places = regexp.MustCompile(`[ML](-?[0-9.e+-]+),(-?[0-9.e+-]+)`)

// TestDrawingsAreWhole checks that drawings are XML with known elements only,
// and that everything is inside their frame.
func TestDrawingsAreWhole(t *testing.T) {
	for name, d := range drawings() {
		for _, width := range []int{0, 328, 560, 720} {
			svg := d.SVG(width)
			if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("%s, %d wide: holds what is not a number", name, width)
			}
			var frame [2]float64
			decoder := xml.NewDecoder(strings.NewReader(svg))
			for {
				token, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s, %d wide: %v", name, width, err)
				}
				element, ok := token.(xml.StartElement)
				if !ok {
					continue
				}
				switch element.Name.Local {
				case "svg":
					frame = [2]float64{attribute(t, element, "width"), attribute(t, element, "height")}
				case "path":
					for _, at := range places.FindAllStringSubmatch(value(element, "d"), -1) {
						x, _ := strconv.ParseFloat(at[1], 64)
						y, _ := strconv.ParseFloat(at[2], 64)
						inside(t, name, frame, x, y)
					}
				case "text":
					x, y := attribute(t, element, "x"), -attribute(t, element, "y")
					inside(t, name, frame, x, y)
					inside(t, name, frame, x+attribute(t, element, "textLength"), y)
				case "g":
				default:
					t.Errorf("%s: element %s", name, element.Name.Local)
				}
			}
		}
	}
}

func inside(t *testing.T, name string, frame [2]float64, x, y float64) {
	t.Helper()
	const marker = 6 // markers may extend beyond the frame
	if x < -marker || y < -marker || x > frame[0]+marker || y > frame[1]+marker {
		t.Errorf("%s: something at %v, %v is outside of %v", name, x, y, frame)
	}
}

func value(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func attribute(t *testing.T, e xml.StartElement, name string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(value(e, name), 64)
	if err != nil {
		t.Errorf("%s of %s: %v", name, e.Name.Local, err)
	}
	return v
}

// TestTicks checks that all values are within the axis, and that it has
// labelled ticks in ascending order, evenly spaced and not too many.
func TestTicks(t *testing.T) {
	for _, scale := range []Scale{Linear, Log, Nines} {
		for _, binary := range []bool{false, true} {
			for _, values := range [][]float64{nil, {0}, {1}, {50}, {99.5}, {3, 99}, {1, 2, 3}, {1000, 1e6}, {7e9, 8e9}, {1.5, 3e12}, {-4, 9}, {0.03, 0.5}} {
				for wanted := 2; wanted <= 8; wanted++ {
					a := Axis{Scale: scale, Binary: binary}
					values := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !a.shown(v) })
					p := newPlot()
					a.fit(&p.X, values, 1, wanted)
					var at []float64
					for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
						if !tick.IsMinor() {
							at = append(at, p.X.Norm(tick.Value))
						}
					}
					name := fmt.Sprintf("scale %d, binary %v, %v, %d wanted: labels at %v", scale, binary, values, wanted, at)
					for _, v := range values {
						if at := p.X.Norm(v); at < -1e-9 || at > 1+1e-9 {
							t.Errorf("%s: %v is at %v", name, v, at)
						}
					}
					if len(at) == 0 || len(at) > wanted {
						t.Errorf("%s: %d ticks", name, len(at))
					}
					for i, v := range at {
						if v < -1e-9 || v > 1+1e-9 || i > 0 && v <= at[i-1] {
							t.Errorf("%s: tick %d does not rise within the axis", name, i)
						}
						if scale == Linear && i > 1 && math.Abs(v-2*at[i-1]+at[i-2]) > 1e-9 {
							t.Errorf("%s: the ticks are uneven", name)
						}
					}
				}
			}
		}
	}
}

func TestNines(t *testing.T) {
	for i, v := range []float64{0, 90, 99, 99.9, 99.99} {
		if at := (nines{}).Normalize(0, 99.99, v); math.Abs(at-float64(i)/4) > 1e-6 {
			t.Errorf("%v %% is at %v, want %v", v, at, float64(i)/4)
		}
	}
}

// TestLabelsKeepApart checks that the labels do not overlap when lines end at
// the same point, at the top or at the bottom.
func TestLabelsKeepApart(t *testing.T) {
	for _, last := range []float64{5, 2.5, 0} {
		c := Chart{}
		for i := range 6 {
			c.Lines = append(c.Lines, Line{Name: fmt.Sprint("line ", i), Notes: []string{"a note"}, Points: [][2]float64{{1, 5}, {2, last}}})
		}
		ends, _ := c.ends()
		p := c.plot(560)
		data := p.DataCanvas(draw.New(vgsvg.New(560, 300)))
		place(data, p, ends)
		for i := 1; i < len(ends); i++ {
			if below := ends[i-1].top - ends[i-1].height(); ends[i].top > below {
				t.Errorf("lines end at %v: label %d begins at %v, the one above ends at %v", last, i, ends[i].top, below)
			}
		}
		if ends[0].top > data.Max.Y+8.01 {
			t.Errorf("lines end at %v: the first label begins at %v, above the lines at %v", last, ends[0].top, data.Max.Y)
		}
		if l := ends[len(ends)-1]; l.top-l.height() < data.Min.Y-8.01 {
			t.Errorf("lines end at %v: the last label ends at %v, below the lines at %v", last, l.top-l.height(), data.Min.Y)
		}
	}
}

// TestLinesDiffer checks that lines of the same colour differ otherwise.
func TestLinesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for pattern := range 6 {
		svg := vgsvg.New(10, 10)
		c := draw.New(svg)
		c.DrawGlyph(glyphStyle(Line{Pattern: pattern}), c.Center())
		for _, look := range []string{finish(svg, ""), fmt.Sprint(lineStyle(Line{Pattern: pattern}).Dashes)} {
			if seen[look] {
				t.Errorf("pattern %d looks like one before: %s", pattern, look)
			}
			seen[look] = true
		}
	}
}

// TestContrast checks that all colours have enough contrast on white and on a
// dark page.
func TestContrast(t *testing.T) {
	for hue := Neutral; hue < numHues; hue++ {
		for _, page := range []string{"#ffffff", "#0d1117"} {
			a, b := luminance(t, hex(colour(hue))), luminance(t, page)
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.25 {
				t.Errorf("%s on %s: contrast %.2f", hex(colour(hue)), page, ratio)
			}
		}
	}
}

// luminance is the relative luminance that WCAG defines.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(colour[1:], 16, 24)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, share := range []float64{0.0722, 0.7152, 0.2126} {
		v := float64(n>>(8*i)&255) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += v * share
	}
	return sum
}
