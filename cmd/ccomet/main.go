// Command ccomet is a comet server: it holds the connections of clients that
// wait, and pushes to them. See "ccomet serve --help".
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/cmd/ccomet/internal/upgrade"
)

// commandLine are the commands and flags of ccomet.
type commandLine struct {
	Serve   serve          `cmd:"" help:"Run the server."`
	Health  health         `cmd:"" help:"Ask a server on this machine whether it is alive, or ready."`
	Doctor  doctorCommand  `cmd:"" help:"Check the limits of this machine, and a proxy in front, for a number of connections."`
	Config  config         `cmd:"" help:"Write and check configuration files."`
	Upgrade upgradeCommand `cmd:"" help:"Replace a running server by the program that is on the disk now, and keep every connection."`
	Icomet  icomet         `cmd:"" help:"Start and stop the server with iComet's command line."`
	Version version        `cmd:"" help:"Print the version."`

	PrintVersion kong.VersionFlag `name:"version" env:"-" help:"Print the version."`
}

// Exit statuses.
const (
	exitFailed   = 1 // the command failed, or the server had to stop
	exitSettings = 2 // the command line or the settings are invalid; nothing was done

	exitRestarted = 3 // the server could not be upgraded live, and was restarted in place
)

// settingsError is an error in the settings.
type settingsError struct{ error }

func (e settingsError) Unwrap() error { return e.error }

func main() {
	upgrade.Begin()
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run executes a command line, of which args[0] is the program's name. It returns the exit
// status.
func run(args []string, stdout, stderr io.Writer) int {
	dropEmptyVariables()
	name, args := filepath.Base(args[0]), args[1:]
	var commands any = &icomet{}
	if name != daemon.ICometName {
		name, commands = "ccomet", &commandLine{}
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parser, err := newParser(commands, stdout, stderr, kong.Name(name))
	if err != nil {
		return fail(name, stderr, err)
	}
	ctx, err := parser.Parse(joinNegative(args))
	if err != nil {
		return fail(name, stderr, settingsError{rephrase(err)})
	}
	if err := ctx.Run(); err != nil {
		return fail(name, stderr, err)
	}
	return 0
}

// dropEmptyVariables unsets empty environment variables, so that CCOMET_FRONT= in an
// environment file means the default.
func dropEmptyVariables() {
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); value == "" && strings.HasPrefix(name, envPrefix+"_") {
			_ = os.Unsetenv(name) // cannot fail for an existing name
		}
	}
}

// envPrefix is the prefix of all environment variables.
const envPrefix = "CCOMET"

// newParser returns the parser of a command line.
func newParser(commands any, stdout, stderr io.Writer, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(commands, append([]kong.Option{
		kong.Description("CComet, a comet server: clients wait on channels, and messages that are published there are pushed to them."),
		kong.Writers(stdout, stderr),
		kong.DefaultEnvars(envPrefix),
		kong.Vars{"version": versionLine()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.KindMapper(reflect.Int, kong.MapperFunc(wholeNumber)),
		kong.ValueFormatter(describe),
		kong.ExplicitGroups(groups),
		kong.PostBuild(explain),
		kong.BindTo(stdout, (*io.Writer)(nil)),
	}, options...)...)
}

// fail prints an error on one line, and returns the exit status.
func fail(name string, stderr io.Writer, err error) int {
	if status := daemon.ExitStatus(0); errors.As(err, &status) {
		return int(status)
	}
	upgrade.GoBack(err)
	fmt.Fprintln(stderr, name+": "+strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.As(err, new(settingsError)) {
		return exitSettings
	}
	return exitFailed
}
