// Package demo is what a newcomer opens in a browser to see the server work: a
// chat, a page for each transport with its raw bytes, and live counters. With
// them come the clients for browsers, in web/js.
package demo

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// Where the pages publish, hear which users are there, and read the server's figures.
const (
	PushPath     = "/demo/push"
	PresencePath = "/demo/psub"
	StatsPath    = "/demo/stats"
)

// Public maps these paths to the admin side's that do it.
func Public() map[string]string {
	return map[string]string{PushPath: "/push", PresencePath: "/psub", StatsPath: "/stats"}
}

// Where a newcomer begins.
const (
	ChatPath       = "/"
	TransportsPath = "/demo/transports"
	CountersPath   = "/demo/counters"
)

//go:embed web
var web embed.FS

// Page is one file of the demo, and the path it is served at.
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

// Pages returns all files: the documents, whose paths have no ending, the chat
// at "/"; and the rest under "/demo/", in their folders.
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
		panic(err) // it is part of the program
	}
	return pages
}

// documentPath is where the document of a file is served.
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
		panic(err) // it is part of the program
	}
	return body
}
