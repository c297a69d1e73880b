package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/configfile"
	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/cmd/ccomet/internal/settings"
	"ccomet/cmd/ccomet/internal/upgrade"
)

// icomet is the command line of iComet's server. It is the whole command line if the program is
// called icomet-server.
type icomet struct {
	File    string           `arg:"" help:"The configuration file: an icomet.conf of any name, or TOML, which is recognised by its text."`
	Daemon  bool             `short:"d" env:"-" help:"Run as a daemon: return when the server listens, or say why it does not."`
	Signal  string           `short:"s" env:"-" default:"start" enum:"start,stop,restart" placeholder:"start|stop|restart" help:"start the server, stop the one that the pid file names, or replace that one."`
	Version kong.VersionFlag `short:"v" env:"-" help:"Print the version."`
}

// Help is the text of --help beside the flags.
func (*icomet) Help() string {
	return `The program runs this command when it is called icomet-server, as by a link:

  icomet-server -d icomet.conf
  icomet-server -d icomet.conf -s restart
  icomet-server icomet.conf -s stop

A restart first checks the file, its addresses and its log; if there are mistakes, the running server continues.
Otherwise the program that is on the disk now takes the place of the running one and keeps every connection, as
with "ccomet upgrade". If that is not possible, as with iComet's own server or with another environment, the
reason is printed, the server is stopped, and a new one takes its place.`
}

// Run starts, restarts or stops the server of the file.
func (c *icomet) Run(out io.Writer) error {
	file, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	if c.Signal == "stop" {
		return c.stop(out, file)
	}
	server, err := serverOf(file)
	if err != nil {
		return err
	}
	if c.Signal == "restart" && server.Pidfile == "" && !upgrade.Rehearses() && !upgrade.Succeeds() {
		return settingsError{fmt.Errorf("%s has no pidfile: -s restart needs it to find the server", file)}
	}
	switch {
	case upgrade.Rehearses() || upgrade.Succeeds(): // in an upgrade, the arguments are those of the old process: ignore -s
		return server.Run(out)
	case c.Signal == "restart" && !daemon.Started():
		if done, err := server.goOn(out, file); done || err != nil {
			return err
		}
	}
	switch {
	case c.Daemon:
		return c.daemon(out, server, file)
	case c.Signal == "restart":
		return c.restart(out, server, file)
	}
	return server.Run(out)
}

// daemon starts a daemon process, which does the rest.
func (c *icomet) daemon(out io.Writer, server *serve, file string) error {
	if !server.LogsToFile() {
		fmt.Fprintf(out, "warning: the log goes to %s, which a daemon does not have: set log-output to a file\n", server.LogOutput)
	}
	args := []string{file, "-s", c.Signal}
	if filepath.Base(os.Args[0]) != daemon.ICometName {
		args = append([]string{"icomet"}, args...)
	}
	pid, err := daemon.Daemonize(args...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "process %d serves\n", pid)
	return err
}

// stop stops the server of a file, even if other lines of the file are invalid.
func (c *icomet) stop(out io.Writer, file string) error {
	pidfile, err := pidFileOf(file)
	if err != nil {
		return err
	}
	if pidfile == "" {
		return settingsError{fmt.Errorf("%s has no pidfile: -s stop needs it to find the server", file)}
	}
	if _, err := os.Stat(pidfile); err != nil {
		return fmt.Errorf("the server is not running: pidfile: %w", err)
	}
	pid, err := daemon.StopServer(pidfile, file)
	if err != nil {
		return err
	}
	if pid != 0 {
		_, err = fmt.Fprintf(out, "process %d has ended\n", pid)
		return err
	}
	left, err := daemon.TakePIDFile(pidfile, file)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the server was not running; removed its pidfile %s, which contained %q\n", pidfile, left.Left)
	return left.Remove()
}

// serverOf returns the server that a file and the environment describe.
func serverOf(file string) (*serve, error) {
	cli := commandLine{Serve: serve{implied: settings.CompatIComet}}
	parser, err := newParser(&cli, io.Discard, io.Discard)
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse([]string{"serve", "--config", file}); err != nil {
		return nil, settingsError{rephrase(err)}
	}
	return &cli.Serve, nil
}

// pidFileOf returns the pid file that a file names, even if other lines are invalid.
func pidFileOf(name string) (string, error) {
	if name := os.Getenv("CCOMET_PIDFILE"); name != "" {
		return name, nil
	}
	_, flags, err := settings.New()
	if err != nil {
		return "", err
	}
	f, err := configfile.Read(name, flags, settings.CompatIComet)
	if err != nil {
		return "", settingsError{err}
	}
	e, ok := f.Entries["pidfile"]
	if wrong := f.Wrong(); !ok && wrong != nil {
		return "", settingsError{wrong}
	}
	pidfile, _ := e.Value.(string)
	return pidfile, nil
}
