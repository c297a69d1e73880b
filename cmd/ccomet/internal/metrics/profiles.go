package metrics

import (
	"net/http"
	"net/http/pprof"
)

// ProfilesPath is where the program's own profiles are.
const ProfilesPath = "/debug/pprof/"

// AddProfiles has the admin side serve profiles. The command line, which is one of
// them elsewhere, is not: a secret may be on it.
func AddProfiles(handlers map[string]http.Handler) {
	handlers[ProfilesPath] = http.HandlerFunc(pprof.Index)
	handlers[ProfilesPath+"profile"] = http.HandlerFunc(pprof.Profile)
	handlers[ProfilesPath+"symbol"] = http.HandlerFunc(pprof.Symbol)
	handlers[ProfilesPath+"trace"] = http.HandlerFunc(pprof.Trace)
}
