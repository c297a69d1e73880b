package comet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/statefile"
)

// Some servers cannot be handed over while they run (handover.go, moving.go), because the next
// program is of a version that can do neither. Such a server ends, and the next one takes its
// place. DrainInto sends its clients away and writes its channels to an in-memory file, which
// is Config.Carried of the next server. Its listening sockets (Sockets, HandOver) are
// Config.Sockets of the next server. Clients come back with their cursors and have lost
// nothing.

// DrainInto is Drain, and at the end writes all channels, with their messages, numbers and
// leases, into a file for a server that takes the place of this one (Config.Carried). The
// server owns the file until Wait returns, which reports if it could not be written. Call it
// once, instead of the first Drain, and only if Config.Inheritable is set. It does not write
// the channels of a Config.Cluster.
func (srv *Server) DrainInto(file *os.File, d time.Duration) {
	if srv.state != nil && srv.cfg.Cluster == nil {
		srv.state.carry = file // read after the loops have finished
	}
	srv.Drain(d)
}

// openCarrier makes a state without a file, if channels may be carried to or from this server;
// otherwise it returns nil.
func openCarrier(cfg *Config) *state {
	if !cfg.Inheritable && cfg.Carried == nil {
		return nil
	}
	st := &state{cfg: cfg, Snapshots: broker.NewSnapshots(), final: make(chan struct{}), over: make(chan struct{})}
	if cfg.From == nil {
		st.takeCarried()
	}
	return st
}

// takeCarried arranges that the channels which another server has carried over are restored, if
// their file is valid.
func (st *state) takeCarried() {
	if st.cfg.Carried == nil {
		return
	}
	info, err := st.cfg.Carried.Stat()
	if err == nil {
		_, err = st.cfg.Carried.Seek(0, io.SeekStart) // the writer has left it at its end
	}
	if err == nil {
		var head statefile.Head
		if head, err = statefile.Read(st.cfg.Carried, info.Size(), statefile.Nobody{}); err == nil {
			st.head, st.carried = head, st.cfg.Carried
		}
	}
	if err != nil {
		st.cfg.Log.Error().Err(err).Msg("the channels of the previous program cannot be read: the server starts with those of the state file, if there is one")
	}
}

// writeCarry writes the channels for the server that takes this one's place.
func (st *state) writeCarry(srv *Server) error {
	if st.carry == nil {
		return nil
	}
	w := statefile.NewWriter(st.carry, statefile.Head{Written: st.cfg.Clock(), Secret: st.secret})
	_, err := st.writeChannels(srv, w, true)
	if err = errors.Join(err, w.Finish()); err != nil {
		return fmt.Errorf("writing the channels for the next program: %w", err)
	}
	return nil
}
