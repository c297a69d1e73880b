package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Colours with a contrast of at least 4.3 both on white and on #0d1117.
const grey = "#747a80"

var hues = [Hues]string{"#2279db", "#c35b02", "#168b48", "#9c56dd", "#088690", "#de394b", "#837b05", "#cd4290"}

// Hues is how many colours there are; a larger Hue begins again.
const Hues = 8

// Neutral is the Hue of what things are compared with.
const Neutral = -1

func colour(hue int) string {
	if hue < 0 {
		return grey
	}
	return hues[hue%Hues]
}

const (
	fontSize = 13.0 // of all text but titles
	lineStep = 17.0 // from one line of text to the next
)

// canvas gathers the elements of a drawing. Places are in pixels from the top
// left.
type canvas struct {
	b     strings.Builder
	width float64
}

// finish wraps what was drawn. The label tells readers who do not see what
// the drawing shows.
func (c *canvas) finish(height float64, label string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="%s" viewBox="0 0 %s %s" width="%s" height="%s" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="%s" fill="%s">`,
		html.EscapeString(clean(label)), num(c.width), num(height), num(c.width), num(height), num(fontSize), grey) +
		c.b.String() + "</svg>"
}

// text writes one line; anchor is start, middle or end, class ink or mute.
func (c *canvas) text(x, y float64, anchor, class, s string) {
	weight := ""
	if class == "title" {
		weight = ` font-weight="600" font-size="15"`
	}
	fmt.Fprintf(&c.b, `<text x="%s" y="%s" text-anchor="%s" class="plot-%s"%s>%s</text>`, num(x), num(y), anchor, class, weight, html.EscapeString(clean(s)))
}

// rule draws a line of the grid; a strong one is an axis.
func (c *canvas) rule(x1, y1, x2, y2 float64, strong bool) {
	opacity := "0.25"
	if strong {
		opacity = "0.8"
	}
	fmt.Fprintf(&c.b, `<path d="M%s %sL%s %s" class="plot-grid" stroke="%s" stroke-opacity="%s"/>`, num(x1), num(y1), num(x2), num(y2), grey, opacity)
}

// header writes the title and what is below it, and returns where they end.
func (c *canvas) header(title, sub string) float64 {
	y := 0.0
	for _, line := range wrap(title, c.width/1.35) { // titles are larger and bold
		y += lineStep + 1
		c.text(0, y, "start", "title", line)
	}
	for _, line := range wrap(sub, c.width) {
		y += lineStep
		c.text(0, y, "start", "mute", line)
	}
	return y + 10
}

// num writes a coordinate, to a tenth of a pixel.
func num(v float64) string {
	s := fmt.Sprintf("%.1f", math.Round(v*10)/10)
	return strings.TrimSuffix(s, ".0")
}

// clean leaves out the characters that XML cannot hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// textWidth is about how wide a text is. It is generous, since fonts differ.
func textWidth(s string) float64 {
	w := 0.0
	for _, r := range s {
		switch {
		case strings.ContainsRune("ijlI.,:;'|! ", r):
			w += 0.36
		case strings.ContainsRune("frt()/-·", r):
			w += 0.44
		case strings.ContainsRune("mwMW%–", r):
			w += 0.95
		case r >= 'A' && r <= 'Z':
			w += 0.71
		case r > 0x2E7F: // full width
			w += 1
		default:
			w += 0.61
		}
	}
	return w * fontSize
}

func widest(texts []string) float64 {
	w := 0.0
	for _, s := range texts {
		w = max(w, textWidth(s))
	}
	return w
}

// wrap breaks a text at spaces into lines of at most the width; a word that is
// wider is cut. An empty text has no lines.
func wrap(s string, width float64) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(clean(s)) {
		word = shorten(word, width)
		switch {
		case line == "":
			line = word
		case textWidth(line+" "+word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

func shorten(s string, width float64) string {
	if textWidth(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 1 && textWidth(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
