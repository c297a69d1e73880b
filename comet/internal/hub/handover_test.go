package hub

import (
	"reflect"
	"testing"

	"ccomet/comet/internal/handover/known"
)

// TestHandOverKnowsHub: whoever adds a field says here whether it is handed over.
func TestHandOverKnowsHub(t *testing.T) {
	known.Fields(t, reflect.TypeFor[Hub](), map[string]string{
		"Mailer": "empty: Quiet", "Table": "given", "Heads": "given", "Buffers": "new", "loop": "given", "cfg": "given", "homes": "given", "totals": "given",
		"drain": "given", "web": "given", "Rng": "new", "trusted": "given", "Subs": "Subs", "Callbacks": "Callbacks", "laterJoins": "none: Quiet",
		"Rosters": "Rosters", "rosterIndex": "RosterIndex", "Departed": "none: Quiet", "pumps": "below", "Answering": "counted by the web",

		"Replays": "Replays", "ReplayLeft": "of a turn", "Scans": "none: Quiet", "msgs": "new", "Batch": "new", "Tally": "below",
	})
	known.Fields(t, reflect.TypeFor[pumps](), map[string]string{
		"Pumps": "idle: Quiet", "BusyPumps": "none: Quiet", "IdlePumps": "new", "unfinished": "of a turn", "pumpLeft": "of a turn",
		"rendered": "none: Quiet", "LastHeldFrame": "no: the next short write makes another", "deflater": "new", "prefetchSink": "it is never read",
	})
	known.Fields(t, reflect.TypeFor[counters](), map[string]string{
		"Subscribers": "Subscribers", "Behind": "Behind", "Delivered": "Delivered", "Replayed": "Replayed", "heartbeats": "Heartbeats", "lost": "Lost",
	})
	known.Fields(t, reflect.TypeFor[replayer](), map[string]string{"sub": "Sub", "conn": "Conn"})
}
