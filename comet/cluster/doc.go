// Package cluster lets several servers share channels over Redis (or Valkey), which numbers
// the messages and keeps them. It is the log of a [comet.Config]; without it a server numbers
// its messages itself. Only the wiring of a program imports it.
//
// Redis has these keys for each partition p of the channels, all with the hash tag {p}:
//
//	g        hash: the run id of the master (run), the generation (gen), and the state of the
//	         partition (at): the offset that is added to every number (off), the number of
//	         broadcasts (b) and of items on the bus (total) so far, and the messages and bytes
//	         since the bus was last trimmed
//	m:NAME   a channel: its life, and the number of its own messages (life<<32 | n). A channel
//	         without messages has none. It expires a week after the last message, or Touch
//	h:NAME   list: its last messages, three elements each (history.go)
//	hb       list: the last broadcasts
//	l:NAME   its lease
//	k:NAME   the number of the message that was published with a key
//	bus      stream: the entries with what was published (entry.go)
//	ctl      stream, only of partition 0: what nodes tell each other (nodes.go)
//
// The number of a message is n + b + off. A message takes this way:
//
//  1. A loop proposes it (gather.go), and calls Redis at the end of its turn (fastpath.go). What
//     all loops propose while a call is under way goes into the next call. A loop also reads the
//     answer.
//  2. One script (script.go) gives the numbers, keeps the messages and appends an entry to the
//     bus. The loops are told the numbers.
//  3. The reader of each node (reader.go) reads the entry, and passes each message on to the
//     loops that may have subscribers of its channel (interest.go). While messages concern the
//     loops and no pause is due between two reads (pace.go), a loop does this work for the reader
//     (loan.go). It calls Redis again when the subscribers have the messages.
//
// A replica that becomes the master may lack the last writes. So the scripts that publish
// have a different text for each run of a master and each generation. A new or restarted
// master does not know them, and nothing is published there until a node has raised the
// generation, and with it all numbers (fence.go). If that write is lost, too, before all nodes
// have read of it, the nodes that have read of it raise all numbers once more. An entry says how
// many items were before it on the bus. So a reader knows whether it has missed any, and then
// has the loops compare their channels with Redis (place.go).
//
// No goroutine of this package touches what a loop owns: it posts mail to the loop's inbox.
// No loop waits for a goroutine of this package.
package cluster
