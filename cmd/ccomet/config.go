package main

import (
	_ "embed"
	"fmt"
	"io"

	"ccomet/cmd/ccomet/internal/configfile"
)

// config are the commands for configuration files.
type config struct {
	Example configExample `cmd:"" help:"Print a TOML file with every setting at its default, and its explanation."`
	Check   configCheck   `cmd:"" help:"List all mistakes in a configuration file, and what is unwise in it."`
}

//go:embed ccomet.toml
var exampleFile string

// configExample prints an example file.
type configExample struct{}

func (configExample) Run(out io.Writer) error {
	_, err := io.WriteString(out, exampleFile)
	return err
}

// configCheck lists the mistakes in a file.
type configCheck struct {
	File string `arg:"" help:"The file: TOML, or an icomet.conf; the program tells them apart by their text."`
}

// Help is the text of --help beside the flags.
func (*configCheck) Help() string {
	return `It prints a line for each mistake: FILE:LINE: key: what is wrong, and what is wanted. The exit status is 0 if
there are at most warnings, and 2 otherwise. It ignores the environment, which overrides the file.`
}

// Run reads the file as the server would.
func (c *configCheck) Run(out io.Writer) error {
	problems, err := configfile.Check(c.File)
	if err != nil {
		return settingsError{err}
	}
	mistakes := 0
	for _, p := range problems {
		if p.Warning {
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
