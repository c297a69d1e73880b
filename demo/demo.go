// Package demo is a chat page: what a newcomer opens in two browser windows to
// see the server work, and the smallest complete client to read; and the
// clients for browsers, in web/js.
package demo

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// Where the pages publish, hear who is there, and read the server's figures.
const (
	PushPath     = "/demo/push"
	PresencePath = "/demo/psub"
	StatsPath    = "/demo/stats"
)

// Public maps these paths to the admin side's that do it.
func Public() map[string]string {
	return map[string]string{PushPath: "/push", PresencePath: "/psub", StatsPath: "/stats"}
}

//go:embed web
var web embed.FS

// Page is one file of the page, and the path it is served at.
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

// Pages returns all files: the document at "/", the rest under "/demo/", in
// their folders.
func Pages() []Page {
	var pages []Page
	err := fs.WalkDir(web, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := web.ReadFile(name)
		if err != nil {
			return err
		}
		at := "/demo" + strings.TrimPrefix(name, "web")
		if at == "/demo/index.html" {
			at = "/"
		}
		pages = append(pages, Page{at, contentTypes[path.Ext(name)], body})
		return nil
	})
	if err != nil {
		panic(err) // it is part of the program
	}
	return pages
}
