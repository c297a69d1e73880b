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

// running is a server that serves until a signal comes, and what goes with it.
type running struct {
	srv       *comet.Server
	log       zerolog.Logger
	lines     *logging.Writer
	manager   *systemd.Manager
	pidfile   *daemon.PIDFile // nil for none
	giver     *daemon.Giver   // nil for none
	drainTime time.Duration

	pidfileName string
	live        bool // it can be upgraded while it runs

	*upgrade.Signals
	stopped   bool            // by a signal, before there was a server
	upgrading context.Context // done when an upgrade is to be given up
	giveUp    context.CancelFunc
	pause     chan struct{} // taken between two signals
	restarts  chan *upgrade.NeedsRestart
	ending    *upgrade.Ending // the program on the disk begins in the server's place; nil: none does
}

// giveSockets has a restart take over the listening sockets.
func (r *running) giveSockets() {
	if r.pidfile == nil {
		return
	}
	var err error
	if r.giver, err = daemon.GiveSockets(r.srv, r.pidfile); err != nil {
		r.log.Warn().Err(err).Msg("a restart will not have the listening sockets of this server: there will be a moment without")
	}
}

// catch has signals wait for the server from here on.
func (r *running) catch() {
	signal.Ignore(unix.SIGPIPE) // a reader of the log may end, and be started again
	r.Signals, r.pause, r.restarts = upgrade.Catch(), make(chan struct{}), make(chan *upgrade.NeedsRestart, 1)
	r.upgrading, r.giveUp = context.WithCancel(context.Background())
}

// tell keeps the service manager told.
func (r *running) tell(state string) {
	if err := r.manager.Tell(state); err != nil {
		r.log.Warn().Err(err).Msg("the service manager does not hear")
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
				r.log.Info().Stringer("signal", sig).Msg("stopping: another signal ends it at once")
				r.drain()
				continue
			}
			signal.Stop(r.Stops) // a third one kills
			r.log.Info().Stringer("signal", sig).Msg("stopping at once")
			unwatch() // loops that have stopped do not turn
			r.srv.Stop()
		}
	}
}

// drain begins to stop, where all can see it.
func (r *running) drain() {
	r.giveUp()
	if r.pidfile != nil {
		if err := r.pidfile.Stopping(); err != nil {
			r.log.Warn().Err(err).Msg("a server that is started now will not wait for this one")
		}
	}
	r.tell(systemd.Stopping)
	r.giver.End()
	r.ending.GiveUp()
	r.ending = nil
	r.srv.Drain(r.drainTime)
}

// over tells how the server has ended.
func (r *running) over(serving bool, err error) error {
	if r.ending != nil {
		return r.restarted(err)
	}
	if serving {
		return fmt.Errorf("the server ended by itself: %w", err)
	}
	if err != nil {
		return err
	}
	stats := r.srv.Stats()
	r.log.Info().Int64("refused", stats.Refused).Int64("cut", stats.Cut).Msg("stopped")
	return nil
}

// reopenLog has lines go to the file that has the log's name now: another one, if the
// last was renamed.
func (r *running) reopenLog() {
	if err := r.lines.Reopen(); err != nil {
		r.log.Error().Err(err).Msg("the log cannot be opened anew: it goes on in the old file")
		return
	}
	r.log.Info().Stringer("signal", unix.SIGHUP).Msg("the log is opened anew, if it is a file")
}
