package comet

import (
	"fmt"

	"ccomet/httplite"
	"ccomet/reactor"
)

// halves are the parsers of requests that have not wholly arrived.
type halves struct {
	list  []*httplite.Request // [0] is nobody's
	free  []uint32
	body  []bool // its head has arrived
	spare []*httplite.Request
}

// keepSpare is how many idle parsers are kept.
const keepSpare = 64

func (h *halves) at(i uint32) *httplite.Request { return h.list[i] }

func (h *halves) lend(req *httplite.Request) uint32 {
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

func (h *halves) spareOne() *httplite.Request {
	if n := len(h.spare); n > 0 {
		req := h.spare[n-1]
		h.spare = h.spare[:n-1]
		return req
	}
	return new(httplite.Request)
}

func (h *halves) giveBack(i uint32) {
	req := h.list[i]
	h.list[i] = nil
	h.free = append(h.free, i)
	if len(h.spare) < keepSpare {
		req.Reset()
		h.spare = append(h.spare, req)
	}
}

// parser is where a connection's request is parsed: the loop's own parser, but
// for a request that has begun already.
func (w *web) parser(c reactor.Conn) *httplite.Request {
	if half := w.halfOf(c); half != 0 {
		return w.halves.at(half)
	}
	return w.req
}

// halfOf is the parser of a request that has begun, 0 if none has.
func (w *web) halfOf(c reactor.Conn) uint32 {
	switch what, i := w.state(c); what {
	case stateRequest:
		return i
	case stateAnswering:
		return w.pipes[i].half
	}
	return 0
}

// incomplete keeps what is known of a request whose rest has not arrived. From
// its first byte on its head has RequestTimeout to be whole, and then its body
// BodyTimeout. When such requests take all the memory that they may, those that have
// had a second make room, or it is refused.
func (w *web) incomplete(c reactor.Conn, req *httplite.Request) {
	limit := w.cfg.MaxHeldBytes
	if w.side(c) != sideAdmin && !w.makeRoomForInput(limit/w.cfg.Loops) {
		w.totals.hitLimit(limitHeld, limit, w.loop.Now())
		req.Reset()
		w.dropHalf(c)
		w.refuse(c, &httplite.Error{Status: 503, Reason: fmt.Sprintf("too much is held of requests that are still arriving: max-held-bytes is %d", limit)})
		return
	}
	if req == w.req {
		half := w.halves.lend(req)
		w.req = w.halves.spareOne()
		switch what, i := w.state(c); what {
		case stateAnswering:
			w.pipes[i].half = half
		default:
			w.setState(c, stateRequest, half)
		}
		w.loop.SetTimer(c, w.cfg.RequestTimeout)
	}
	if i := w.halfOf(c); req.HeadDone() && !w.halves.body[i] {
		w.halves.body[i] = true
		w.loop.SetTimer(c, w.cfg.BodyTimeout)
	}
	// Behind requests that are not answered yet it would be taken for an answer;
	// a client has to send the body without it in the end (RFC 9110 10.1.1).
	if what, _ := w.state(c); what != stateAnswering && req.WantsContinue() {
		_ = w.loop.Write(c, []byte(httplite.Continue))
	}
}

// takeHalf takes what incomplete kept off its connection; 0 if that is nothing.
func (w *web) takeHalf(c reactor.Conn) (half uint32) {
	switch what, i := w.state(c); what {
	case stateRequest:
		half = i
		w.setState(c, stateIdle, 0)
	case stateAnswering:
		half, w.pipes[i].half = w.pipes[i].half, 0
	}
	return half
}

// dropHalf gives back what incomplete kept.
func (w *web) dropHalf(c reactor.Conn) {
	if half := w.takeHalf(c); half != 0 {
		w.halves.giveBack(half)
	}
}
