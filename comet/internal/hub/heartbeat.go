package hub

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/msg"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// heartbeat arms the timer for the next noop. It fires within the polling timeout,
// somewhere in the last quarter, so that clients that came in one second do not get
// their noops in one second. A message does not postpone it: that would cost each
// delivery more than a needless noop costs now and then. A stuck connection has the
// write timeout instead.
func (h *Hub) heartbeat(c reactor.Conn) {
	if h.drain.On() {
		h.drain.ScheduleClose(c)
		return
	}
	if h.loop.Blocked(c) {
		return
	}
	timeout := uint64(h.cfg.PollingTimeout / reactor.TickLength)
	due := uint64(h.loop.Tick()) + timeout - 1 - h.Rng.Next()%(timeout/4)
	h.loop.SetTimerAt(c, reactor.Tick(due-due%beatStep(timeout, uint64(h.loop.Conns()))))
}

const (
	maxBeatStep = 8  // longest step between heartbeats, in ticks: half a second
	beatsAtOnce = 16 // about this many heartbeats a step if all clients have come at once; more if a tick has more
)

// beatStep returns the interval of heartbeats, in ticks: a loop with few clients sleeps
// for longer than a tick, and one with many has little to do at a time.
func beatStep(timeout, conns uint64) uint64 {
	return max(min(timeout/16, beatsAtOnce*(timeout/4)/max(conns, 1), maxBeatStep), 1)
}

// Beat handles a subscriber's timer.
func (h *Hub) Beat(owner uint32, c reactor.Conn) {
	if h.drain.On() {
		h.closeForDrain(owner, c)
		return
	}
	sub, waiting := h.Subs.At(owner), h.Subs.waiting(owner)
	switch {
	case waiting == 0 && !sub.socket():
		h.loop.Close(c) // no channel's home has answered
		return
	case h.loop.Blocked(c) && sub.socket():
		h.totals.SlowClosed.Add(1)
		h.web.CloseSocket(c, websocket.PolicyViolation, tooSlow)
		return
	case h.loop.Blocked(c):
		h.totals.SlowClosed.Add(1)
		h.loop.Close(c) // stuck for the write timeout; no final chunk, so that the client comes back
		return
	case sub.socket():
		h.Sockets.beatSocket(sub, c)
		return
	}
	if sub.poll() {
		if !sub.Transport.Row().Sessions { // sessions have no noops
			h.Tally.heartbeats++
			h.finishEmptyPoll(owner, waiting)
		}
		return
	}
	if h.vanished(sub, c) {
		h.totals.SlowClosed.Add(1)
		h.loop.ResetOnClose(c) // the kernel would go on sending for minutes
		h.loop.Close(c)
		return
	}
	h.Object = h.appendNoop(h.Object[:0], sub, waiting)
	sub.countNoop()
	h.Tally.heartbeats++
	h.Scratch = frame.AppendFrame(h.Scratch[:0], sub.framing(), h.Object, frame.NoEventID)
	h.heartbeat(c)
	_ = h.loop.Write(c, h.Scratch)
	if h.loop.Blocked(c) {
		h.loop.SetTimer(c, h.loop.WriteTime(c))
	}
}

// vanished says whether a client is gone without a FIN or a RST: its kernel owed an
// acknowledgement when the last noop was due, and has acknowledged nothing since then, nor for
// the write timeout. The kernel of a client that only does not read does acknowledge.
func (h *Hub) vanished(sub *Subscriber, c reactor.Conn) bool {
	if h.loop.Unacknowledged(c) == 0 {
		sub.Flags &^= subOwesAck
		return false
	}
	owed := sub.Has(subOwesAck)
	sub.Flags |= subOwesAck
	return owed && h.loop.Silence(c) >= max(h.cfg.PollingTimeout, h.cfg.WriteTimeout)
}

// appendNoop appends the noop of a connection's subscriber, with the name of the first
// channel that waits.
func (h *Hub) appendNoop(object []byte, sub *Subscriber, waiting uint32) []byte {
	return msg.AppendObject(object, msg.Noop, h.Rosters.name(h.Subs.At(waiting).Roster), sub.noops(), "")
}
