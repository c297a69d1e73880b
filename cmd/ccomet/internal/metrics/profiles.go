package metrics

import (
	"net/http"
	"net/http/pprof"
)

// ProfilesPath is the path of the program's profiles.
const ProfilesPath = "/debug/pprof/"

// AddProfiles adds profiles to the admin side. It leaves out pprof's command line, which
// may contain a secret.
func AddProfiles(handlers map[string]http.Handler) {
	handlers[ProfilesPath] = http.HandlerFunc(pprof.Index)
	handlers[ProfilesPath+"profile"] = http.HandlerFunc(pprof.Profile)
	handlers[ProfilesPath+"symbol"] = http.HandlerFunc(pprof.Symbol)
	handlers[ProfilesPath+"trace"] = http.HandlerFunc(pprof.Trace)
}
