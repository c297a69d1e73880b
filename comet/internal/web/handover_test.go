package web

import (
	"reflect"
	"testing"

	"ccomet/comet/internal/handover/known"
)

// TestHandOverKnowsWeb: each field is listed here with how it is handed over. A new field must be added.
func TestHandOverKnowsWeb(t *testing.T) {
	known.Fields(t, reflect.TypeFor[Web](), map[string]string{
		"Mailer": "empty: Quiet", "Table": "Counts; states are in the loop's records", "responder": "new, but for Pages", "site": "given", "hub": "given",
		"loop": "given", "cfg": "given", "homes": "given", "totals": "given", "drain": "given", "debug": "of the log", "parsers": "Partials",
		"pipelines": "Pipelines", "Handlers": "Pipelines have the answers", "Presence": "below", "Probe": "none is under way: Quiet", "clients": "Clients",
		"evictor": "no: it begins anywhere", "pages": "given", "req": "new", "exchange": "of a turn", "params": "of a turn", "requests": "Requests",
		"broadcasts": "Broadcasts", "Histories": "below", "Batches": "below", "sockets": "below",
	})
	known.Fields(t, reflect.TypeFor[sockets](), map[string]string{
		"Web": "given",
		"of":  "List", "most": "counted", "idle": "new", "ready": "all that have something", "bytes": "counted", "clients": "Clients", "reader": "new",
		"whole": "between two messages", "out": "of a turn", "room": "of a turn", "counts": "Ops, Failed, Closed",
	})
	known.Fields(t, reflect.TypeFor[socket](), map[string]string{
		"conn": "Conn", "partial": "Parser, Payload", "began": "Began", "out": "Out", "answering": "counted", "arriving": "Arriving", "kept": "counted", "ops": "Ops", "first": "First", "held": "Held",
		"waiting": "Waiting", "joining": "no: Quiet", "ended": "Ended", "listed": "yes",
	})
	known.Fields(t, reflect.TypeFor[pendingOp](), map[string]string{
		"kind": "Kind", "done": "yes: Quiet", "closes": "Closes", "code": "Code", "idLen": "ID", "id": "ID", "seq": "Seq", "text": "Text",
	})
	known.Fields(t, reflect.TypeFor[histories](), map[string]string{
		"Web":  "given",
		"free": "new", "waiting": "none: Quiet", "Left": "of a turn", "Read": "Histories", "Same": "Unchanged",
	})
	known.Fields(t, reflect.TypeFor[batches](), map[string]string{
		"Web":    "given",
		"reader": "new", "free": "new", "open": "none: they are sent at once", "counts": "none", "mails": "none", "taken": "Batches",
	})
	known.Fields(t, reflect.TypeFor[historyReply](), map[string]string{
		"name": "Name", "run": "none: Quiet", "left": "Left", "from": "From", "first": "told already", "next": "told already", "epoch": "Epoch",
		"lost": "told already", "tell": "done already", "begun": "yes: Quiet", "asked": "no: Quiet",
	})
	known.Fields(t, reflect.TypeFor[pendingReply](), map[string]string{
		"recipient": "History, or rendered", "write": "rendered", "done": "yes: Quiet", "handled": "rendered", "ack": "rendered", "code": "rendered",
		"seq": "rendered", "count": "rendered", "epoch": "rendered", "lease": "rendered", "right": "rendered", "cb": "Callback, or rendered", "name": "rendered",
		"text": "Answers", "history": "History", "batch": "rendered",
	})
	known.Fields(t, reflect.TypeFor[pipeline](), map[string]string{
		"conn": "Conn", "first": "First", "replies": "Answers, rendered", "partial": "Partial", "full": "Full", "closeAfter": "CloseAfter", "psub": "Psub",
		"psubNow": "PsubNow", "http10": "PsubHTTP10", "listed": "yes",
	})
	known.Fields(t, reflect.TypeFor[listing](), map[string]string{"home": "Home", "at": "At", "asked": "no: Quiet"})
	known.Fields(t, reflect.TypeFor[parserPool](), map[string]string{"Web": "given", "list": "Partials", "free": "made anew", "body": "Partials", "spare": "new"})
	known.Fields(t, reflect.TypeFor[presence](), map[string]string{
		"Mailer": "empty: Quiet", "conns": "given", "heads": "given", "totals": "given", "listeners": "Listeners", "Listings": "Listings",
		"Lines": "none: Quiet", "chunk": "new",
	})
}
