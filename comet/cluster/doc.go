// Package cluster has several servers share channels over Redis (or Valkey), which numbers the
// messages and keeps them. It is the log of a [comet.Config]: without it a server numbers by
// itself. Only a program's wiring imports it.
//
// What stands in Redis, for each partition p of the channels, all with the hash tag {p}:
//
//	g        hash: of which master it is (run), generation (gen), and for these where it stands
//	         (at): what is added to every number (off), broadcasts so far (b), items that were on
//	         the bus so far (total), messages and bytes since the bus was cut off last
//	m:NAME   a channel: its life, and the messages of its own (life<<32 | n); a channel that only
//	         waits has none; it goes a week after the last message, or the last Touch
//	h:NAME   list: its last messages, three elements each (history.go)
//	hb       list: the last broadcasts
//	l:NAME   its lease
//	k:NAME   the number that a key of a publish has got
//	bus      stream: what has happened, some of it an entry (entry.go)
//	ctl      stream, of partition 0: what nodes tell each other (nodes.go)
//
// A message's number is n + b + off. The way of a message:
//
//  1. a loop proposes it (gather.go), and calls at the end of its turn (express.go); what all loops
//     propose while a call is under way is the next call;
//  2. one script (script.go) gives the numbers, keeps the messages and appends an entry to the
//     bus; the loops are told the numbers;
//  3. the reader of each node (reader.go) gets the entry, and tells its loops of the messages
//     of channels that somebody there may wait for (interest.go). While there is no need to pause
//     between two reads (pace.go) a loop does that for it (loan.go).
//
// A master that takes another's place may lack the last writes. The scripts of publishing are
// another text for each run of a master and each generation, and a master that was promoted or
// restarted does not know them: nothing is published there until a node has raised the
// generation, and with it all numbers (fence.go). Where that is lost in its turn before all nodes
// have heard of it, those that have raise all numbers once more. An entry says how many items were before it,
// so that a reader knows what it has missed, and has the loops compare (place.go).
//
// No goroutine of this package touches what a loop owns: it posts mail to the loop's inbox. No
// loop waits for one.
package cluster
