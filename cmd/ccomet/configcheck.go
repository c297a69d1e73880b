package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"
)

// settings are those of a file, and the defaults of the rest.
func (f *configFile) settings() (*settings, error) {
	s, _, err := newSettings(kong.Resolvers(compatDefaults{f.compat()}, f))
	if err == nil {
		s.Compat = cmp.Or(s.Compat, compatNone)
		s.trim()
	}
	return s, err
}

// checkConfigFile finds all that is wrong with a file, in its order.
func checkConfigFile(name string) ([]problem, error) {
	_, flags, err := newSettings()
	if err != nil {
		return nil, err
	}
	f, err := readConfigFile(name, flags, compatByStart)
	if err != nil {
		return nil, err
	}
	s, err := f.settings()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, bad := range s.check() {
		f.problems = append(f.problems, f.about(bad.name, bad.reason))
	}
	if s.Secret != "" && othersRead(name) {
		f.warn(f.entries["secret"].line, "secret", "other users may read this file: chmod go-r %s", name)
	}
	for _, unwise := range s.unwise() {
		p := f.about(unwise.name, unwise.reason)
		e, said := f.entries[unwise.name]
		implied := said && e.line == 0
		if unwise.name == "log-rotate-size" && f.icomet {
			implied = true // its files have a size, whatever the output
		}
		wrong := slices.ContainsFunc(f.problems, func(q problem) bool { return q.key == p.key && !q.warning })
		if p.warning = true; !implied && !wrong {
			f.problems = append(f.problems, p)
		}
	}
	return f.inOrder(), nil
}

// othersRead says whether other users may read a file.
func othersRead(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().Perm()&0o044 != 0
}
