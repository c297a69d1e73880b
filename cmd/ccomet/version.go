package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// release is the version of a build that does not know its own.
const release = "0.1.0-dev"

// version is the command that prints it.
type version struct{}

func (version) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, versionLine())
	return err
}

// versionLine is the version with all that is known of the build.
func versionLine() string {
	text := "ccomet " + versionName()
	if revision := revision(); revision != "" {
		text += " (revision " + revision + ")"
	}
	return fmt.Sprintf("%s, %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// versionName is the module's version where the build knows it: installed with
// "go install", or built from a tagged checkout.
func versionName() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return release
	}
	return info.Main.Version
}

// revision is the commit the program was built from, "" where unknown.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	id, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			id = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if id == "" {
		return ""
	}
	return id + changed
}
