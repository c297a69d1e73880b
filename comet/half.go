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
func (s *shard) parser(c reactor.Conn) *httplite.Request {
	if half := s.halfOf(c); half != 0 {
		return s.halves.at(half)
	}
	return s.req
}

// halfOf is the parser of a request that has begun, 0 if none has.
func (s *shard) halfOf(c reactor.Conn) uint32 {
	switch what, i := s.state(c); what {
	case stateRequest:
		return i
	case stateAnswering:
		return s.pipes[i].half
	}
	return 0
}

// incomplete keeps what is known of a request whose rest has not arrived. From
// its first byte on its head has RequestTimeout to be whole, and then its body
// BodyTimeout. When such requests take all the memory that they may, those that have
// had a second make room, or it is refused.
func (s *shard) incomplete(c reactor.Conn, req *httplite.Request) {
	limit := s.cfg.MaxHeldBytes
	if s.side(c) != sideAdmin && !s.makeRoomForInput(limit/s.cfg.Loops) {
		s.totals.hitLimit(limitHeld, limit, s.loop.Now())
		req.Reset()
		s.dropHalf(c)
		s.refuse(c, &httplite.Error{Status: 503, Reason: fmt.Sprintf("too much is held of requests that are still arriving: max-held-bytes is %d", limit)})
		return
	}
	if req == s.req {
		half := s.halves.lend(req)
		s.req = s.halves.spareOne()
		switch what, i := s.state(c); what {
		case stateAnswering:
			s.pipes[i].half = half
		default:
			s.setState(c, stateRequest, half)
		}
		s.loop.SetTimer(c, s.cfg.RequestTimeout)
	}
	if i := s.halfOf(c); req.HeadDone() && !s.halves.body[i] {
		s.halves.body[i] = true
		s.loop.SetTimer(c, s.cfg.BodyTimeout)
	}
	// Behind requests that are not answered yet it would be taken for an answer;
	// a client has to send the body without it in the end (RFC 9110 10.1.1).
	if what, _ := s.state(c); what != stateAnswering && req.WantsContinue() {
		_ = s.loop.Write(c, []byte(httplite.Continue))
	}
}

// takeHalf takes what incomplete kept off its connection; 0 if that is nothing.
func (s *shard) takeHalf(c reactor.Conn) (half uint32) {
	switch what, i := s.state(c); what {
	case stateRequest:
		half = i
		s.setState(c, stateIdle, 0)
	case stateAnswering:
		half, s.pipes[i].half = s.pipes[i].half, 0
	}
	return half
}

// dropHalf gives back what incomplete kept.
func (s *shard) dropHalf(c reactor.Conn) {
	if half := s.takeHalf(c); half != 0 {
		s.halves.giveBack(half)
	}
}
