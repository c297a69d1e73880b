package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
)

// config is the command about configuration files.
type config struct {
	Example configExample `cmd:"" help:"Print a TOML file with every setting at its default, and its explanation."`
	Check   configCheck   `cmd:"" help:"List all mistakes in a configuration file, and what is unwise in it."`
}

//go:embed ccomet.toml
var exampleFile string

// configExample prints a file to begin with.
type configExample struct{}

func (configExample) Run(out io.Writer) error {
	_, err := io.WriteString(out, exampleFile)
	return err
}

// configCheck tells what is wrong with a file.
type configCheck struct {
	File string `arg:"" help:"The file: TOML, or an icomet.conf. The program recognises which by the text."`
}

// Help is what --help says beside the flags.
func (*configCheck) Help() string {
	return `It prints a line for each mistake: FILE:LINE: key: what is wrong, and what is wanted. The exit status
is 0 if there are none but warnings, and 2 otherwise. It ignores the environment, which overrides the file.`
}

// Run reads the file as the server would.
func (c *configCheck) Run(out io.Writer) error {
	problems, err := checkConfigFile(c.File)
	if err != nil {
		return settingsError{err}
	}
	mistakes := 0
	for _, p := range problems {
		if p.warning {
			fmt.Fprintln(out, "warning: "+p.Error())
			continue
		}
		mistakes++
		fmt.Fprintln(out, p.Error())
	}
	switch mistakes {
	case 0:
		_, err := fmt.Fprintln(out, c.File+": no mistakes")
		return err
	case 1:
		return settingsError{fmt.Errorf("%s: 1 mistake", c.File)}
	}
	return settingsError{fmt.Errorf("%s: %d mistakes", c.File, mistakes)}
}

// newSettings is a parser of settings by file alone, and their flags.
func newSettings(options ...kong.Option) (*settings, []*kong.Flag, error) {
	var s struct{ settings }
	parser, err := kong.New(&s, options...)
	if err != nil {
		return nil, nil, err
	}
	_, err = parser.Parse(nil)
	return &s.settings, parser.Model.Flags, err
}

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
