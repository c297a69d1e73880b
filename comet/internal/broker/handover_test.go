package broker

import (
	"reflect"
	"testing"

	"ccomet/comet/internal/handover/known"
)

// TestByNameKnowsRecords: each field of a record is listed with what describes it by name. A
// new field must be added.
func TestByNameKnowsRecords(t *testing.T) {
	known.Fields(t, reflect.TypeFor[Channel](), map[string]string{
		"Next": "Next", "Gen": "Epoch", "link": "made anew", "history": "History", "subs": "counted", "lease": "Left", "loops": "counted",
		"nameAt": "Names", "nameLen": "Names", "state": "IsClosed", "Dialect": "Dialect", "born": "Minutes",
	})
	known.Fields(t, reflect.TypeFor[session](), map[string]string{
		"link": "made anew", "channel": "Channel", "conn": "Conn", "nameAt": "Names", "nameLen": "Names", "loop": "Loop", "_": "nothing",
	})
	known.Fields(t, reflect.TypeFor[publishKey](), map[string]string{
		"hash": "Hash, Other", "link": "made anew", "next": "the order", "due": "Left", "seq": "Seq",
	})
}

// TestHandOverKnowsBroker: each field is listed with how it is handed over. A new field must
// be added.
func TestHandOverKnowsBroker(t *testing.T) {
	known.Fields(t, reflect.TypeFor[Broker](), map[string]string{
		"Mailer": "empty: Quiet", "loop": "given", "cfg": "given", "totals": "given", "tokens": "of the secret, which the server has",
		"snapshots": "given", "names": "Names", "channels": "below", "rates": "no: each channel may have one second's messages more", "published": "Published", "histories": "below",
		"remote": "below", "attachments": "below", "judge": "no: Server.Park refuses", "keys": "Keys", "pinned": "no: all mail has been read", "batches": "none: Quiet", "batchLeft": "of a turn", "sessions": "below", "broadcasts": "none: Quiet", "scanLeft": "of a turn",
		"Presence": "none: Quiet; a round begins anew", "Explanations": "none: Quiet",
	})
	known.Fields(t, reflect.TypeFor[channels](), map[string]string{
		"Slab": "Channels", "loop": "given", "homes": "given", "names": "Names", "index": "ChannelIndex", "epochs": "Epochs", "leases": "Leases",
	})
	known.Fields(t, reflect.TypeFor[sessions](), map[string]string{"Slab": "Sessions", "homes": "given", "names": "Names", "index": "SessionIndex"})
	known.Fields(t, reflect.TypeFor[histories](), map[string]string{
		"cfg": "given", "totals": "given", "channels": "given", "short": "made anew", "chunks": "written behind", "used": "HistoryRoom", "freeList": "made anew",
		"bytes": "counted", "messages": "counted", "spares": "no: of this program", "hand": "no: it begins anywhere", "early": "of this program", "attempts": "of this program", "unread": "none: all is read to be written",
	})
	known.Fields(t, reflect.TypeFor[remote](), map[string]string{
		"Authority": "given", "b": "given", "open": "none: Quiet", "scans": "none: Quiet", "held": "none: Quiet",
	})
	known.Fields(t, reflect.TypeFor[attachments](), map[string]string{
		"b": "given", "log": "given", "states": "written behind", "waiting": "below", "serving": "of a turn", "skipped": "Gaps",
	})
	known.Fields(t, reflect.TypeFor[waiting](), map[string]string{
		"answers": "Waiting, and asked for again", "numbers": "Waiting", "starts": "made anew", "orphans": "none: Quiet",
	})
	known.Fields(t, reflect.TypeFor[attachment](), map[string]string{"index": "written behind", "state": "written behind"})
	known.Fields(t, reflect.TypeFor[publishKeys](), map[string]string{
		"cfg": "given", "totals": "given", "channels": "given", "records": "Records", "index": "Index", "backends": "First", "clients": "Clients", "text": "new", "repeats": "Repeated",
	})
	known.Fields(t, reflect.TypeFor[history](), map[string]string{
		"first": "messages", "last": "messages", "written": "no: of this program", "gone": "made anew", "inFirst": "made anew", "bytes": "counted", "count": "counted", "shared": "counted", "marks": "made anew", "free": "made anew",
	})
}
