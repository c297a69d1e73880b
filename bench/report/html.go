package report

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// The widths of a page's plots in pixels: side by side, and on a phone.
const (
	wideWidth   = 560
	narrowWidth = 328
)

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"css":          func() template.CSS { return template.CSS(pageCSS) },
	"emulatedLine": func() string { return emulatedLine },
	"wide":         func(f figure) template.HTML { return template.HTML(f.Drawing.SVG(wideWidth)) },
	"narrow":       func(f figure) template.HTML { return template.HTML(f.Drawing.SVG(narrowWidth)) },
	"inc":          func(i int) int { return i + 1 },
}).Parse(pageHTML))

func (p *page) html(w io.Writer) error { return pageTemplate.Execute(w, p) }
