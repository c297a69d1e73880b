package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// release is the version that the linker sets (-X main.release=v1.2.3), as the Makefile and the
// Dockerfile do.
var release = ""

// version is the command that prints the version.
type version struct{}

func (version) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, versionLine())
	return err
}

// versionLine returns the version with everything known about the build.
func versionLine() string {
	text := "ccomet " + versionName()
	if revision := revision(); revision != "" {
		text += " (revision " + revision + ")"
	}
	return fmt.Sprintf("%s, %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// versionName returns the version of this build.
func versionName() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info, release)
}

// versionOf returns the linker's version; else the version that Go has recorded, from the tag
// of a checkout or from "go install"; else "devel".
func versionOf(info *debug.BuildInfo, release string) string {
	recorded := ""
	if info != nil && info.Main.Version != "(devel)" {
		recorded = info.Main.Version
	}
	return cmp.Or(release, recorded, "devel")
}

// revision returns the commit of the build, or "" if it is unknown.
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
