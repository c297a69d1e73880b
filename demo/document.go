package demo

import (
	_ "embed"
	"path"
	"strings"
)

// A document is made once, when the server starts, of a file and what all
// documents share:
//
//  1. The file has lines for the document's head, an empty line, and its body.
//  2. The body of a transport's page goes into one layout with its example's
//     source, so that what is shown is what runs.
//  3. Head and body go into the layout of all pages, with the navigation, which
//     marks where one is.

//go:embed layout/page.html
var pageLayout string

//go:embed layout/transport.html
var transportLayout string

var textForHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// document makes the document of the HTML file name, to be served at a path.
func document(name, at string) []byte {
	head, body, _ := strings.Cut(string(file(name)), "\n\n")
	current := markCurrent(at, "page")
	layout := current.Replace(pageLayout)
	if source, ok := strings.CutSuffix(name, ".html"); ok && path.Base(path.Dir(name)) == "transport" {
		body = strings.NewReplacer(
			"{{about}}", body,
			"{{name}}", path.Base(source),
			"{{source}}", textForHTML.Replace(string(file(source+".js"))),
		).Replace(current.Replace(transportLayout))
		layout = markCurrent(TransportsPath, "true").Replace(pageLayout)
	}
	return []byte(strings.NewReplacer("{{head}}", head, "{{body}}", body).Replace(layout))
}

// markCurrent marks the link to a path as the place where one is.
func markCurrent(path, how string) *strings.Replacer {
	return strings.NewReplacer(`<a href="`+path+`"`, `<a href="`+path+`" aria-current="`+how+`"`)
}
