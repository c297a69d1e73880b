package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/httplite"
	"ccomet/reactor"
)

// parserPool holds the parsers of incomplete requests by index, and some idle parsers.
type parserPool struct {
	*Web
	list  []*httplite.Request // index 0 is not used
	free  []uint32
	body  []bool // whether the request's head is complete
	spare []*httplite.Request
}

// keepSpare is the maximum number of idle parsers.
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

// inUse returns how many parsers are lent.
func (h *parserPool) inUse() int { return max(len(h.list)-1, 0) - len(h.free) }

// parser returns the parser for a connection's next bytes: the one of its incomplete request,
// or else the loop's own.
func (h *parserPool) parser(c reactor.Conn) *httplite.Request {
	if partial := h.partialOf(c); partial != 0 {
		return h.at(partial)
	}
	return h.req
}

// partialOf returns the index of the parser of a connection's incomplete request, or 0.
func (h *parserPool) partialOf(c reactor.Conn) uint32 {
	st, i := h.State(c)
	if partial := connStates[st].partial; partial != nil {
		return partial(h.Web, i)
	}
	return 0
}

// incomplete keeps the state of a request of which more bytes must arrive. The head must be
// complete RequestTimeout after its first byte, and the body BodyTimeout after the head. If
// incomplete requests use all the memory that they may, connections whose requests have been
// arriving for at least EvictAfter are evicted; if that is not enough, the request is refused.
func (h *parserPool) incomplete(c reactor.Conn, req *httplite.Request) {
	ceiling := h.cfg.MaxHeldBytes
	if h.Side(c) != conn.Admin && !h.evictor.limitInput(ceiling/h.cfg.Loops) {
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
	// While earlier requests are unanswered, the client would take it for an answer to one of
	// those. Without it, a client must send the body after a while anyway (RFC 9110 10.1.1).
	if h.pipelines.of(c) == 0 && req.WantsContinue() {
		_ = h.loop.Write(c, []byte(httplite.Continue))
	}
}

// take detaches the parser of a connection's incomplete request; 0 if there is none.
func (h *parserPool) take(c reactor.Conn) (partial uint32) {
	if partial = h.partialOf(c); partial != 0 {
		st, i := h.State(c)
		connStates[st].keepPartial(h.Web, i, c, 0)
	}
	return partial
}

// drop discards a connection's incomplete request.
func (h *parserPool) drop(c reactor.Conn) {
	if partial := h.take(c); partial != 0 {
		h.giveBack(partial)
	}
}
