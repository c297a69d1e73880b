package configfile

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/settings"
)

// settings returns the settings of a file, with defaults for the rest.
func (f *File) settings() (*settings.Settings, error) {
	s, _, err := settings.New(kong.Resolvers(CompatDefaults{f.Compat()}, f))
	if err == nil {
		s.Compat = cmp.Or(s.Compat, settings.CompatNone)
		s.Trim()
	}
	return s, err
}

// Check returns all mistakes and warnings of a file, in the order of its lines.
func Check(name string) ([]problem, error) {
	_, flags, err := settings.New()
	if err != nil {
		return nil, err
	}
	f, err := Read(name, flags, settings.CompatByStart)
	if err != nil {
		return nil, err
	}
	s, err := f.settings()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, bad := range s.Check() {
		f.problems = append(f.problems, f.About(bad.Name, bad.Reason))
	}
	for key, secret := range map[string]bool{"secret": s.Secret != "", "redis": s.HasRedisPassword()} {
		if secret && othersRead(name) {
			f.warn(f.Entries[key].line, key, "other users may read this file: chmod go-r %s", name)
		}
	}
	for _, unwise := range s.Unwise() {
		p := f.About(unwise.Name, unwise.Reason)
		e, said := f.Entries[unwise.Name]
		implied := said && e.line == 0
		if unwise.Name == "log-rotate-size" && f.icomet {
			implied = true // an icomet.conf always has a size, even without a log file
		}
		wrong := slices.ContainsFunc(f.problems, func(q problem) bool { return q.key == p.key && !q.Warning })
		if p.Warning = true; !implied && !wrong {
			f.problems = append(f.problems, p)
		}
	}
	return f.InOrder(), nil
}

// othersRead reports whether other users may read a file.
func othersRead(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().Perm()&0o044 != 0
}
