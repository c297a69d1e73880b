package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"ccomet/cmd/ccomet/internal/adminclient"
	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/cmd/ccomet/internal/logging"
	"ccomet/cmd/ccomet/internal/settings"
	"ccomet/cmd/ccomet/internal/systemd"
	"ccomet/cmd/ccomet/internal/upgrade"
)

// upgradeCommand has a server that runs go on in the program that is on the disk now.
type upgradeCommand struct {
	Admin   string           `placeholder:"ADDR" xor:"which" help:"The admin address of the server, which runs on this machine. Default 127.0.0.1:8000."`
	Pidfile string           `placeholder:"FILE" xor:"which" help:"The pid file of the server, in place of its admin address."`
	Timeout settings.Seconds `placeholder:"S" default:"60" help:"How many seconds to wait for the outcome."`
}

// Help is what "upgrade --help" says beside the flags.
func (*upgradeCommand) Help() string {
	return `The server starts the program that is on the disk now, with the configuration that is there now, and
that goes on with every connection: no client is disconnected, and no message is lost. It waits for the
outcome, and tells the versions, how many connections were handed over, and for how long nothing was served:

  ccomet upgrade --pidfile /run/ccomet.pid

Where that is not possible, the server goes on as it was, and the reason is told: there are mistakes in the
configuration, a setting has changed that may not (the number of loops, the secret, the state file, the pid
file), or the versions keep their records in different ways. Then a restart is needed.`
}

// Run upgrades, and tells how that went.
func (c *upgradeCommand) Run(out io.Writer) error {
	before, after, err := upgrade.Upgrade(c.ask, time.Duration(c.Timeout))
	if err != nil {
		return fmt.Errorf("not upgraded: %w", err)
	}
	return tellOutcome(out, before, after)
}

// tellOutcome tells how an upgrade went that went well.
func tellOutcome(out io.Writer, before, after upgrade.Status) error {
	_, err := fmt.Fprintf(out, "upgraded from version %s to %s: %d connections go on, after a pause of %.0f ms\n",
		before.Version, after.Version, after.Connections, after.Pause*1000)
	return err
}

func (c *upgradeCommand) ask() (s upgrade.Status, err error) {
	if c.Pidfile != "" {
		pid, _, err := daemon.ServesFor(c.Pidfile, "")
		if err == nil && pid == 0 {
			err = fmt.Errorf("pidfile %s: no server runs", c.Pidfile)
		}
		if err != nil {
			return s, err
		}
		return upgrade.Ask(pid)
	}
	text, err := adminclient.New(cmp.Or(c.Admin, "127.0.0.1:8000")).Get(upgrade.Path, nil)
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, err
}

// rehearse tries what this program does when it is to go on for a server that runs.
func (c *serve) rehearse() error {
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
	return upgrade.Rehearse(versionName(), c.Pidfile, c.rehearseShared)
}

// upgrade has the program on the disk go on for this server.
func (r *running) upgrade() {
	if !r.live {
		r.log.Warn().Msg("not upgraded: --no-live-upgrade is set")
		return
	}
	if !upgrade.Begun() {
		r.log.Warn().Msg("an upgrade is under way already")
		return
	}
	r.tell(systemd.Reloading())
	r.srv.SetUpgrading(true)
	err := upgrade.Run(r.upgrading, upgrade.Server{Server: r.srv, Pidfile: r.pidfileName, Leaving: r.leave, Stayed: r.lines.Detach})
	r.srv.SetUpgrading(false)
	upgrade.Failed(err)
	if r.upgrading.Err() != nil {
		r.log.Warn().Err(err).Msg("not upgraded: the server ends")
		return
	}
	r.log.Error().Err(err).Msg("not upgraded: the server goes on")
	r.tell(systemd.Serving)
}

// errEnding is why a server is not upgraded that was told to end in the last moment.
var errEnding = errors.New("the server is about to end")

// leave is the last that this program does for the server. A signal that has come keeps it.
func (r *running) leave(version string) error {
	r.pause <- struct{}{} // what was taken of a channel has been obeyed
	if r.upgrading.Err() != nil || len(r.Stops) > 0 {
		return errEnding
	}
	r.log.Info().Str("from", versionName()).Str("to", version).Msg("upgrading: the new version goes on in this process")
	r.lines.End()
	return nil
}

// begin has the server serve. From here on there is no way back to the program before.
func (r *running) begin() error {
	failed, err := upgrade.Serves()
	if err != nil {
		return err
	}
	r.srv.Start()
	if upgrade.Succeeds() {
		r.tellUpgraded(failed)
	}
	return nil
}

// tellUpgraded logs that this program goes on for another, or that it does after all.
func (r *running) tellUpgraded(failed string) {
	h := r.srv.HandOvers()
	if failed != "" {
		r.log.Error().Str("error", failed).Dur("pause", h.Pause).Msg("not upgraded: the new version could not go on, and this one does")
		return
	}
	r.log.Info().Str("from", h.From).Str("to", versionName()).Int64("connections", h.Connections).Dur("pause", h.Pause).Int64("upgrades", h.Total).
		Msg("upgraded: every connection goes on")
}
