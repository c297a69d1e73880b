package broker

import (
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/reactor"
)

// Authority is one loop's end of a log beyond the loops, which numbers the messages of
// channels and keeps them in the place of the broker's own log. Its methods are called on
// that loop, and do not wait. What it answers, and what comes by itself, it posts to the
// loop's inbox, from any goroutine:
//
//   - mail.Committed with FlagProposed, the same mail as was proposed, with Msg, which has its
//     number; or without it: with a Code, or Seq, of an operation that has no message, or of
//     one whose key was there: then that is the number which it has got. Such a message may
//     come before others that have lower numbers: then it is only an answer, and the
//     message comes once more.
//   - mail.Committed with the channel's name and no Conn: the messages of a channel in the
//     order of the log, its own proposals included. A number that is left out was given to
//     no message that can still be had. Op is OpPublish, or OpClear for what is forgotten: the
//     messages before number Seq.
//   - mail.Attached: the answer to Attach, with FlagExist where the channel is signed, or has
//     subscribers, at some server (which is asked only where tokens are).
//   - mail.Announced: a broadcast, which takes the next number in each channel of a partition.
//   - mail.Unsettled: the numbers of a partition go on elsewhere: what the next number of its
//     channels is must be asked for. With FlagMore messages may have been missed.
//   - mail.Counted: the answer to Count.
//   - mail.CountAsked: another server counts a channel's subscribers.
//
// The events of a partition that concern all its channels (Announced, Unsettled) have an
// index, which rises: Attached says which of them its number has seen. It may have seen less
// than has come already.
//
// Every Propose is answered, within a time that the authority bounds: a server that drains
// waits for that. An Attach is answered when it can be, and subscriptions wait for it until
// their request times out.
type Authority interface {
	// Propose asks for a number for the message of an operation (Op), or for the operation to
	// be done for all servers: OpPublish, OpNotice, OpClose, OpClear, OpSign (Seconds) on a
	// channel (Cname, Key, Proposed); OpBroadcast (no name).
	Propose(m mail.Mail)
	// Depart has what was proposed leave: what came in one turn leaves together.
	Depart()
	// Attach asks for a channel's place, for what comes from there on, and for what is kept
	// from number from on: 1 is all, 0 is nothing. It may ask again while the channel is attached.
	Attach(channel mail.Ref, cname []byte, from int32)
	// Detach takes back an Attach, or a Follow: when there have been as many, nothing here needs
	// the channel's messages any more. The name is good until it returns, as that of Attach is.
	Detach(cname []byte)
	// Follow says that a channel is attached already: by the program that this one goes on for.
	Follow(cname []byte)
	// Partition is the partition of a channel.
	Partition(cname []byte) uint32
	// Count asks how many subscribers a channel has at other servers. The answer is the same
	// mail, as mail.Counted, with that number for Subscribers, and FlagExist where a server has
	// the channel, or it is signed; at the latest after a second.
	Count(m mail.Mail)
	// Counted answers mail.CountAsked, which is m, for this loop. here: the channel is there.
	Counted(m mail.Mail, subscribers uint32, here bool)
	// Touch says that a channel has subscribers: its number is to be kept, and it is signed for
	// so long, if it is not for longer.
	Touch(cname []byte, lease time.Duration)
	// Wanted says whether other servers have listeners to presence. Presence tells them that a
	// channel is there, or goes.
	Wanted() bool
	Presence(cname []byte, alive bool)
	// Taken says that so many mails that came by themselves have been dealt with: Committed,
	// Announced, Unsettled.
	Taken(n int)
}

// Cluster is such a log for a whole server.
type Cluster interface {
	// Open is the end for a loop. It is called before the loops run.
	Open(loop uint8, home Inbox) Authority
	// Secret is what all servers derive tokens from, where none is configured.
	Secret() []byte
	// Start says that the loops are about to run. Any goroutine may call local, until Close.
	Start(local func() Node)
	// Nodes are the other servers that are known to run. Any goroutine may ask.
	Nodes() []Node
	// Away says why the log cannot be reached; nil while it can. Any goroutine may ask.
	Away() error
	// Suspend has what comes by itself stop for a hand-over, and returns what the next
	// program's end goes on with. Resume has it go on here, as if nothing had been.
	Suspend() []byte
	Resume()
	// Close ends it, when the loops have ended.
	Close()
}

// Node is a server among several.
type Node struct {
	Name, Version         string
	Channels, Subscribers int64
	Listening             uint64 // a bit for each loop that has listeners to presence
}

// Inbox is where an authority or a judge posts what it answers.
type Inbox = *reactor.Mailbox[mail.Mail]
