package plot

import (
	"fmt"
	"html"
	"regexp"
	"strings"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// heading is the title of a drawing and the lines below it, left-aligned.
type heading struct {
	title, sub   []string
	label        string // describes the drawing for readers who cannot see it
	height, wide vg.Length
}

// lineStep is the distance of two lines of text, as a multiple of the font
// size.
const lineStep = 1.3

func newHeading(head, sub string, width int) heading {
	h := heading{wide: vg.Length(max(width, 200)), label: head + ": " + sub}
	h.title, h.sub = wrap(title, head, h.wide), wrap(mute, sub, h.wide)
	h.height = height(title, h.title) + height(mute, h.sub) + 12
	return h
}

func height(s text.Style, lines []string) vg.Length {
	return vg.Length(len(lines)) * s.Font.Size * lineStep
}

// sheet begins a drawing with the heading. It returns the area of the given
// height below it, and a function that ends the drawing and returns it.
func (h heading) sheet(below vg.Length) (draw.Canvas, func() string) {
	svg := vgsvg.New(h.wide, h.height+below)
	c := draw.New(svg)
	y := writeLines(c, title, 0, c.Max.Y, h.title)
	writeLines(c, mute, 0, y, h.sub)
	return draw.Crop(c, 0, 0, 0, -h.height), func() string { return finish(svg, h.label) }
}

// writeLines writes lines below each other, and returns the height of the last
// one.
func writeLines(c draw.Canvas, s text.Style, x, y vg.Length, lines []string) vg.Length {
	for _, line := range lines {
		y -= s.Font.Size * lineStep
		c.FillText(s, vg.Point{X: x, Y: y}, line)
	}
	return y
}

// texts matches a text that vgsvg has written. Its style would override the
// style sheet of a page.
var texts = regexp.MustCompile(`\n\tstyle="font-family:[^"]*;font-size:([0-9]*)px;fill:#[0-9A-F]*">([^<]*)</text>`)

// finish returns the drawing as a string. Its size adapts to the page. The
// style of texts becomes attributes, which a style sheet can override. Each
// text has its computed length, with whatever font it is shown.
func finish(svg *vgsvg.Canvas, label string) string {
	var b strings.Builder
	svg.WriteTo(&b) // never fails: it writes to memory
	_, body, _ := strings.Cut(b.String()[strings.Index(b.String(), "<svg"):], ">\n")
	body = texts.ReplaceAllStringFunc(body, func(s string) string {
		found := texts.FindStringSubmatch(s)
		kind := kinds[found[1]]
		long := kind.Width(html.UnescapeString(found[2]))
		return fmt.Sprintf(` class="plot-%s" font-size="%s" textLength="%.5g" lengthAdjust="spacingAndGlyphs"%s>%s</text>`, kind.class, found[1], long, kind.weight, found[2])
	})
	w, h := svg.Size()
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="%s" viewBox="0 0 %.5g %.5g" width="%.5g" height="%.5g" font-family="'Liberation Sans', Arial, Helvetica, sans-serif" fill="%s">`+"\n",
		html.EscapeString(clean(label)), w, h, w, h, hex(grey)) + strings.TrimSpace(body)
}

// clean replaces control characters by spaces, and invalid UTF-8, so that XML
// can hold the text.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func widest(s text.Style, texts []string) vg.Length {
	w := vg.Length(0)
	for _, t := range texts {
		w = max(w, s.Width(t))
	}
	return w
}

// wrap breaks a text at spaces into lines of at most the width, and cuts longer
// words. An empty text has no lines.
func wrap(s text.Style, words string, width vg.Length) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(clean(words)) {
		word = shorten(s, word, width)
		switch {
		case line == "":
			line = word
		case s.Width(line+" "+word) <= width:
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

func shorten(s text.Style, word string, width vg.Length) string {
	if s.Width(word) <= width {
		return word
	}
	runes := []rune(word)
	for len(runes) > 1 && s.Width(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
