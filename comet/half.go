package comet

import "ccomet/httplite"

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
