// Package demo is a chat page: what a newcomer opens in two browser windows to
// see the server work, and the smallest complete client to read.
package demo

import (
	"embed"
	"path"
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
}

// Pages returns all files: the document at "/", the rest under "/demo/".
func Pages() []Page {
	entries, err := web.ReadDir("web")
	if err != nil {
		panic(err) // it is part of the program
	}
	var pages []Page
	for _, entry := range entries {
		body, err := web.ReadFile("web/" + entry.Name())
		if err != nil {
			panic(err)
		}
		at := "/demo/" + entry.Name()
		if entry.Name() == "index.html" {
			at = "/"
		}
		pages = append(pages, Page{at, contentTypes[path.Ext(entry.Name())], body})
	}
	return pages
}
