package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/httplite"
	"ccomet/reactor"
)

// parserPool has the parsers of requests that have not wholly arrived, by index, and some
// that are idle.
type parserPool struct {
	*Web
	list  []*httplite.Request // [0] is no connection's
	free  []uint32
	body  []bool // its head has arrived
	spare []*httplite.Request
}

// keepSpare is how many idle parsers are kept.
const keepSpare = 64

func (h *parserPool) at(i uint32) *httplite.Request { return h.list[i] }

func (h *parserPool) lend(req *httplite.Request) uint32 {
	if n := len(h.free); n > 0 {
		i := h.free[n-1]
		h.free = h.free[:n-1]
		h.list[i], h.body[i] = req, false
		return i
	}
	if len(h.list) == 0 {
		h.list, h.body = append(h.list, nil), append(h.body, false)
	}
	h.list, h.body = append(h.list, req), append(h.body, false)
	return uint32(len(h.list) - 1)
}

func (h *parserPool) spareOne() *httplite.Request {
	if n := len(h.spare); n > 0 {
		req := h.spare[n-1]
		h.spare = h.spare[:n-1]
		return req
	}
	return new(httplite.Request)
}

func (h *parserPool) giveBack(i uint32) {
	req := h.list[i]
	h.list[i] = nil
	h.free = append(h.free, i)
	if len(h.spare) < keepSpare {
		req.Reset()
		h.spare = append(h.spare, req)
	}
}

// inUse is how many parsers are lent.
func (h *parserPool) inUse() int { return max(len(h.list)-1, 0) - len(h.free) }

// parser is where a connection's request is parsed: the loop's own parser, but
// for a request that has begun already.
func (h *parserPool) parser(c reactor.Conn) *httplite.Request {
	if partial := h.partialOf(c); partial != 0 {
		return h.at(partial)
	}
	return h.req
}

// partialOf is the parser of a request that has begun, 0 if none has.
func (h *parserPool) partialOf(c reactor.Conn) uint32 {
	st, i := h.State(c)
	if partial := connStates[st].partial; partial != nil {
		return partial(h.Web, i)
	}
	return 0
}

// incomplete keeps what is known of a request whose rest has not arrived. From
// its first byte on its head has RequestTimeout to be whole, and then its body
// BodyTimeout. When such requests take all the memory that they may, connections whose
// requests have been arriving for a second are evicted, or the request is refused.
func (h *parserPool) incomplete(c reactor.Conn, req *httplite.Request) {
	ceiling := h.cfg.MaxHeldBytes
	if h.Side(c) != conn.Admin && !h.evictor.forInput(ceiling/h.cfg.Loops) {
		h.totals.HitLimit(limit.Held, ceiling, h.loop.Now())
		req.Reset()
		h.drop(c)
		h.Refuse(c, &httplite.Error{Status: 503, Reason: h.cfg.tooMuchArriving()})
		return
	}
	if req == h.req {
		partial := h.lend(req)
		h.req = h.spareOne()
		st, i := h.State(c)
		connStates[st].keepPartial(h.Web, i, c, partial)
		h.loop.SetTimer(c, h.cfg.RequestTimeout)
	}
	if i := h.partialOf(c); req.HeadDone() && !h.body[i] {
		h.body[i] = true
		h.loop.SetTimer(c, h.cfg.BodyTimeout)
	}
	// Behind requests that are not answered yet it would be taken for an answer;
	// a client has to send the body without it in the end (RFC 9110 10.1.1).
	if h.pipelines.of(c) == 0 && req.WantsContinue() {
		_ = h.loop.Write(c, []byte(httplite.Continue))
	}
}

// take takes the parser that incomplete kept off its connection; 0 if there is none.
func (h *parserPool) take(c reactor.Conn) (partial uint32) {
	if partial = h.partialOf(c); partial != 0 {
		st, i := h.State(c)
		connStates[st].keepPartial(h.Web, i, c, 0)
	}
	return partial
}

// drop gives back the parser that incomplete kept.
func (h *parserPool) drop(c reactor.Conn) {
	if partial := h.take(c); partial != 0 {
		h.giveBack(partial)
	}
}
