package hub

import (
	"reflect"
	"testing"

	"ccomet/comet/internal/handover/known"
)

// TestByNameKnowsRecords: each field of a record is listed with what describes it by name. A
// new field must be added.
func TestByNameKnowsRecords(t *testing.T) {
	known.Fields(t, reflect.TypeFor[Subscriber](), map[string]string{
		"Conn": "Conn", "Roster": "Home, Channel", "Next": "made anew; no later join: Quiet", "prev": "made anew, or Place", "Cursor": "Cursor",
		"count": "Count, the order of members, or Callbacks", "link": "Callbacks, or the order of members", "Flags": "Has",
		"callbackLen": "Callbacks, or Silence", "Transport": "Transport",
	})
	known.Fields(t, reflect.TypeFor[Roster](), map[string]string{
		"link": "made anew", "Index": "of the channel", "Gen": "of the channel", "Head": "made anew", "Pump": "none: Quiet", "left": "none: Quiet",
		"nameAt": "of the channel", "nameLen": "of the channel", "Home": "of the channel", "listed": "no: Quiet", "_": "nothing",
	})
	if 1<<len(flagNames) != int(subTokenPublishes)<<1 {
		t.Errorf("%d flags have names", len(flagNames))
	}
}

// TestHandOverKnowsHub: each field is listed with how it is handed over. A new field must be
// added.
func TestHandOverKnowsHub(t *testing.T) {
	known.Fields(t, reflect.TypeFor[Hub](), map[string]string{
		"Mailer": "empty: Quiet", "Table": "given", "Heads": "given", "Buffers": "new", "loop": "given", "cfg": "given", "homes": "given", "totals": "given",
		"drain": "given", "web": "given", "Rng": "new", "trusted": "given", "Subs": "below", "Sockets": "below", "laterJoins": "none: Quiet",
		"Rosters": "below", "Departed": "none: Quiet", "Pumps": "below", "Replays": "below", "Scans": "none: Quiet", "msgs": "new", "Batch": "new", "Tally": "below",
	})
	known.Fields(t, reflect.TypeFor[subscribers](), map[string]string{"Slab": "Subs", "callbacks": "Callbacks"})
	known.Fields(t, reflect.TypeFor[rosters](), map[string]string{"Slab": "Rosters", "homes": "given", "index": "RosterIndex"})
	known.Fields(t, reflect.TypeFor[sockets](), map[string]string{"Hub": "given", "Answering": "counted by the web", "before": "Hearing, PollingTimeout"})
	known.Fields(t, reflect.TypeFor[replays](), map[string]string{"Hub": "given", "List": "Replays", "Left": "of a turn"})
	known.Fields(t, reflect.TypeFor[pumps](), map[string]string{
		"Hub": "given", "All": "idle: Quiet", "Busy": "none: Quiet", "Idle": "new", "unfinished": "of a turn", "left": "of a turn",
		"rendered": "none: Quiet", "LastHeldFrame": "no: the next short write makes another", "deflater": "new", "prefetchSink": "it is never read",
	})
	known.Fields(t, reflect.TypeFor[counters](), map[string]string{
		"Subscribers": "Subscribers", "Behind": "Behind", "Delivered": "Delivered", "Replayed": "Replayed", "heartbeats": "Heartbeats", "lost": "Lost",
	})
	known.Fields(t, reflect.TypeFor[replayer](), map[string]string{"sub": "Sub", "conn": "Conn"})
}
