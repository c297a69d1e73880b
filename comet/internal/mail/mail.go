// Package mail has the messages that loops send to each other, and to themselves. They arrive
// in order.
package mail

import (
	"unsafe"

	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Kind is the kind of a mail. All communication between loops, and of a loop with itself, is
// mail. Mail from one loop to another arrives in order: so a backlog and the live messages
// after it fit together without a gap or a repetition. The comment of a kind lists the fields
// and accessors that it uses, and the kind of its answer.
type Kind uint8

const (
	// To the broker of a channel's home:
	Join           Kind = iota // Subscriber; buf: name, token; seq: wanted; Epoch: its epoch; flags. Answer: Joined
	CatchUp                    // Subscriber; ref, seq: wanted. Answer: Backlog
	Leave                      // ref, Subscribers: how many have left
	Publish                    // Reply; buf: name, key, content; Key; op: OpPublish, OpNotice. Answer: Done
	PublishBatch               // Reply; buf: entries (batch.go). Answer: BatchPublished
	Control                    // Reply; buf: name; op, Seconds. Answer: Done
	ReadHistory                // Reply; buf: name, token; seq: wanted; Epoch: its epoch; Most; Tag; flags. Answer: HistoryRead
	ClaimSession               // Subscriber; buf: channel's name, subscriber's name; seq: wanted. Answer: SessionClaimed
	ReleaseSession             // conn, Session: its subscriber leaves
	Explain                    // Reply; buf: name; Listed: at most. Answer: Explained
	RosterScanned              // Explanation; Listed; LeftOut; msg: text; buf: sessions
	// To that broker, from a shared log (broker/authority.go):
	Committed  // what was proposed, with msg, or with code and no msg; or buf: name, with msg or op
	Attached   // ref; seq: next number; AttachedEpoch; Index; run; FlagMore: the log keeps older ones; FlagExist
	Announced  // Partition, Index; msg: content of a broadcast
	Unsettled  // Partition, Index; FlagMore: messages may have been missed
	CountAsked // Reply; buf: name
	Counted    // the CountAsked, with Subscribers, FlagExist
	ListAsked  // the new listeners of another server are to be told of all channels
	// To the brokers of all loops:
	Broadcast    // msg: its content; with a shared log, to one loop only: Reply, op, buf: content. Answer: Done
	Snapshot     // Record: of the channel to continue with (statesnapshot.go)
	ListChannels // conn: a listener that asks which channels live; Record: to continue with. Answer: ChannelsListed
	// To a hub, from a channel's home:
	Joined         // to a subscriber: code, ref (if it is no member: Epoch), name, run, seq: next number, LostFrom
	Backlog        // to a subscriber that was behind: code, run, seq: next number, LostFrom
	Deliver        // to a loop with subscribers of the channel: ref, msg
	ScanRoster     // to such a loop: ref; Explanation; seq: next number; Listed: at most. Answer: RosterScanned
	SessionClaimed // to a subscriber: code, run, or ref, name, seq: next number, Session
	SessionTaken   // to a subscriber whose session another connection has claimed: ref
	// To a web, from a channel's home:
	Done           // to the request: code, seq, Subscribers or Seconds, Epoch
	BatchPublished // to the request: buf: results of some of the entries (batch.go)
	HistoryRead    // to the request: code, run, seq: next number, Epoch; Rest; flags
	Explained      // to the request: code, msg: text
	ChannelsListed // to a listener: msg: lines, or none; Record: where to continue; FlagEnd
	PresenceLine   // msg: a line for /psub
	// To a web, from another one or from a handler's goroutine:
	ProbeHome // Round: number of the /readyz probe (probe.go)
	ProbeLoop // Round; Via: the loop that asked
	ProbeBack // Round; Via: the loop that was the home
	Handled   // Reply
	// To the shard, which joins the actors:
	DrainMark   // Round: of the drain (drain.go)
	Listening   // /psub has a listener now
	TellFigures // for the calls of Figures that wait (figures.go)
)

// The kinds for one actor are consecutive.
const (
	FirstToHub = Joined
	FirstToWeb = Done
)

// Code is the result of a request to a channel's home.
type Code uint8

const (
	CodeOK         Code = iota
	CodeMoved           // the wanted number does not exist: moved to the next one
	CodeNoToken         // auth is on, and there is no such channel
	CodeTooMany         // max_channels
	CodeFull            // max_subscribers_per_channel
	CodeNoMemory        // the kernel has no memory
	CodeNone            // no such channel
	CodeBeyond          // the wanted number does not exist
	CodeTakenOver       // another connection has claimed the session
	CodeTooFast         // publish-rate-per-channel; Seconds: until it is worth trying again
	CodeBusy            // the home does as much of this as it can at once
	CodeSame            // the client already has everything
	CodeDelivering      // max-held-bytes of messages have not reached their subscribers yet
	CodeNoLog           // the log that numbers messages cannot be reached
)

// Flags of Join, CatchUp, ReadHistory and ListChannels, and of their answers.
const (
	FlagPoll     uint16 = 1 << iota // a poll: no subscriber if it can be answered at once
	FlagExist                       // do not create the channel
	FlagMember                      // answer: it was counted as a subscriber
	FlagLost                        // answer: wanted messages are lost, from LostFrom on
	FlagSayLost                     // the client asked to be told if messages are lost
	FlagClosed                      // answer: the channel is closed, and nothing follows
	FlagPlace                       // seq is a place: if this life cannot have it, it is of another life
	FlagOther                       // answer: with FlagLost, they are of another life
	FlagMore                        // answer: message seq and later ones are kept, too: ask for them
	FlagGoOn                        // ReadHistory: the messages after those that were read; Backlog: with FlagLost: the numbers were left out
	FlagTag                         // ReadHistory: the client has what Tag says; else FlagPublish
	FlagEnd                         // answer to ListChannels: the home has no more channels; a subscription: a log was already asked for it
	FlagProposed                    // Committed is for a proposal of this broker
	FlagBatch                       // Committed is for an entry of a batch (Place)
	FlagAhead                       // a subscription, to a number that does not exist yet: it has waited for that
	FlagJudged                      // Join, ReadHistory: back from a judge, with its verdict (broker/verdict.go)
)

// FlagPublish in Join asks whether the token lets the client publish. In Joined it says that
// it does.
const FlagPublish = FlagTag

// Ref identifies a channel: plain data, harmless when the channel is gone.
type Ref struct{ Index, Gen uint32 }

// Mail is one mail. Fields that its kind does not use are zero. The accessors of the kind say
// what the unexported fields mean (overlay.go).
type Mail struct {
	Msg  *msg.Message               // a message, or the first of N
	Buf  *bytebufferpool.ByteBuffer // borrowed: a name of Nlen bytes, then content
	Conn reactor.Conn               // of the request or the subscriber
	Ref  Ref
	Name record.Name // of the channel, at its home
	Seq  int32
	aux  int32
	N    int32 // number of messages in the run that begins with Msg; else see the accessors
	slot uint32
	Kind Kind
	From uint8 // the loop that has sent it
	Code Code
	Op   Op
	Flag uint16
	Nlen uint8

	counted bool // the sender has counted it in waiting
}

func (m *Mail) Cname() []byte   { return m.Buf.B[:m.Nlen] }
func (m *Mail) Content() []byte { return m.Buf.B[m.Nlen:] }

// Bytes is the size of a mail.
const Bytes = 64

var _ [Bytes]byte = [unsafe.Sizeof(Mail{})]byte{}

// Weight returns the memory of a message on its way, with the mail that brings it.
func Weight(message *msg.Message) int { return message.Size() + Bytes }

// borrowed returns the bytes of a mail with what it has borrowed, 0 if that is nothing. It
// does not count the capacity of the buffer: if a large message had used it before, a few
// small ones would seem to fill the memory.
func (m *Mail) borrowed() int {
	if m.Buf == nil {
		return 0
	}
	return Bytes + len(m.Buf.B)
}

// Done returns the buffer that the mail has borrowed.
func (m *Mail) Done() {
	if m.Buf != nil {
		pool.PutBuffer(m.Buf)
		m.Buf = nil
	}
}

// ReplayBytes bounds the bytes of messages in a home's answer to a stream, but one message
// always fits.
const ReplayBytes = 32 << 10

// HashRef returns the hash of a channel's home and index, for an index.
func HashRef(home uint8, index uint32) uint32 {
	h := (index ^ uint32(home)<<24) * 0x9E3779B1
	return h ^ h>>15
}

// Op is the operation of a request that is answered later.
type Op uint8

const (
	OpPublish Op = iota
	OpNotice     // a join notice, which has no number
	OpBroadcast
	OpClose
	OpSign
	OpClear
	OpCheck
	OpInfo
)

// kinds are the kinds of the messages that operations cause: those before OpSign.
var kinds = [OpSign]msg.Kind{OpPublish: msg.Data, OpNotice: msg.JoinNotice, OpBroadcast: msg.Broadcast, OpClose: msg.Close}

// MessageKind returns the kind of the message that an operation causes.
func (o Op) MessageKind() msg.Kind { return kinds[o] }
