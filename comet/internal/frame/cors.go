package frame

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/peer"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Pages of other origins may read answers if the side's settings let them (CORS). The
// header for "*" is sent to all alike. A named origin is sent only to its own pages,
// with permission to send credentials. Some answers are rendered long after their
// request. So the page of a connection is stored beside the connection, in a column
// that exists only if origins are named: an index in the list of the origins that the
// loop has now.

// Cors is what a side tells pages of other origins.
type Cors struct {
	Origins peer.Origins
	others  string // header lines for pages that are not named
}

// corsExpose lets scripts read headers that they must heed, beside those that they may
// always read.
const corsExpose = "Access-Control-Expose-Headers: Retry-After, ETag\r\n"

// NewCORS makes a Cors from a list of origins, which peer.ParseOrigins has accepted.
func NewCORS(list []string) Cors {
	origins, _ := peer.ParseOrigins(list) // the configuration was checked
	c := Cors{Origins: origins}
	if origins.Any {
		c.others = "Access-Control-Allow-Origin: *\r\n" + corsExpose
	}
	if origins.Named() {
		c.others += "Vary: Origin\r\n"
	}
	return c
}

func corsLines(origin string) string {
	return "Access-Control-Allow-Origin: " + origin + "\r\nAccess-Control-Allow-Credentials: true\r\n" + corsExpose + "Vary: Origin\r\n"
}

// pages are the origins of the pages whose requests a loop serves, each once.
type pages struct {
	of    record.Column[uint32] // by connection: an index in List, 0 for no named one
	List  []page                // [0] is not used
	Free  []uint32
	Index map[string]uint32
}

type page struct {
	origin, lines string
	users         int
}

// enter sets the page of a connection.
func (p *pages) enter(cn uint32, origin []byte) {
	place := p.of.At(cn)
	if *place != 0 && p.List[*place].origin == string(origin) {
		return
	}
	p.leave(cn)
	if len(origin) == 0 {
		return
	}
	i, known := p.Index[string(origin)]
	if !known {
		i = p.take()
		p.List[i] = page{origin: string(origin), lines: corsLines(string(origin))}
		p.Index[p.List[i].origin] = i
	}
	p.List[i].users++
	*place = i
}

func (p *pages) take() uint32 {
	if n := len(p.Free); n > 0 {
		i := p.Free[n-1]
		p.Free = p.Free[:n-1]
		return i
	}
	if len(p.List) == 0 {
		p.List, p.Index = append(p.List, page{}), map[string]uint32{}
	}
	p.List = append(p.List, page{})
	return uint32(len(p.List) - 1)
}

// leave removes the page of a connection.
func (p *pages) leave(cn uint32) {
	place := p.of.At(cn)
	i := *place
	if i == 0 {
		return
	}
	*place = 0
	if p.List[i].users--; p.List[i].users == 0 {
		delete(p.Index, p.List[i].origin)
		p.List[i] = page{}
		p.Free = append(p.Free, i)
	}
}

// PagesState says which connections have which pages, as plain data.
type PagesState struct {
	Of      []uint32 // by connection: an index in Origins
	Origins []string // "" for an index that is free
}

// PagesState returns the state that ResumePages needs.
func (h *Heads) PagesState() PagesState {
	st := PagesState{Of: h.Pages.of.State()}
	for _, one := range h.Pages.List {
		st.Origins = append(st.Origins, one.origin)
	}
	return st
}

// ResumePages continues with the pages of another program's connections.
func (h *Heads) ResumePages(st PagesState) {
	for cn, place := range st.Of {
		if place != 0 && int(place) < len(st.Origins) {
			h.ResumePage(uint32(cn), st.Origins[place])
		}
	}
}

// ResumePage sets the page of one connection, by its index.
func (h *Heads) ResumePage(cn uint32, origin string) { h.Pages.enter(cn, []byte(origin)) }

// NotePage stores the origin of the page that has sent a connection's request, if the
// side names it.
func (h *Heads) NotePage(side uint8, c reactor.Conn, origin []byte) {
	origins := &h.Cors[side].Origins
	if !origins.Named() {
		return
	}
	if !origins.Names(origin) {
		origin = nil
	}
	h.Pages.enter(c.Index(), origin)
}

// Page returns the index of a connection's page, 0 if it has none that is named.
func (h *Heads) Page(side uint8, cn uint32) uint32 {
	if !h.Cors[side].Origins.Named() {
		return 0
	}
	return *h.Pages.of.At(cn)
}

// ForgetPage removes the page of a connection that has gone.
func (h *Heads) ForgetPage(side uint8, c reactor.Conn) {
	if h.Cors[side].Origins.Named() {
		h.Pages.leave(c.Index())
	}
}

// corsLines returns the header lines of a response for its page's browser.
func (h *Heads) corsLines(side uint8, cn uint32) string {
	if i := h.Page(side, cn); i != 0 {
		return h.Pages.List[i].lines
	}
	return h.Cors[side].others
}

// AppendEventsOrigin appends the header that iComet's pages on other origins need of
// /sse.
func (h *Heads) AppendEventsOrigin(dst []byte) []byte {
	if h.EventsForAll() {
		dst = append(dst, "Access-Control-Allow-Origin: *\r\n"...)
	}
	return dst
}

// EventsForAll reports whether pages of every origin may read event streams.
func (h *Heads) EventsForAll() bool { return h.AnyEvents && h.Cors[conn.Front].Origins.Empty() }
