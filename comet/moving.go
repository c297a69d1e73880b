package comet

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
	"ccomet/reactor"
)

// A program that has another number of loops, or whose records are others, goes on with every
// connection as well, but not with the records as they lie in memory. It makes loops, records
// and epoll sets of its own, of what the server says by names (Parked.ByName):
//
//  1. Each channel is made at the home that its name has now, with its number, epoch, lease,
//     and what it keeps.
//  2. Each connection is made on the loop that it was on, unless that has its share already,
//     or is none any more; then on one that has room: each loop has as many as the others.
//  3. The webs, then the hubs, have the connections go on with what they do; rosters follow.
//
// That takes some microseconds a connection, in which nothing is served, and memory for
// another copy of the records, and for what is said of them. Nothing of the other program's changes meanwhile: its loops
// are closed when this server has started.

// Names of what is written by names.
const connsName = "connections by names"

// writeByName writes down what lies in the records of a loop.
func (s *shard) writeByName(to handover.Part) {
	to.Value(connsName, reactor.ConnsOf(s.loop))
	web.HandOverByName(&s.web, to)
	s.broker.HandOverByName(to)
	hub.HandOverByName(&s.hub, to)
}

// resumeHomes has names, and the keys of messages, be hashed as before.
func (h *HandedOver) resumeHomes(homes *record.Homes) {
	homes.Key = h.server.Key
	if h.server.Seeds != [2]record.Key{} {
		homes.Seeds = h.server.Seeds
	}
}

// moveIn makes what another server says by names. This one has loops that have nothing yet.
func (srv *Server) moveIn(from *HandedOver) error {
	n := len(from.loops)
	parts := make([]*handover.Reader, n)
	for i := range parts {
		parts[i] = from.reader.Part(i)
	}
	var webs []*web.Web
	var hubs []*hub.Hub
	var brokers []*broker.Broker
	for _, s := range srv.shards {
		webs, hubs, brokers = append(webs, &s.web), append(hubs, &s.hub), append(brokers, &s.broker)
	}
	srv.totals.Listening.Store(0) // a bit a loop
	moving, err := broker.NewMoving(parts, brokers)
	if err != nil {
		return fmt.Errorf("comet: %w", err)
	}
	conns, err := srv.moveConns(from, parts)
	if err == nil {
		err = moving.Sessions(conns)
	}
	if err == nil {
		err = web.Move(parts, webs, conns)
	}
	var asking handover.Places
	if err == nil {
		asking, err = hub.Move(parts, hubs, conns, moving)
	}
	if err != nil {
		return fmt.Errorf("comet: %w", err)
	}
	moving.Finish(conns, asking)
	if !from.rehearsal {
		for i := range from.loops {
			st := &from.loops[i]
			srv.leftBehind = append(srv.leftBehind, st.Epoll, st.Wake, st.Arena)
		}
	}
	return nil
}

// moveConns makes the connections, and returns where each is.
func (srv *Server) moveConns(from *HandedOver, parts []*handover.Reader) (handover.Places, error) {
	places := handover.NewPlaces(len(parts))
	movers, all := make([]*reactor.Mover, len(parts)), 0
	for i, part := range parts {
		var conns reactor.Conns
		if err := part.Value(connsName, &conns); err != nil {
			return nil, err
		}
		var err error
		if movers[i], err = reactor.NewMover(&from.loops[i], &conns); err != nil {
			return nil, err
		}
		all += len(conns.Index)
	}
	shares := newShares(all, len(srv.shards))
	for i, m := range movers {
		for n, index := range m.Index {
			loop := shares.next(i)
			c, err := m.Move(n, srv.shards[loop].loop)
			if err != nil {
				return nil, fmt.Errorf("a connection: %w", err)
			}
			places.Set(uint8(i), index, handover.Place{Loop: uint8(loop), Index: c.Index(), Gen: uint32(c >> 32)})
		}
		reactor.AddCounts(srv.shards[i%len(srv.shards)].loop, &from.loops[i].Tally)
	}
	return places, nil
}

// shares deals connections out, as many to each loop.
type shares struct {
	left []int // that each loop may still have
	at   int   // the loop that is asked next for room
}

func newShares(conns, loops int) *shares {
	s := &shares{}
	for i := range loops {
		share := conns / loops
		if i < conns%loops {
			share++
		}
		s.left = append(s.left, share)
	}
	return s
}

// next is the loop of the next connection, which was on another program's: that of the same
// number, where there is room.
func (s *shares) next(was int) (loop int) {
	if was >= len(s.left) || s.left[was] == 0 {
		for was = s.at; s.left[was] == 0; {
			was = (was + 1) % len(s.left)
		}
		s.at = (was + 1) % len(s.left)
	}
	s.left[was]--
	return was
}

// leaveBehind closes what the other program's loops had: their records, and epoll sets, which
// know the connections still.
func (srv *Server) leaveBehind() {
	var errs []error
	for _, fd := range srv.leftBehind {
		errs = append(errs, unix.Close(fd))
	}
	if err := errors.Join(errs...); err != nil {
		srv.cfg.Log.Warn().Err(err).Msg("closing what the loops before had")
	}
}
