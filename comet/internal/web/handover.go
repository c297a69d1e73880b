package web

import (
	"errors"
	"strings"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/op"
	"ccomet/httplite"
	"ccomet/reactor"
)

// Handover is a web as plain data. The web must be Quiet. The connections' states are in the
// connection records, which the loop hands over.
type Handover struct {
	Requests, Broadcasts uint64
	Histories, Unchanged uint64
	Batches              uint64
	Counts               map[string][]int64 // number of connections, by the name of the side and by state
	Clients              []uint64           // hashes of clients' addresses, by connection
	Pages                frame.PagesState

	PartialRoom  int // length of the parsers' list, including free places
	Partials     []Partial
	PipelineRoom int
	Pipelines    []Pipeline
	Listeners    []reactor.Conn
	Listings     []Listing
	Sockets      Sockets
}

// Partial is a request that has not completely arrived. The loop hands over its bytes, which
// are parsed again from the start.
type Partial struct {
	Place uint32
	Conn  reactor.Conn
	Body  bool // its head has arrived
}

// Pipeline is a pipeline whose answers are complete and wait until the client reads.
type Pipeline struct {
	Place                     uint32
	Conn                      reactor.Conn
	First                     uint32
	Answers                   [][]byte // rendered
	Partial                   uint32
	Full, CloseAfter          bool
	Psub, PsubNow, PsubHTTP10 bool
	History                   *History // the only pending reply, if it is an answer to /history
}

// History is an answer to /history that is partly written.
type History struct {
	Name           []byte
	Left           int
	From           int32
	Epoch          uint32
	Callback       string
	Side           uint8
	CloseAfter     bool
	HTTP10, IsHEAD bool
}

// Listing is how far the listing of existing channels to a listener of /psub has got.
type Listing struct {
	Conn reactor.Conn
	Home int
	At   uint32
}

// Layout lists the names of the numbers that a Handover contains: sides and states of
// connections, and operations on WebSockets. Two programs with the same Layout use the same
// numbers.
func Layout() string {
	return strings.Join(conn.SideNames[:], " ") + "\n" + strings.Join(conn.StateNames[:], " ") + "\n" + strings.Join(op.Names[:], " ") + "\n"
}

// Quiet reports whether no request waits for anything but its client.
func (w *Web) Quiet() bool {
	return w.Answers() == 0 && len(w.Presence.Lines) == 0 && len(w.Probe.Askers) == 0 && len(w.Histories.waiting) == 0 &&
		!w.Handlers.anyRuns() && !w.Presence.asks() && w.pipelines.quiet() && w.sockets.quiet()
}

// quiet reports whether all replies are complete, except histories that wait for their clients
// to read.
func (ps *pipelines) quiet() bool {
	for _, p := range ps.list {
		if p == nil || p.conn == 0 {
			continue
		}
		for n := range p.replies {
			reply := &p.replies[n]
			if h := reply.history; h == nil && !reply.done || h != nil && (n > 0 || reply.done || h.asked || !h.begun) {
				return false
			}
		}
	}
	return true
}

// anyRuns reports whether any handler has not returned yet.
func (hs *handlers) anyRuns() bool {
	for _, h := range hs.list {
		if h.state == handlingRuns {
			return true
		}
	}
	return false
}

// asks reports whether an answer to mail.ListChannels is pending.
func (p *presence) asks() bool {
	for _, l := range p.Listings {
		if l.asked {
			return true
		}
	}
	return false
}

const valueName = "web"

// HandOver writes the state of the web.
func (w *Web) HandOver(to handover.Part) {
	st := Handover{
		Requests: w.requests, Broadcasts: w.broadcasts, Histories: w.Histories.Read, Unchanged: w.Histories.Same, Batches: w.Batches.taken, Counts: map[string][]int64{}, Clients: w.clients.byConn.State(), Pages: w.PagesState(),
		PartialRoom: len(w.parsers.list), PipelineRoom: len(w.pipelines.list), Listeners: w.Presence.listeners, Sockets: w.sockets.state(),
	}
	for side, name := range conn.SideNames {
		st.Counts[name] = w.Count[side][:]
	}
	for c, l := range w.Presence.Listings {
		st.Listings = append(st.Listings, Listing{c, l.home, l.at})
	}
	if w.parsers.inUse() > 0 {
		for i := uint32(1); i <= w.loop.Indexes(); i++ {
			if c := w.loop.ConnAt(i); c != 0 {
				if partial := w.parsers.partialOf(c); partial != 0 {
					st.Partials = append(st.Partials, Partial{partial, c, w.parsers.body[partial]})
				}
			}
		}
	}
	for i := 1; i < len(w.pipelines.list); i++ {
		if p := w.pipelines.list[i]; p.conn != 0 {
			st.Pipelines = append(st.Pipelines, w.pipelines.state(uint32(i), p))
		}
	}
	to.Value(valueName, &st)
}

func (ps *pipelines) state(place uint32, p *pipeline) Pipeline {
	one := Pipeline{
		Place: place, Conn: p.conn, First: p.first, Partial: p.partial, Full: p.full, CloseAfter: p.closeAfter,
		Psub: p.psub, PsubNow: p.psubNow, PsubHTTP10: p.http10,
	}
	for n := range p.replies {
		reply := &p.replies[n]
		var answer []byte
		if h := reply.history; h != nil {
			one.History = &History{
				Name: h.name, Left: h.left, From: h.from, Epoch: h.epoch, Callback: reply.cb,
				Side: reply.side, CloseAfter: reply.closeAfter, HTTP10: reply.http10, IsHEAD: reply.isHEAD,
			}
			break
		}
		if reply.handled {
			answer = append(answer, ps.renderHandled(ps.Handlers.find(p.conn, p.first+uint32(n)), reply)...)
		} else {
			answer = ps.appendPending(nil, reply)
		}
		one.Answers = append(one.Answers, answer)
	}
	return one
}

// errWebState is returned when a handed-over state is inconsistent.
var errWebState = errors.New("the handed-over state of connections is inconsistent")

// resumeFrom restores the web that another program has written.
func (w *Web) resumeFrom(from *handover.Reader) error {
	var st Handover
	if err := from.Value(valueName, &st); err != nil {
		return err
	}
	w.requests, w.broadcasts = st.Requests, st.Broadcasts
	w.Histories.Read, w.Histories.Same, w.Batches.taken = st.Histories, st.Unchanged, st.Batches
	for side, name := range conn.SideNames {
		copy(w.Count[side][:], st.Counts[name])
	}
	w.clients.resume(st.Clients)
	w.ResumePages(st.Pages)
	w.Presence.listeners = st.Listeners
	for _, l := range st.Listings {
		w.Presence.resume(l)
	}
	if err := w.sockets.resume(&st.Sockets); err != nil {
		return err
	}
	for _, s := range w.sockets.of {
		w.sockets.setAnswering(s, len(s.out) > 0)
	}
	if err := w.pipelines.resume(st.PipelineRoom, st.Pipelines); err != nil {
		return err
	}
	return w.parsers.resume(st.PartialRoom, st.Partials)
}

// resume restores the pipelines, whose answers wait until their clients read.
func (ps *pipelines) resume(room int, list []Pipeline) error {
	for range room {
		ps.list = append(ps.list, &pipeline{})
	}
	for _, one := range list {
		if one.Place == 0 || int(one.Place) >= room || ps.list[one.Place].conn != 0 || one.Conn == 0 {
			return errWebState
		}
		ps.resumeOne(one.Place, one.Conn, &one)
	}
	for i := len(ps.list) - 1; i > 0; i-- {
		if ps.list[i].conn == 0 {
			ps.idle = append(ps.idle, uint32(i))
		}
	}
	return nil
}

// resumeOne restores one pipeline.
func (ps *pipelines) resumeOne(place uint32, c reactor.Conn, one *Pipeline) {
	p := ps.list[place]
	*p = pipeline{
		conn: c, first: one.First, partial: one.Partial, full: one.Full, closeAfter: one.CloseAfter,
		psub: one.Psub, psubNow: one.PsubNow, http10: one.PsubHTTP10,
	}
	for _, answer := range one.Answers {
		p.replies = append(p.replies, pendingReply{done: true, text: string(answer)})
	}
	if h := one.History; h != nil {
		p.replies = append(p.replies, pendingReply{
			recipient: recipient{conn: c, side: h.Side, closeAfter: h.CloseAfter, http10: h.HTTP10, isHEAD: h.IsHEAD},
			history:   &historyReply{name: h.Name, left: h.Left, from: h.From, epoch: h.Epoch, begun: true}, cb: h.Callback,
		})
	}
	ps.markReady(place)
}

// resume parses again the bytes of requests that have not completely arrived.
func (h *parserPool) resume(room int, list []Partial) error {
	h.list, h.body = make([]*httplite.Request, room), make([]bool, room)
	for _, one := range list {
		if one.Place == 0 || int(one.Place) >= room || h.list[one.Place] != nil {
			return errWebState
		}
		h.list[one.Place], h.body[one.Place] = h.parsed(one.Conn), one.Body
	}
	for i := room - 1; i > 0; i-- {
		if h.list[i] == nil {
			h.free = append(h.free, uint32(i))
		}
	}
	return nil
}

// resume restores the client of each connection, and counts the connections if they are counted
// now.
func (k *clients) resume(list []uint64) {
	for i, client := range list {
		if client != 0 {
			k.resumeOne(k.conns.Loop.ConnAt(uint32(i)), client)
		}
	}
}

// resumeOne restores the client of one connection.
func (k *clients) resumeOne(c reactor.Conn, client uint64) {
	if !k.site.tellsApart() {
		return
	}
	*k.byConn.At(c.Index()) = client
	if k.site.AddrCounter != nil && k.conns.Side(c) != conn.Admin {
		k.site.AddrCounter.Add(client)
	}
}

// resume restores a listing. It continues when its listener is written to again.
func (p *presence) resume(of Listing) {
	if p.Listings == nil {
		p.Listings = map[reactor.Conn]*listing{}
	}
	p.Listings[of.Conn] = &listing{home: of.Home, at: of.At}
}
