package web

import (
	"errors"
	"slices"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/handover"
	"ccomet/httplite"
	"ccomet/reactor"
)

// This file hands connections over by name. A new program needs that if it has another number
// of loops or another layout of records. Move then restores the connections at their new
// places.

// ByName describes the connections of a web in columns, with one entry for each connection.
type ByName struct {
	Sides, States []string // names for the numbers in Side and State

	Index []uint32
	Side  []uint8
	State []uint8
	Word  []uint32 // the index that belongs to the state: see conn.State
}

const byNameName = "web by names"

// HandOverByName writes the state of the web's connections by name.
func HandOverByName(w *Web, to handover.Part) {
	st := ByName{Sides: conn.SideNames[:], States: conn.StateNames[:]}
	for i := uint32(1); i <= w.loop.Indexes(); i++ {
		c := w.loop.ConnAt(i)
		if c == 0 {
			continue
		}
		state, word := w.State(c)
		st.Index, st.Side = append(st.Index, i), append(st.Side, w.Side(c))
		st.State, st.Word = append(st.State, uint8(state)), append(st.Word, word)
	}
	to.Value(byNameName, &st)
}

// errByName is returned when a handed-over list of connections is inconsistent.
var errByName = errors.New("the handed-over list of connections is inconsistent")

// moving holds what Move needs of one web of the old program.
type moving struct {
	Handover
	ByName
	loop  uint8
	to    []*Web
	conns handover.Places
}

// Move restores the connections that the webs of the old program have written by name. conns
// tells where each connection is now. Waiting subscribers are restored by the hubs.
func Move(from []*handover.Reader, to []*Web, conns handover.Places) error {
	for loop, reader := range from {
		m := moving{loop: uint8(loop), to: to, conns: conns}
		if err := errors.Join(reader.Value(valueName, &m.Handover), reader.Value(byNameName, &m.ByName)); err != nil {
			return err
		}
		for _, step := range []func() error{m.connections, m.pipelines, m.partials, m.sockets} {
			if err := step(); err != nil {
				return err
			}
		}
		m.listeners()
		m.counts()
	}
	return nil
}

// of returns the new place of a connection, or nil if it is unknown.
func (m *moving) of(c reactor.Conn) (*Web, reactor.Conn) {
	at := m.conns.At(m.loop, c.Index())
	if at.Index == 0 {
		return nil, 0
	}
	return m.to[at.Loop], reactor.Conn(at.Gen)<<32 | reactor.Conn(at.Index)
}

// connections sets the side and the state of each connection, except states that have a record.
func (m *moving) connections() error {
	n := len(m.Index)
	if len(m.Side) != n || len(m.State) != n || len(m.Word) != n {
		return errByName
	}
	for n, index := range m.Index {
		w, c := m.of(reactor.Conn(index))
		if w == nil || int(m.Side[n]) >= len(m.Sides) || int(m.State[n]) >= len(m.States) {
			return errByName
		}
		side := slices.Index(conn.SideNames[:], m.Sides[m.Side[n]])
		state := conn.State(slices.Index(conn.StateNames[:], m.States[m.State[n]]))
		if side < 0 || state >= conn.NumStates {
			return errByName
		}
		w.loop.SetTag(c, w.loop.Tag(c)&^conn.TagSide|uint8(side))
		w.Table.Opened(c)
		switch state {
		case conn.Request, conn.Answering, conn.Waiting, conn.WebSocket: // restored with their records
		default:
			w.SetState(c, state, m.Word[n])
		}
		if int(index) < len(m.Clients) && m.Clients[index] != 0 {
			w.clients.resumeOne(c, m.Clients[index])
		}
		if of := m.Pages.Of; int(index) < len(of) && of[index] != 0 && int(of[index]) < len(m.Pages.Origins) {
			w.ResumePage(c.Index(), m.Pages.Origins[of[index]])
		}
		if of := m.Sockets.Clients; int(index) < len(of) && of[index] != 0 {
			*w.sockets.clients.At(c.Index()) = of[index]
		}
	}
	return nil
}

// pipelines restores the answers that wait until their clients read.
func (m *moving) pipelines() error {
	for i := range m.Pipelines {
		one := &m.Pipelines[i]
		w, c := m.of(one.Conn)
		if w == nil {
			return errByName
		}
		place := w.pipelines.open(c)
		w.SetState(c, conn.Answering, place)
		w.pipelines.resumeOne(place, c, one)
		w.pipelines.at(place).partial = 0 // see partials
	}
	return nil
}

// partials parses again the bytes of requests that have not completely arrived.
func (m *moving) partials() error {
	for _, one := range m.Partials {
		w, c := m.of(one.Conn)
		if w == nil {
			return errByName
		}
		partial := w.parsers.lend(w.parsers.parsed(c))
		w.parsers.body[partial] = one.Body
		if i := w.pipelines.of(c); i != 0 {
			w.pipelines.at(i).partial = partial
		} else {
			w.SetState(c, conn.Request, partial)
		}
	}
	return nil
}

func (m *moving) sockets() error {
	for i := range m.Sockets.List {
		one := &m.Sockets.List[i]
		w, c := m.of(one.Conn)
		if w == nil {
			return errByName
		}
		s, err := w.sockets.resumeOne(c, one)
		if err != nil {
			return err
		}
		w.sockets.setAnswering(s, len(s.out) > 0)
	}
	return nil
}

// listeners restores the listeners to /psub. A listing of the existing channels starts again
// from the beginning, because the channels have new places.
func (m *moving) listeners() {
	for _, before := range m.Listeners {
		if w, c := m.of(before); w != nil {
			w.Presence.listeners = append(w.Presence.listeners, c)
			w.totals.Listening.Or(1 << w.ID)
		}
	}
	for _, l := range m.Listings {
		if w, c := m.of(l.Conn); w != nil {
			w.Presence.resume(Listing{Conn: c, At: 1})
		}
	}
}

// counts adds the old web's counters to those of a new web.
func (m *moving) counts() {
	w := m.to[int(m.loop)%len(m.to)]
	w.requests += m.Requests
	w.broadcasts += m.Broadcasts
	w.Histories.Read += m.Histories
	w.Histories.Same += m.Unchanged
	w.Batches.taken += m.Batches
	w.sockets.addCounts(&m.Sockets)
}

// parsed parses the unread bytes of a request again.
func (h *parserPool) parsed(c reactor.Conn) *httplite.Request {
	req, p := h.spareOne(), h.loop.Unread(c)
	_, _ = req.Parse(p, h.site.limitsOf(h.Side(c), p)) // an error occurs again when the rest is parsed
	req.WantsContinue()                                // clears the flag: 100 Continue was sent before
	return req
}
