package frame

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/peer"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Pages of other origins read answers where the side's settings let them (CORS): "*"
// is told to all alike, a named origin is told to its own pages, with leave to send
// credentials. Since some answers are rendered long after their request has gone, a
// connection's page is kept beside it, in a column that is there only where origins
// are named: the place of its lines among those of all that the loop has now.

// Cors is what a side tells pages of other origins.
type Cors struct {
	Origins peer.Origins
	others  string // the lines for pages that are not named
}

// corsExpose has scripts see what they have to heed, beside what they always see.
const corsExpose = "Access-Control-Expose-Headers: Retry-After, ETag\r\n"

// NewCORS is what a side tells pages of the origins in a list, which peer.ParseOrigins has found good.
func NewCORS(list []string) Cors {
	origins, _ := peer.ParseOrigins(list) // check has seen that it can be
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

// pages are the origins of pages whose requests a loop serves, each once.
type pages struct {
	of    record.Column[uint32] // by connection: a place in list, 0 for none that is named
	List  []page                // [0] is not used
	Free  []uint32
	Index map[string]uint32
}

type page struct {
	origin, lines string
	users         int
}

// enter gives a connection a page.
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

// leave takes a connection's page away.
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

// PagesState is which connections have which pages, as plain data.
type PagesState struct {
	Of      []uint32 // by connection: a place in Origins
	Origins []string // "" for a place that is free
}

// PagesState is what ResumePages goes on with.
func (h *Heads) PagesState() PagesState {
	st := PagesState{Of: h.Pages.of.State()}
	for _, one := range h.Pages.List {
		st.Origins = append(st.Origins, one.origin)
	}
	return st
}

// ResumePages goes on with the pages of another program's connections.
func (h *Heads) ResumePages(st PagesState) {
	for cn, place := range st.Of {
		if place != 0 && int(place) < len(st.Origins) {
			h.ResumePage(uint32(cn), st.Origins[place])
		}
	}
}

// ResumePage goes on with the page of one connection, by its index.
func (h *Heads) ResumePage(cn uint32, origin string) { h.Pages.enter(cn, []byte(origin)) }

// NotePage notes which page's origin a connection's request names, if that is one that
// the side names.
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

// Page is the place of a connection's page, 0 if it has none that is named.
func (h *Heads) Page(side uint8, cn uint32) uint32 {
	if !h.Cors[side].Origins.Named() {
		return 0
	}
	return *h.Pages.of.At(cn)
}

// ForgetPage: the connection has gone.
func (h *Heads) ForgetPage(side uint8, c reactor.Conn) {
	if h.Cors[side].Origins.Named() {
		h.Pages.leave(c.Index())
	}
}

// corsLines are the lines of a response's head that its page's browser looks for.
func (h *Heads) corsLines(side uint8, cn uint32) string {
	if i := h.Page(side, cn); i != 0 {
		return h.Pages.List[i].lines
	}
	return h.Cors[side].others
}

// AppendEventsOrigin appends what iComet's pages on other origins need of /sse.
func (h *Heads) AppendEventsOrigin(dst []byte) []byte {
	if h.EventsForAll() {
		dst = append(dst, "Access-Control-Allow-Origin: *\r\n"...)
	}
	return dst
}

// EventsForAll says whether event streams are for pages of every origin.
func (h *Heads) EventsForAll() bool { return h.AnyEvents && h.Cors[conn.Front].Origins.Empty() }
