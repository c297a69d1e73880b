package main

import (
	"context"
	"fmt"
	"os/signal"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/cmd/ccomet/internal/logging"
	"ccomet/cmd/ccomet/internal/systemd"
	"ccomet/cmd/ccomet/internal/upgrade"
	"ccomet/comet"
)

// running is a server that serves until a signal comes, with everything around it.
type running struct {
	srv       *comet.Server
	log       zerolog.Logger
	lines     *logging.Writer
	manager   *systemd.Manager
	pidfile   *daemon.PIDFile // nil: no pid file
	giver     *daemon.Giver   // nil: listening sockets are not passed on
	drainTime time.Duration

	pidfileName string
	live        bool // live upgrades are enabled

	*upgrade.Signals
	stopped   bool            // by a signal, before the server was open
	upgrading context.Context // canceled if an upgrade must be abandoned
	giveUp    context.CancelFunc
	pause     chan struct{} // received from between two signals
	restarts  chan *upgrade.NeedsRestart
	ending    *upgrade.Restarting // another program starts in the server's place; nil: none does
}

// giveSockets offers the listening sockets to a server that replaces this one.
func (r *running) giveSockets() {
	if r.pidfile == nil {
		return
	}
	var err error
	if r.giver, err = daemon.GiveSockets(r.srv, r.pidfile); err != nil {
		r.log.Warn().Err(err).Msg("the listening sockets cannot be passed to a restarted server: it will refuse connections for a moment")
	}
}

// catch starts catching signals. They are handled when the server runs.
func (r *running) catch() {
	signal.Ignore(unix.SIGPIPE) // the reader of the log may end and be started again
	r.Signals, r.pause, r.restarts = upgrade.Catch(), make(chan struct{}), make(chan *upgrade.NeedsRestart, 1)
	r.upgrading, r.giveUp = context.WithCancel(context.Background())
}

// tell notifies the service manager of a state.
func (r *running) tell(state string) {
	if err := r.manager.Tell(state); err != nil {
		r.log.Warn().Err(err).Msg("the service manager cannot be notified")
	}
}

// wait returns when the server has ended, because of a signal or by itself.
func (r *running) wait() error {
	ended := make(chan error, 1)
	go func() { ended <- r.srv.Wait() }()
	watching, unwatch := context.WithCancel(context.Background())
	defer unwatch()
	go r.manager.Watch(r.srv.Turns, watching.Done(), func(err error) { r.log.Error().Err(err).Msg("watchdog") })
	r.tell(systemd.Serving)
	for serving := true; ; {
		select {
		case err := <-ended:
			return r.over(serving, err)
		case <-r.Hangups:
			r.reopenLog()
		case <-r.Upgrades:
			if serving {
				go r.upgrade()
			} else {
				upgrade.Failed(errEnding)
				r.log.Warn().Err(errEnding).Msg("not upgraded")
			}
		case needs := <-r.restarts:
			if serving {
				r.restart(needs)
			}
		case <-r.pause:
		case sig := <-r.Stops:
			if serving {
				serving = false
				r.log.Info().Stringer("signal", sig).Msg("stopping: a second signal stops the server at once")
				r.drain()
				continue
			}
			signal.Stop(r.Stops) // a third signal kills the process
			r.log.Info().Stringer("signal", sig).Msg("stopping at once")
			unwatch() // stopped loops do not turn, which the watchdog would report
			r.srv.Stop()
		}
	}
}

// drain starts to drain the server, and makes that known.
func (r *running) drain() {
	r.giveUp()
	if r.pidfile != nil {
		if err := r.pidfile.Stopping(); err != nil {
			r.log.Warn().Err(err).Msg("the pid file cannot be marked as stopping: a server that is started now will not wait for this one")
		}
	}
	r.tell(systemd.Stopping)
	r.giver.End()
	r.ending.Cancel()
	r.ending = nil
	r.srv.Drain(r.drainTime)
}

// over reports how the server has ended.
func (r *running) over(serving bool, err error) error {
	if r.ending != nil {
		return r.restarted(err)
	}
	if serving {
		return fmt.Errorf("the server stopped unexpectedly: %w", err)
	}
	if err != nil {
		return err
	}
	stats := r.srv.Stats()
	r.log.Info().Int64("refused", stats.Refused).Int64("cut", stats.Cut).Msg("stopped")
	return nil
}

// reopenLog opens the log file by its name again. That is another file if the last one was
// renamed.
func (r *running) reopenLog() {
	if err := r.lines.Reopen(); err != nil {
		r.log.Error().Err(err).Msg("the log file cannot be reopened: logging continues in the old file")
		return
	}
	r.log.Info().Stringer("signal", unix.SIGHUP).Msg("the log is reopened, if it is a file")
}
