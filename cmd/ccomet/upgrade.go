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
	"ccomet/comet"
)

// upgradeCommand has a server that runs go on in the program that is on the disk now.
type upgradeCommand struct {
	Admin   string           `placeholder:"ADDR" xor:"which" help:"The admin address of the server, which runs on this machine. Default 127.0.0.1:8000."`
	Pidfile string           `placeholder:"FILE" xor:"which" help:"The pid file of the server, in place of its admin address."`
	PID     int              `name:"pid" placeholder:"N" xor:"which" help:"The process number of the server, in place of its admin address."`
	Timeout settings.Seconds `placeholder:"S" default:"60" help:"How many seconds to wait for the outcome."`
}

// Help is what "upgrade --help" says beside the flags.
func (*upgradeCommand) Help() string {
	return `The server starts the program that is on the disk now, with the configuration that is there now, and
that goes on with every connection: no client is disconnected, and no message is lost. It waits for the
outcome, and tells the versions, how many connections were handed over, and for how long nothing was served:

  ccomet upgrade --pidfile /run/ccomet.pid

Where that is not possible, the server goes on as it was, the reason is told, and the exit status is 1: there
are mistakes in the configuration, or a setting has changed that may not (the secret, the state file, the
pid file).

The number of loops may be another: channels and connections are moved, which makes the pause longer by
some microseconds a connection. So it is where the versions keep their records in different ways. Only a
version that cannot take these over has the server restart in place. It sends its clients away within
--drain-time, and that version begins in the same process, with the same listening sockets and all channels,
so that clients come back with their cursors, and miss nothing. The reason is told, and the exit status is 3.`
}

// Run upgrades, and tells how that went.
func (c *upgradeCommand) Run(out io.Writer) error {
	if err := c.check(); err != nil {
		return settingsError{err}
	}
	before, after, err := upgrade.Upgrade(c.ask, time.Duration(c.Timeout))
	if err != nil {
		return fmt.Errorf("not upgraded: %w", err)
	}
	if err := tellOutcome(out, before, after); err != nil || after.Restarted == "" {
		return err
	}
	return daemon.ExitStatus(exitRestarted)
}

func (c *upgradeCommand) check() error {
	switch {
	case c.PID < 0:
		return fmt.Errorf("--pid is %d: want the number of a process", c.PID)
	case c.Timeout < settings.Seconds(time.Second) || c.Timeout > settings.MaxTime:
		return fmt.Errorf("--timeout is %v: want 1s to %v", c.Timeout, settings.MaxTime)
	case c.Admin != "":
		if err := settings.CheckAddress(c.Admin); err != nil {
			return fmt.Errorf("--admin is %w", err)
		}
	}
	return nil
}

// tellOutcome tells how an upgrade went that went well.
func tellOutcome(out io.Writer, before, after upgrade.Status) error {
	if after.Restarted != "" {
		_, err := fmt.Fprintf(out, "restarted from version %s to %s, which cannot go on with the server as it ran: %s; connections that were ended within %.1f s: %d; their clients come back with their cursors\n",
			before.Version, after.Version, after.Restarted, after.Pause, after.Connections)
		return err
	}
	loops := ""
	if after.FromLoops != after.Loops {
		loops = fmt.Sprintf("on %d loops instead of %d, ", after.Loops, after.FromLoops)
	}
	what := "connections go on"
	if after.Connections == 1 {
		what = "connection goes on"
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
	if needs := new(upgrade.NeedsRestart); errors.As(err, &needs) && r.upgrading.Err() == nil {
		r.restarts <- needs
		return
	}
	r.notUpgraded(err)
}

// notUpgraded tells why an upgrade has come to nothing.
func (r *running) notUpgraded(err error) {
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

// restart has the server end, for the program on the disk to begin in its place.
func (r *running) restart(needs *upgrade.NeedsRestart) {
	ending, err := upgrade.End(r.srv, versionName(), needs, r.drainTime)
	if err != nil {
		r.notUpgraded(err)
		return
	}
	r.ending = ending
	r.giver.End()
	r.log.Warn().Str("from", versionName()).Str("to", needs.Version).Str("why", needs.Why.Error()).Dur("drain-time", r.drainTime).
		Msg("the new version cannot go on with the server as it runs: clients are sent away, and come back to it with their cursors")
}

// restarted executes the program on the disk in the place of the server, which has ended. It
// returns only on an error.
func (r *running) restarted(ended error) error {
	if ended != nil {
		r.log.Error().Err(ended).Msg("the server has not ended as it should: the new version begins all the same")
	}
	r.lines.End()
	return r.ending.Begin()
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
	if s := upgrade.Now(); s.Restarted != "" {
		event := r.log.Warn()
		if failed != "" {
			event = r.log.Error().Str("error", failed)
		}
		event.Str("from", s.From).Str("to", versionName()).Str("why", s.Restarted).Int64("connections", s.Connections).Float64("pause", s.Pause).
			Msg("restarted: clients come back with their cursors")
		return
	}
	h := r.srv.HandOvers()
	if failed != "" {
		r.log.Error().Str("error", failed).Dur("pause", h.Pause).Msg("not upgraded: the new version could not go on, and this one does")
		return
	}
	event := r.log.Info()
	if loops := r.srv.Loops(); loops != h.Loops {
		event = event.Int("from-loops", h.Loops).Int("loops", loops)
	}
	event.Str("from", h.From).Str("to", versionName()).Int64("connections", h.Connections).Dur("pause", h.Pause).Int64("upgrades", h.Total).
		Msg("upgraded: every connection goes on")
}
