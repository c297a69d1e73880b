package demo

import (
	_ "embed"
	"path"
	"strings"
)

// A document is built once, when the server starts:
//
//  1. Its file has lines for the document's head, an empty line, and the body.
//  2. The body of a transport's page is put into a common layout, together with the source of its example, so
//     the source that is shown is the one that runs.
//  3. Head and body are put into the layout of all pages, in whose navigation the current page is marked.

//go:embed layout/page.html
var pageLayout string

//go:embed layout/transport.html
var transportLayout string

var textForHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// document returns the document of an HTML file, for the path at which it is served.
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

// markCurrent marks the link to a path as the current page.
func markCurrent(path, how string) *strings.Replacer {
	return strings.NewReplacer(`<a href="`+path+`"`, `<a href="`+path+`" aria-current="`+how+`"`)
}
