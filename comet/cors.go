package comet

import "ccomet/reactor"

// Pages of other origins read answers where the side's settings let them (CORS): "*"
// is told to all alike, a named origin is told to its own pages, with leave to send
// credentials. Since some answers are rendered long after their request has gone, a
// connection's page is kept beside it, in a column that is there only where origins
// are named: the place of its lines among those of all that the loop has now.

// cors is what a side tells pages of other origins.
type cors struct {
	origins Origins
	others  string // the lines for pages that are not named
}

// corsExpose has scripts see what they have to heed, beside what they always see.
const corsExpose = "Access-Control-Expose-Headers: Retry-After\r\n"

func newCORS(list []string) cors {
	origins, _ := ParseOrigins(list) // check has seen that it can be
	c := cors{origins: origins}
	if origins.any {
		c.others = "Access-Control-Allow-Origin: *\r\n" + corsExpose
	}
	if origins.named() {
		c.others += "Vary: Origin\r\n"
	}
	return c
}

func corsLines(origin string) string {
	return "Access-Control-Allow-Origin: " + origin + "\r\nAccess-Control-Allow-Credentials: true\r\n" + corsExpose + "Vary: Origin\r\n"
}

// pages are the origins of pages whose requests a loop serves, each once.
type pages struct {
	of    column[uint32] // by connection: a place in list, 0 for none that is named
	list  []page         // [0] is nobody's
	free  []uint32
	index map[string]uint32
}

type page struct {
	origin, lines string
	users         int
}

// enter gives a connection a page.
func (p *pages) enter(conn uint32, origin []byte) {
	place := p.of.at(conn)
	if *place != 0 && p.list[*place].origin == string(origin) {
		return
	}
	p.leave(conn)
	if len(origin) == 0 {
		return
	}
	i, known := p.index[string(origin)]
	if !known {
		i = p.take()
		p.list[i] = page{origin: string(origin), lines: corsLines(string(origin))}
		p.index[p.list[i].origin] = i
	}
	p.list[i].users++
	*place = i
}

func (p *pages) take() uint32 {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		return i
	}
	if len(p.list) == 0 {
		p.list, p.index = append(p.list, page{}), map[string]uint32{}
	}
	p.list = append(p.list, page{})
	return uint32(len(p.list) - 1)
}

// leave takes a connection's page away.
func (p *pages) leave(conn uint32) {
	place := p.of.at(conn)
	i := *place
	if i == 0 {
		return
	}
	*place = 0
	if p.list[i].users--; p.list[i].users == 0 {
		delete(p.index, p.list[i].origin)
		p.list[i] = page{}
		p.free = append(p.free, i)
	}
}

// notePage notes which page's origin a connection's request names, if that is one that
// the side names.
func (h *heads) notePage(side uint8, c reactor.Conn, origin []byte) {
	origins := &h.cors[side].origins
	if !origins.named() {
		return
	}
	if !origins.names(origin) {
		origin = nil
	}
	h.pages.enter(c.Index(), origin)
}

// page is the place of a connection's page, 0 if it has none that is named.
func (h *heads) page(side uint8, conn uint32) uint32 {
	if !h.cors[side].origins.named() {
		return 0
	}
	return *h.pages.of.at(conn)
}

// forgetPage: the connection has gone.
func (h *heads) forgetPage(side uint8, c reactor.Conn) {
	if h.cors[side].origins.named() {
		h.pages.leave(c.Index())
	}
}

// corsLines are the lines of a response's head that its page's browser looks for.
func (h *heads) corsLines(side uint8, conn uint32) string {
	if i := h.page(side, conn); i != 0 {
		return h.pages.list[i].lines
	}
	return h.cors[side].others
}

// appendEventsOrigin appends what iComet's pages on other origins need of /sse.
func (h *heads) appendEventsOrigin(dst []byte) []byte {
	if h.anyEvents && h.cors[sideFront].origins.empty() {
		dst = append(dst, "Access-Control-Allow-Origin: *\r\n"...)
	}
	return dst
}
