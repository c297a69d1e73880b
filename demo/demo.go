// Package demo contains the pages that show a newcomer the server at work: a chat, a page for each transport
// with its raw bytes, and live counters. The clients for browsers are in web/js.
package demo

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// Paths at which the pages publish, receive presence, and read the server's counters.
const (
	PushPath     = "/demo/push"
	PresencePath = "/demo/psub"
	StatsPath    = "/demo/stats"
)

// Public maps these paths to paths of the admin side.
func Public() map[string]string {
	return map[string]string{PushPath: "/push", PresencePath: "/psub", StatsPath: "/stats"}
}

// The first page to open, and the others.
const (
	ChatPath       = "/"
	TransportsPath = "/demo/transports"
	CountersPath   = "/demo/counters"
)

//go:embed web
var web embed.FS

// Page is one file of the demo, with the path at which it is served.
type Page struct {
	Path, ContentType string
	Body              []byte
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".ts":   "text/plain; charset=utf-8", // types, for editors
}

// Pages returns all files. The paths of documents have no extension; the chat is at "/". All other files are
// under "/demo/", in their folders.
func Pages() []Page {
	var pages []Page
	err := fs.WalkDir(web, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		kind := path.Ext(name)
		page := Page{"/demo" + strings.TrimPrefix(name, "web"), contentTypes[kind], file(name)}
		if kind == ".html" {
			page.Path = documentPath(name)
			page.Body = document(name, page.Path)
		}
		pages = append(pages, page)
		return nil
	})
	if err != nil {
		panic(err) // cannot fail: the files are part of the program
	}
	return pages
}

// documentPath returns the path at which the document of a file is served.
func documentPath(name string) string {
	base := strings.TrimSuffix(path.Base(name), ".html")
	if base == "index" {
		return ChatPath
	}
	return "/demo/" + base
}

func file(name string) []byte {
	body, err := web.ReadFile(name)
	if err != nil {
		panic(err) // cannot fail: the files are part of the program
	}
	return body
}
