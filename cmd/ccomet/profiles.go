package main

import (
	"net/http"
	"net/http/pprof"
)

// profilesPath is where the program's own profiles are.
const profilesPath = "/debug/pprof/"

// addProfiles has the admin side serve profiles. The command line, which is one of
// them elsewhere, is not: a secret may be on it.
func addProfiles(handlers map[string]http.Handler) {
	handlers[profilesPath] = http.HandlerFunc(pprof.Index)
	handlers[profilesPath+"profile"] = http.HandlerFunc(pprof.Profile)
	handlers[profilesPath+"symbol"] = http.HandlerFunc(pprof.Symbol)
	handlers[profilesPath+"trace"] = http.HandlerFunc(pprof.Trace)
}
