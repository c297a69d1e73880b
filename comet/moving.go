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

// A program with another number of loops, or with other records, continues every connection, too.
// But it cannot use the records as they lie in memory. It makes its own loops, records and epoll
// sets, from a description by names (Parked.ByName):
//
//  1. Each channel is made at the home that its name has now, with its number, epoch, lease and
//     history.
//  2. Each connection is made on the loop that has the same number as before. If that loop does not
//     exist, or has its share already, another loop with room takes it: all loops get equally many.
//  3. The webs, then the hubs, restore the requests and subscribers of the connections; the rosters
//     follow from the subscribers.
//
// This takes some microseconds a connection, in which nothing is served, and memory for another
// copy of the records and for the description. The other program's data does not change meanwhile.
// Its loops are closed when this server has started.

// The name of the connections in the file.
const connsName = "connections by names"

// writeByName writes a description of a loop's records.
func (s *shard) writeByName(to handover.Part) {
	to.Value(connsName, reactor.ConnsOf(s.loop))
	web.HandOverByName(&s.web, to)
	s.broker.HandOverByName(to)
	hub.HandOverByName(&s.hub, to)
}

// resumeHomes makes names, and the keys of messages, hash as before.
func (h *HandedOver) resumeHomes(homes *record.Homes) {
	homes.Key = h.server.Key
	if h.server.Seeds != [2]record.Key{} {
		homes.Seeds = h.server.Seeds
	}
}

// moveIn makes what another server has described by names. The loops of this server are empty.
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
	srv.totals.Listening.Store(0) // it has a bit for each loop
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

// moveConns makes the connections, and returns where each is now.
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
				return nil, fmt.Errorf("making a connection: %w", err)
			}
			places.Set(uint8(i), index, handover.Place{Loop: uint8(loop), Index: c.Index(), Gen: uint32(c >> 32)})
		}
		reactor.AddCounts(srv.shards[i%len(srv.shards)].loop, &from.loops[i].Tally)
	}
	return places, nil
}

// shares distributes connections evenly among loops.
type shares struct {
	left []int // connections that each loop can still take
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

// next returns the loop for the next connection, which was on loop was of the other program: the
// loop with the same number, if that has room.
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

// leaveBehind closes the records and epoll sets of the other program's loops, which still contain
// the connections.
func (srv *Server) leaveBehind() {
	var errs []error
	for _, fd := range srv.leftBehind {
		errs = append(errs, unix.Close(fd))
	}
	if err := errors.Join(errs...); err != nil {
		srv.cfg.Log.Warn().Err(err).Msg("descriptors of the previous program's loops cannot be closed")
	}
}
