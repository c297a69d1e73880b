package broker

import (
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/reactor"
)

// Authority is one loop's connection to a shared log, which numbers and stores the messages
// of channels in place of the broker's own log. Its methods are called on the loop's goroutine
// and must not block. It posts results and events to the loop's inbox, from any goroutine:
//
//   - mail.Committed with FlagProposed is the result of a proposal: the proposed mail, with the
//     numbered message in Msg. Msg is nil if the proposal failed (Code), if the operation has
//     no message, or if the message's key was known; in the last two cases Seq is the number. A
//     result may come before messages with lower numbers. Then it only answers the request, and
//     the message itself comes later in the order of the log.
//   - mail.Committed with the channel's name and no Conn is a message of a channel, in the
//     order of the log; own proposals are included. A skipped number belongs to no message that
//     still exists. Op is OpPublish, or OpClear if the messages before number Seq are deleted.
//   - mail.Attached is the answer to Attach. FlagExist is set if the channel is signed or has
//     subscribers at some server; that is determined only if tokens are used.
//   - mail.Announced is a broadcast, which takes the next number in each channel of a
//     partition.
//   - mail.Unsettled: the numbering of a partition continues elsewhere, so the next numbers of
//     its channels must be requested again. With FlagMore, messages may have been missed.
//   - mail.Counted is the answer to Count.
//   - mail.CountAsked: another server asks for the number of a channel's subscribers.
//   - mail.ListAsked: another server asks for the presence of all channels.
//
// Announced and Unsettled concern all channels of a partition, and have an increasing index.
// Attached contains the index of the last event that its number includes. That event may be
// older than the last event that was posted.
//
// Every proposal is answered within a time limit of the authority; a draining server waits for
// the answers. An Attach is answered when possible; subscriptions wait for it until their
// request times out.
type Authority interface {
	// Propose requests a number for the message of an operation (Op), or that the operation is
	// performed for all servers: OpPublish, OpNotice, OpClose, OpClear, OpSign (Seconds) on a
	// channel (Cname, Key, Proposed); OpBroadcast (no name).
	Propose(m mail.Mail)
	// Flush sends the proposals of a turn, all together.
	Flush()
	// Attach requests a channel's position, its messages from there on, and the stored messages
	// from number from on: 1 requests all, 0 none. It may be called again while the channel is
	// attached. The authority must not keep cname after it returns.
	Attach(channel mail.Ref, cname []byte, from int32)
	// Detach undoes one Attach or Follow. After as many calls, this loop no longer needs the
	// channel's messages. The authority must not keep cname after it returns.
	Detach(cname []byte)
	// Follow counts as an Attach of a channel that the previous program has attached.
	Follow(cname []byte)
	// Partition returns the partition of a channel.
	Partition(cname []byte) uint32
	// Count asks for the number of a channel's subscribers at other servers. The answer is m as
	// mail.Counted, with the number in Subscribers, and FlagExist if a server has the channel
	// or it is signed. It comes within a second.
	Count(m mail.Mail)
	// Counted answers m, a mail.CountAsked, for this loop. here: this loop has the channel.
	Counted(m mail.Mail, subscribers uint32, here bool)
	// Touch reports that a channel has subscribers: the log must keep its number, and extend
	// its lease to at least this long.
	Touch(cname []byte, lease time.Duration)
	// Listens tells the other servers that this one has a new listener to presence. With list,
	// each of them answers with the Presence of all its channels (mail.ListAsked). It takes up
	// to two seconds if it was called a moment ago.
	Listens(list bool)
	// Wanted reports whether other servers have listeners to presence. Presence tells them that
	// a channel was created or deleted.
	Wanted() bool
	Presence(cname []byte, alive bool)
	// Taken reports that n posted events (Committed, Announced, Unsettled) have been handled.
	Taken(n int)
}

// Cluster is the shared log of a whole server.
type Cluster interface {
	// Open returns the Authority of a loop. It is called before the loops run.
	Open(loop uint8, home Inbox) Authority
	// Secret is the key from which all servers derive tokens if none is configured.
	Secret() []byte
	// Start is called when the loops are about to run. Until Close, any goroutine may call
	// local.
	Start(local func() Node)
	// Nodes returns the other servers that are known to run. Safe for concurrent use.
	Nodes() []Node
	// Away returns why the log cannot be reached, or nil if it can. Safe for concurrent use.
	Away() error
	// Suspend stops posting events for a hand-over, and returns the state from which the next
	// program's Cluster continues. Resume continues in this program instead.
	Suspend() []byte
	Resume()
	// Close is called when the loops have ended.
	Close()
}

// Node is one server of a cluster.
type Node struct {
	Name, Version         string
	Channels, Subscribers int64
	Listening             uint64 // bit set of the loops that have listeners to presence
}

// Inbox is where an authority or a judge posts its answers.
type Inbox = *reactor.Mailbox[mail.Mail]
