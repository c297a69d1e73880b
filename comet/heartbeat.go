package comet

import "ccomet/reactor"

// heartbeat arms the next noop: at the latest after the polling timeout, and
// spread over its last quarter, so that those who came in one second do not
// beat in one second; in steps, so that an idle machine sleeps for longer than
// a tick. A message does not put it off: that would cost each delivery more
// than a noop too many costs now and then. Who is stuck has the write timeout
// instead.
func (h *hub) heartbeat(c reactor.Conn) {
	if h.drain.on() {
		h.drain.depart(c)
		return
	}
	if h.loop.Blocked(c) {
		return
	}
	timeout := uint64(h.cfg.PollingTimeout / reactor.TickLength)
	step := min(max(timeout/16, 1), maxBeatStep)
	due := uint64(h.loop.Tick()) + timeout - 1 - h.rng.next()%(timeout/4)
	h.loop.SetTimerAt(c, reactor.Tick(due-due%step))
}

// maxBeatStep is the longest step between heartbeats, in ticks: half a second.
const maxBeatStep = 8

// beat: a subscriber's timer has run out.
func (h *hub) beat(owner uint32, c reactor.Conn) {
	if h.drain.on() {
		h.sendAway(owner, c)
		return
	}
	waiting := h.waiting(owner)
	if waiting == 0 {
		h.loop.Close(c) // no channel's home ever answered
		return
	}
	if h.loop.Blocked(c) {
		h.totals.slowClosed.Add(1)
		h.loop.Close(c) // stuck for the write timeout; without a final chunk, so the client comes back
		return
	}
	sub := h.subs.At(owner)
	if sub.poll() {
		if !sub.transport.row().sessions { // which have none
			h.tally.heartbeats++
			h.finishEmptyPoll(owner, waiting)
		}
		return
	}
	h.object = h.appendNoop(h.object[:0], sub, waiting)
	sub.noop++
	h.tally.heartbeats++
	h.scratch = appendFrame(h.scratch[:0], sub.framing(), h.object, noEventID)
	h.heartbeat(c)
	_ = h.loop.Write(c, h.scratch)
	if h.loop.Blocked(c) {
		h.loop.SetTimer(c, h.loop.WriteTime(c))
	}
}

// appendNoop appends the noop of a connection's subscriber, which names the
// channel of its first subscription that waits.
func (h *hub) appendNoop(object []byte, sub *subscriber, waiting uint32) []byte {
	return appendObject(object, kindNoop, h.rosterName(h.subs.At(waiting).roster), sub.noop, "")
}
