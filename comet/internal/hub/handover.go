package hub

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Handover is the state of a Quiet hub as plain data. The records stay where they are, in the loop's
// arena.
type Handover struct {
	Subs, Rosters  reactor.SlabState
	RosterIndex    record.IndexState
	Callbacks      [record.NameSizes]reactor.SlabState
	Replays        []Replay         // subscribers to replay, in order
	Subscribers    map[string]int64 // number of subscribers, by the names of frame.CountedNames
	Behind         int64
	Delivered      uint64
	Replayed       uint64
	Heartbeats     uint64
	Lost           uint64
	Hearing        uint8         // sockets.hearing
	PollingTimeout time.Duration // 0: written by a version that has neither this nor Hearing
}

// Replay is a subscriber that waits for the messages it has missed.
type Replay struct {
	Sub  uint32
	Conn reactor.Conn
}

// Layout describes the records of a hub, and the numbers of transports in them.
func Layout() string {
	names := frame.CountedNames()
	return handover.Layout(reflect.TypeFor[Subscriber](), reflect.TypeFor[Roster]()) + strings.Join(names[:], " ") + "\n"
}

// Quiet reports whether all that is under way is in the hub's records, except subscribers that wait for
// a replay.
func (h *Hub) Quiet() bool {
	return len(h.Scans.List) == 0 && len(h.Pumps.Busy) == 0 && len(h.Departed) == 0 && h.laterJoins.live() == 0
}

const valueName = "hub"

// HandOver writes the state of the hub.
func (h *Hub) HandOver(to handover.Part) {
	t := &h.Tally
	st := Handover{
		Subs: h.Subs.State(), Rosters: h.Rosters.State(), RosterIndex: h.Rosters.index.State(), Callbacks: h.Subs.callbacks.State(),
		Subscribers: map[string]int64{},
		Behind:      t.Behind, Delivered: t.Delivered, Replayed: t.Replayed, Heartbeats: t.heartbeats, Lost: t.lost, Hearing: h.Sockets.hearing(), PollingTimeout: h.cfg.PollingTimeout,
	}
	for i, name := range frame.CountedNames() {
		st.Subscribers[name] = t.Subscribers[i]
	}
	for _, r := range h.Replays.List {
		st.Replays = append(st.Replays, Replay{r.sub, r.conn})
	}
	to.Value(valueName, &st)
}

// resumeFrom continues a hub from the state that another program has written.
func (h *Hub) resumeFrom(from *handover.Reader) error {
	var st Handover
	if err := from.Value(valueName, &st); err != nil {
		return err
	}
	t := &h.Tally
	t.Behind, t.Delivered, t.Replayed, t.heartbeats, t.lost = st.Behind, st.Delivered, st.Replayed, st.Heartbeats, st.Lost
	for i, name := range frame.CountedNames() {
		t.Subscribers[i] = st.Subscribers[name]
	}
	for _, r := range st.Replays {
		h.Replays.List = append(h.Replays.List, replayer{r.Sub, r.Conn})
	}
	h.Replays.List = slices.Clip(h.Replays.List)
	h.Sockets.resumeHearing(&st)
	arena := h.loop.Arena()
	return errors.Join(h.Subs.resume(arena, &st), h.Rosters.resume(arena, &st))
}
