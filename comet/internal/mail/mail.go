// Package mail is what passes from one loop to another, in order, and from a loop to
// itself: there is one path.
package mail

import (
	"unsafe"

	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Kind says what a mail is. What crosses from one loop to another (and, since there is one
// path, from a loop to itself) is a mail. Mail from one loop to another arrives in order:
// that is what makes a backlog and the live messages behind it fit without a
// gap or a repeat.
type Kind uint8

const (
	// To the broker of a channel's home:
	Join           Kind = iota // Subscriber; buf: name, token; seq: wanted; Epoch: of that; flags. Answer: Joined
	CatchUp                    // Subscriber; ref, seq: wanted. Answer: Backlog
	Leave                      // ref, Subscribers: that left
	Publish                    // Reply; buf: name, key, content; Key; op: OpPublish, OpNotice. Answer: Done
	PublishBatch               // Reply; buf: entries (batch.go). Answer: BatchPublished
	Control                    // Reply; buf: name; op, Seconds. Answer: Done
	ReadHistory                // Reply; buf: name, token; seq: wanted; Epoch: of that; Most; Tag; flags. Answer: HistoryRead
	ClaimSession               // Subscriber; buf: name, its name; seq: wanted. Answer: SessionClaimed
	ReleaseSession             // conn, Session: whose subscriber leaves
	Explain                    // Reply; buf: name; Listed: at the most. Answer: Explained
	RosterScanned              // Explanation; Listed; LeftOut; msg: text; buf: sessions
	// To that broker, from a log beyond the loop (broker/authority.go):
	Committed  // what was proposed, with msg, or code and none; or buf: name, with msg or op
	Attached   // ref; seq: next number; AttachedEpoch; Index; run; FlagMore: the log keeps older ones; FlagExist
	Announced  // Partition, Index; msg: a broadcast's content
	Unsettled  // Partition, Index; FlagMore: messages may have been missed
	CountAsked // Reply; buf: name
	Counted    // what was to be counted, with Subscribers, FlagExist
	// To the brokers of all loops:
	Broadcast    // msg: its content; to a log beyond the loops, from one: Reply, op, buf: content. Answer: Done
	Snapshot     // Record: the channel's, to go on from (statesnapshot.go)
	ListChannels // conn: a listener that asks which channels live; Record: to go on from. Answer: ChannelsListed
	// To a hub, from a channel's home:
	Joined         // to a subscriber: code, ref (of one that is no member: Epoch), name, run, seq: next number, LostFrom
	Backlog        // to a subscriber that fell behind: code, run, seq: next number, LostFrom
	Deliver        // to a loop with subscribers of the channel: ref, msg
	ScanRoster     // to such a loop: ref; Explanation; seq: next number; Listed: at the most. Answer: RosterScanned
	SessionClaimed // to a subscriber: code, run, or ref, name, seq: next number, Session
	SessionTaken   // to a subscriber whose session another connection has claimed: ref
	// To a web, from a channel's home:
	Done           // to the request: code, seq, Subscribers or Seconds, Epoch
	BatchPublished // to the request: buf: results, of some of the entries (batch.go)
	HistoryRead    // to the request: code, run, seq: next number, Epoch; Rest; flags
	Explained      // to the request: code, msg: text
	ChannelsListed // to a listener: msg: lines, or none; Record: where to go on; FlagEnd
	PresenceLine   // msg: a line for /psub
	// To a web, from another, or from the goroutine of a handler:
	ProbeHome // Round: of /readyz (probe.go)
	ProbeLoop // Round; Via: the loop that asked
	ProbeBack // Round; Via: the loop that was the home
	Handled   // Reply
	// To what joins them:
	DrainMark   // Round: of the end (drain.go)
	Listening   // /psub has a listener now
	TellFigures // for those that wait in watchers (figures.go)
)

// Mail of one actor stands together.
const (
	FirstToHub = Joined
	FirstToWeb = Done
)

// Code is how a request to a channel's home went.
type Code uint8

const (
	CodeOK         Code = iota
	CodeMoved           // the number wanted is none: moved to the next
	CodeNoToken         // auth is on, and there is no such channel
	CodeTooMany         // max_channels
	CodeFull            // max_subscribers_per_channel
	CodeNoMemory        // the kernel gives none
	CodeNone            // no such channel
	CodeBeyond          // the number wanted is none
	CodeTakenOver       // another connection has claimed the session
	CodeTooFast         // publish-rate-per-channel; Seconds: until it is worth trying again
	CodeBusy            // with as much of that as it does at once
	CodeSame            // what the client has is all that there is
	CodeDelivering      // max-held-bytes of messages have not reached their subscribers yet
	CodeNoLog           // the log that numbers messages cannot be reached
)

// Flags of Join, CatchUp, ReadHistory and ListChannels, and of their answers.
const (
	FlagPoll     uint16 = 1 << iota // a poll: not a subscriber if it can be answered at once
	FlagExist                       // do not make the channel
	FlagMember                      // answer: counted as a subscriber
	FlagLost                        // answer: messages wanted are gone, from lost on
	FlagSayLost                     // the client asked for a message where messages are lost
	FlagClosed                      // answer: the channel is closed, and nothing follows
	FlagPlace                       // seq is a place that cannot be but in another life, if it is not in this
	FlagOther                       // answer: with FlagLost, it is of another life
	FlagMore                        // answer: seq is kept too, and what comes behind it: it is to be asked for
	FlagGoOn                        // of a history: the messages behind those that have been read; Backlog: with FlagLost: the numbers were left out
	FlagTag                         // of a history: the client has what Tag says; else FlagPublish
	FlagEnd                         // answer to ListChannels: the home has no more channels; a subscription that a log has been asked for already
	FlagProposed                    // Committed is for a proposal of this broker
	FlagBatch                       // Committed is for an entry of a batch (Place)
	FlagAhead                       // a subscription, of a number that nobody has come to: it has waited for that
	FlagJudged                      // Join, ReadHistory come back from a judge, with its verdict (broker/verdict.go)
)

// FlagPublish asks, with Join, whether the token lets the client publish; Joined: it does.
const FlagPublish = FlagTag

// Ref names a channel: plain data, harmless when the channel is gone.
type Ref struct{ Index, Gen uint32 }

// Mail is one mail. What its kind does not name is zero. The fields in lower case mean
// what the accessor of the kind says (overlay.go).
type Mail struct {
	Msg  *msg.Message               // a message, or the first of N
	Buf  *bytebufferpool.ByteBuffer // borrowed: a name of nlen bytes, then content
	Conn reactor.Conn               // of the request or the subscriber
	Ref  Ref
	Name record.Name // of the channel, at its home
	Seq  int32
	aux  int32
	N    int32 // messages of the run that begins with Msg; else what an accessor says
	slot uint32
	Kind Kind
	From uint8 // loop
	Code Code
	Op   Op
	Flag uint16
	Nlen uint8

	counted bool // by the sender, among what waits
}

func (m *Mail) Cname() []byte   { return m.Buf.B[:m.Nlen] }
func (m *Mail) Content() []byte { return m.Buf.B[m.Nlen:] }

// Bytes is what a mail takes itself.
const Bytes = 64

var _ [Bytes]byte = [unsafe.Sizeof(Mail{})]byte{}

// Weight is what a message on its way takes, with the mail that brings it.
func Weight(message *msg.Message) int { return message.Size() + Bytes }

// borrowed is how many bytes a mail takes with what it has borrowed; 0 if that is nothing. Not
// the room that the buffer has: with that of a large message which was there before, some
// small ones would seem to fill the memory.
func (m *Mail) borrowed() int {
	if m.Buf == nil {
		return 0
	}
	return Bytes + len(m.Buf.B)
}

// Done gives back what the mail borrowed.
func (m *Mail) Done() {
	if m.Buf != nil {
		pool.PutBuffer(m.Buf)
		m.Buf = nil
	}
}

// ReplayBytes is how many bytes of messages a home's answer to a stream has, or one
// message.
const ReplayBytes = 32 << 10

// HashRef mixes what names a channel for an index.
func HashRef(home uint8, index uint32) uint32 {
	h := (index ^ uint32(home)<<24) * 0x9E3779B1
	return h ^ h>>15
}

// Op is what a request that is answered later is for.
type Op uint8

const (
	OpPublish Op = iota
	OpNotice     // a join notice, which gets no number
	OpBroadcast
	OpClose
	OpSign
	OpClear
	OpCheck
	OpInfo
)

// kinds are the messages that operations bring about: those before OpSign.
var kinds = [OpSign]msg.Kind{OpPublish: msg.Data, OpNotice: msg.JoinNotice, OpBroadcast: msg.Broadcast, OpClose: msg.Close}

// Message is the kind of the message that an operation brings about.
func (o Op) Message() msg.Kind { return kinds[o] }
