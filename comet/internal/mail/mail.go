// Package mail is what passes from one loop to another, in order, and from a loop to
// itself: there is one path.
package mail

import (
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
	// To a channel's home:
	Join           Kind = iota // buf: name, token; seq: wanted; ref.gen: its epoch; flags. Answer: Joined
	CatchUp                    // ref, seq: wanted. Answer: Backlog
	Leave                      // ref, n: so many subscribers left
	Publish                    // buf: name and content. Answer: Done
	Control                    // buf: name; op, n. Answer: Done
	ClaimSession               // buf: name, subscriber's name; seq: wanted. Answer: SessionClaimed
	ReleaseSession             // conn, slot: a session whose subscriber leaves
	PublishCComet              // buf: name and message up to its number; op. Answer: Done
	Explain                    // buf: name; n: subscribers to be listed. Answer: Explained
	RosterScanned              // slot: the explanation; n: listed; lost: left out; msg: text; buf: sessions
	// To every loop:
	Broadcast    // msg: its content
	Snapshot     // slot: the channel's record to go on from (statesnapshot.go)
	DrainMark    // n: a round of the end (drain.go)
	Probe        // slot: a round of /readyz; flag: how far on its way; n: the loop before the last (ready.go)
	Listening    // /psub has a listener now
	TellFigures  // for those that wait in watchers (figures.go)
	PresenceLine // msg: a line for /psub
	ListChannels // conn: a listener that asks which channels live; slot: from which record on. Answer: ChannelsListed
	// From a channel's home:
	Joined         // to a subscriber: code, ref (of one that is no member: gen), name, run, seq: next number, lost
	Backlog        // to a subscriber that fell behind: code, run, seq: next number, lost
	Deliver        // to a loop with subscribers of the channel: ref, msg
	ScanRoster     // to such a loop: ref; slot: the explanation; seq: next number; n: subscribers to be listed. Answer: RosterScanned
	Explained      // to the request: code, msg: text
	SessionClaimed // to a subscriber: code, run, or ref, name, seq: next number, Session
	SessionTaken   // to a subscriber whose session another connection has claimed: ref
	ChannelsListed // to a listener: msg: lines, or none; slot: where to go on; flag: that was all
	Done           // to the request: code, seq, n, ref.gen: the channel's epoch
	// From the goroutine of a handler:
	Handled // conn, slot
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
	CodeTooFast         // publish-rate-per-channel; n: seconds until it is worth trying again
	CodeBusy            // with as much of that as it does at once
	CodeDelivering      // max-held-bytes of messages have not reached their subscribers yet
)

// Flags of Join and its answer.
const (
	FlagPoll    uint16 = 1 << iota // a poll: not a subscriber if it can be answered at once
	FlagExist                      // do not make the channel
	FlagMember                     // answer: counted as a subscriber
	FlagLost                       // answer: messages wanted are gone, from lost on
	FlagSayLost                    // the client asked for a message where messages are lost
	FlagClosed                     // answer: the channel is closed, and nothing follows
	FlagPlace                      // seq is a place that cannot be but in another life, if it is not in this
	FlagOther                      // answer: with FlagLost, it is of another life
	FlagMore                       // answer: seq is kept too, and what comes behind it: it is to be asked for
)

// Ref names a channel: plain data, harmless when the channel is gone.
type Ref struct{ Index, Gen uint32 }

type Mail struct {
	Msg  *msg.Message               // a message, or the first of n
	Buf  *bytebufferpool.ByteBuffer // borrowed: a name of nlen bytes, then content
	Conn reactor.Conn               // of the request or the subscriber
	Ref  Ref
	Name record.Name // of the channel, at its home
	Seq  int32
	Lost int32 // with FlagLost: the number wanted; else what Session or LeftOut says
	N    int32
	Slot uint32 // on that connection: a subscriber, or a place in its pipeline; else what the kind says
	Kind Kind
	From uint8 // loop
	Code Code
	Op   Op
	Flag uint16
	Nlen uint8
}

// Session is the session's number that SessionClaimed has.
func (m *Mail) Session() uint32          { return uint32(m.Lost) }
func (m *Mail) SetSession(number uint32) { m.Lost = int32(number) }

// LeftOut is how many subscribers RosterScanned does not list.
func (m *Mail) LeftOut() int     { return int(m.Lost) }
func (m *Mail) SetLeftOut(n int) { m.Lost = int32(n) }

func (m *Mail) Cname() []byte   { return m.Buf.B[:m.Nlen] }
func (m *Mail) Content() []byte { return m.Buf.B[m.Nlen:] }

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

// Op is what a request that is answered later was for.
type Op uint8

const (
	OpSign Op = iota
	OpClose
	OpClear
	OpCheck
	OpInfo
	OpSignIn // CComet's dialect
	OpPublish
)

// ReplyTo is a request that waits for an answer: its connection, and its place in
// the connection's pipe.
type ReplyTo struct {
	Conn reactor.Conn
	Slot uint32
}
