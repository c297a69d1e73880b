package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/adminclient"
	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/cmd/ccomet/internal/logging"
	"ccomet/cmd/ccomet/internal/settings"
	"ccomet/cmd/ccomet/internal/systemd"
	"ccomet/cmd/ccomet/internal/upgrade"
	"ccomet/comet"
)

// upgradeCommand upgrades a running server to the program that is on the disk now.
type upgradeCommand struct {
	Admin   []string         `placeholder:"ADDR" default:"127.0.0.1:8000" help:"The admin address of the server, which runs on this machine; of several, the first is used."`
	Pidfile string           `placeholder:"FILE" help:"The pid file of the server, in place of its admin address."`
	PID     int              `name:"pid" placeholder:"N" env:"-" help:"The process number of the server, in place of its admin address."`
	Timeout settings.Seconds `placeholder:"S" default:"60" env:"-" help:"How many seconds to wait for the outcome."`
}

// AfterApply determines which server is meant. The command may have the server's environment, as in
// a unit of systemd or a container, so a flag overrides what the environment says, and there the pid
// file overrides the address.
func (c *upgradeCommand) AfterApply(ctx *kong.Context) error {
	var given []string
	for _, path := range ctx.Path {
		if path.Flag != nil && slices.Contains([]string{"admin", "pidfile", "pid"}, path.Flag.Name) && !slices.Contains(given, path.Flag.Name) {
			given = append(given, path.Flag.Name)
		}
	}
	switch {
	case len(given) > 1:
		return fmt.Errorf("--%s and --%s both name the server: use one of them", given[0], given[1])
	case len(given) == 1 && given[0] == "pid" && c.PID < 1:
		return fmt.Errorf("--pid is %d: want the number of a process", c.PID)
	case len(given) == 1 && given[0] != "pidfile":
		c.Pidfile = ""
	}
	return nil
}

// Help returns the text of "upgrade --help" apart from the flags.
func (*upgradeCommand) Help() string {
	return `The running server starts the program that is on the disk now, with the configuration that is there now.
The new program takes over every connection: no client is disconnected, and no message is lost. The command
waits for the outcome, and prints the versions, how many connections were handed over, and for how long
nothing was served:

  ccomet upgrade --pidfile /run/ccomet.pid

If the new program cannot take over, because there are mistakes in the configuration, or a setting has changed
that cannot change in this way (the secret, the state file, the pid file), the server continues as before. The
command prints the reason and exits with status 1.

The number of loops, and the layout of records, may change: channels and connections are then distributed
anew, which makes the pause longer by some microseconds for each connection. A version that cannot take these
over makes the server restart in place. The server disconnects its clients within --drain-time, and the new
version starts in the same process, with the same listening sockets and all channels. Clients reconnect with
their cursors, and miss nothing. The command prints the reason and exits with status 3.`
}

// Run upgrades the server and prints the outcome.
func (c *upgradeCommand) Run(out io.Writer) error {
	if err := c.check(); err != nil {
		return settingsError{err}
	}
	before, after, err := upgrade.Upgrade(c.ask, time.Duration(c.Timeout))
	if err != nil {
		return fmt.Errorf("not upgraded: %w", err)
	}
	if err := printOutcome(out, before, after); err != nil || after.Restarted == "" {
		return err
	}
	return daemon.ExitStatus(exitRestarted)
}

func (c *upgradeCommand) check() error {
	if c.Timeout < settings.Seconds(time.Second) || c.Timeout > settings.MaxTime {
		return fmt.Errorf("--timeout is %v: want 1s to %v", c.Timeout, settings.MaxTime)
	}
	settings.TrimList(c.Admin)
	if err := settings.CheckAddress(c.Admin[0]); err != nil {
		return fmt.Errorf("--admin is %w", err)
	}
	return nil
}

// printOutcome prints the outcome of a successful upgrade.
func printOutcome(out io.Writer, before, after upgrade.Status) error {
	if after.Restarted != "" {
		_, err := fmt.Fprintf(out, "restarted from version %s to %s, which cannot take over the running server: %s; %d connections were closed within %.1f s, and their clients reconnect with their cursors\n",
			before.Version, after.Version, after.Restarted, after.Connections, after.Pause)
		return err
	}
	loops := ""
	if after.FromLoops != after.Loops {
		loops = fmt.Sprintf("on %d loops instead of %d, ", after.Loops, after.FromLoops)
	}
	what := "connections continue"
	if after.Connections == 1 {
		what = "connection continues"
	}
	_, err := fmt.Fprintf(out, "upgraded from version %s to %s: %d %s, %safter a pause of %.0f ms\n",
		before.Version, after.Version, after.Connections, what, loops, after.Pause*1000)
	return err
}

func (c *upgradeCommand) ask() (s upgrade.Status, err error) {
	if c.PID != 0 {
		return upgrade.Ask(c.PID)
	}
	if c.Pidfile != "" {
		pid, _, err := daemon.ServesFor(c.Pidfile, "")
		if err == nil && pid == 0 {
			err = fmt.Errorf("pidfile %s: no server is running", c.Pidfile)
		}
		if err != nil {
			return s, err
		}
		return upgrade.Ask(pid)
	}
	text, err := adminclient.New(c.Admin[0]).Get(upgrade.Path, nil)
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, err
}

// rehearse tests what this program will do when it continues a running server.
func (c *serve) rehearse() error {
	if !c.LiveUpgrade {
		return errors.New("live-upgrade is off in the configuration: restart the server to turn it off")
	}
	if c.LogsToFile() {
		file, err := logging.OpenOutput(c.LogOutput)
		if err != nil {
			return fmt.Errorf("--log-output: %w", err)
		}
		file.Close()
	}
	if err := c.takeSockets(); err != nil {
		return err
	}
	if err := c.tryRedis(); err != nil {
		return err
	}
	return upgrade.Rehearse(upgrade.Rehearsal{
		Version: versionName(), Pidfile: c.Pidfile, Loops: c.Loops,
		GoOn: c.rehearseShared,
		Start: func(has []comet.Sockets) error {
			var taken []string
			for _, s := range has {
				taken = append(taken, s.Address)
			}
			return c.startableBeside(taken)
		},
	})
}

// upgrade upgrades this server to the program on the disk.
func (r *running) upgrade() {
	if !r.live {
		r.log.Warn().Msg("not upgraded: live-upgrade is off (--no-live-upgrade)")
		return
	}
	if !upgrade.TryBegin() {
		r.log.Warn().Msg("an upgrade is under way already")
		return
	}
	r.tell(systemd.Reloading())
	r.srv.SetUpgrading(true)
	err := upgrade.Run(r.upgrading, upgrade.Server{Server: r.srv, Pidfile: r.pidfileName, BeforeExec: r.leave, ExecFailed: r.lines.Detach})
	if needs := new(upgrade.NeedsRestart); errors.As(err, &needs) && r.upgrading.Err() == nil {
		r.restarts <- needs
		return
	}
	r.notUpgraded(err)
}

// notUpgraded reports why an upgrade has failed.
func (r *running) notUpgraded(err error) {
	r.srv.SetUpgrading(false)
	upgrade.Failed(err)
	if r.upgrading.Err() != nil {
		r.log.Warn().Err(err).Msg("not upgraded: the server is stopping")
		return
	}
	r.log.Error().Err(err).Msg("not upgraded: the server continues as before")
	r.tell(systemd.Serving)
}

// errEnding is the error of an upgrade that is refused because a signal has come.
var errEnding = errors.New("the server is about to end")

// leave is the last step of this program in an upgrade. It fails if a signal has come.
func (r *running) leave(version string) error {
	r.pause <- struct{}{} // now every signal received so far has been handled
	if r.upgrading.Err() != nil || len(r.Stops) > 0 {
		return errEnding
	}
	r.log.Info().Str("from", versionName()).Str("to", version).Msg("upgrading: the new version continues in this process")
	r.lines.End()
	return nil
}

// restart drains the server, so that the program on the disk can start in its place.
func (r *running) restart(needs *upgrade.NeedsRestart) {
	ending, err := upgrade.BeginRestart(r.srv, versionName(), needs, r.drainTime)
	if err != nil {
		r.notUpgraded(err)
		return
	}
	r.ending = ending
	r.giver.End()
	r.log.Warn().Str("from", versionName()).Str("to", needs.Version).Str("why", needs.Why.Error()).Dur("drain-time", r.drainTime).
		Msg("the new version cannot take over the running server: clients are disconnected, and reconnect to it with their cursors")
}

// restarted executes the program on the disk after the server has ended. It returns only with an error.
func (r *running) restarted(ended error) error {
	if ended != nil {
		r.log.Error().Err(ended).Msg("the server did not stop cleanly; the new version starts anyway")
	}
	r.lines.End()
	return r.ending.Exec()
}

// begin starts serving. After that, the upgrade cannot be undone.
func (r *running) begin() error {
	failed, err := upgrade.Commit()
	if err != nil {
		return err
	}
	r.srv.Start()
	if upgrade.Succeeds() {
		r.tellUpgraded(failed)
	}
	return nil
}

// tellUpgraded logs the outcome of the upgrade that has started this program.
func (r *running) tellUpgraded(failed string) {
	if s := upgrade.Current(); s.Restarted != "" {
		event := r.log.Warn()
		if failed != "" {
			event = r.log.Error().Str("error", failed)
		}
		event.Str("from", s.From).Str("to", versionName()).Str("why", s.Restarted).Int64("connections", s.Connections).Float64("pause", s.Pause).
			Msg("restarted: clients reconnect with their cursors")
		return
	}
	h := r.srv.HandOvers()
	if failed != "" {
		r.log.Error().Str("error", failed).Dur("pause", h.Pause).Msg("not upgraded: the new version failed to take over, and this one continues")
		return
	}
	event := r.log.Info()
	if loops := r.srv.Loops(); loops != h.Loops {
		event = event.Int("from-loops", h.Loops).Int("loops", loops)
	}
	event.Str("from", h.From).Str("to", versionName()).Int64("connections", h.Connections).Dur("pause", h.Pause).Int64("upgrades", h.Total).
		Msg("upgraded: all connections continue")
}
