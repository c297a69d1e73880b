package comet

import (
	"github.com/valyala/bytebufferpool"

	"ccomet/reactor"
)

// What crosses from one loop to another (and, for there is one path, from a
// loop to itself) is a mail. Mail from one loop to another arrives in order:
// that is what makes a backlog and the live messages behind it fit without a
// gap or a repeat.
type mailKind uint8

const (
	// To a channel's home:
	mailJoin     mailKind = iota // buf: name, token; seq: wanted; ref.gen: its epoch; flags. Answer: mailJoined
	mailCatchUp                  // ref, seq: wanted. Answer: mailBacklog
	mailLeave                    // ref, n: so many subscribers left
	mailPublish                  // buf: name and content. Answer: mailDone
	mailControl                  // buf: name; op, n. Answer: mailDone
	mailSit                      // buf: name, subscriber's name; seq: wanted. Answer: mailSat
	mailStand                    // conn, slot: a seat that its subscriber leaves
	mailTell                     // buf: name and message up to its number; op. Answer: mailDone
	mailExplain                  // buf: name; n: subscribers to be listed. Answer: mailExplained
	mailSurveyed                 // slot: the explanation; n: listed; lost: left out; msg: text; buf: seats
	// To every loop:
	mailBroadcast // msg: its content
	mailSnapshot  // slot: the channel's record to go on from (statesnapshot.go)
	mailMark      // n: a round of the end (drain.go)
	mailCanary    // slot: a round of /readyz; flag: how far on its way; n: the loop before the last (ready.go)
	mailListening // there is somebody now who listens to /psub
	mailFigures   // to who waits in watchers (figures.go)
	mailPresence  // msg: a line for /psub
	mailRollCall  // conn: a listener that wants to know which channels live; slot: from which record on. Answer: mailRolled
	// From a channel's home:
	mailJoined    // to a subscriber: code, ref (of one that is no member: gen), name, run, seq: next number, lost
	mailBacklog   // to a subscriber that fell behind: code, run, seq: next number, lost
	mailMessage   // to a loop with subscribers of the channel: ref, msg
	mailSurvey    // to such a loop: ref; slot: the explanation; seq: next number; n: subscribers to be listed. Answer: mailSurveyed
	mailExplained // to who asked: code, msg: text
	mailSat       // to a subscriber: code, run, or ref, name, seq: next number, lost: its seat
	mailOusted    // to a subscriber whose seat another was given: ref
	mailRolled    // to a listener: msg: lines, or none; slot: where to go on; flag: that was all
	mailDone      // to who asked for something: code, seq, n, ref.gen: the channel's epoch
	// From the goroutine of a handler:
	mailHandled // conn, slot
)

// code is how a request to a channel's home went.
type code uint8

const (
	codeOK       code = iota
	codeMoved         // the number wanted is none: moved to the next
	codeNoToken       // auth is on, and there is no such channel
	codeTooMany       // max_channels
	codeFull          // max_subscribers_per_channel
	codeNoMemory      // the kernel gives none
	codeNone          // no such channel
	codeBeyond        // the number wanted is none
	codeOusted        // its seat was given to another
	codeTooFast       // publish-rate-per-channel; n: seconds until it is worth trying again
	codeBusy          // with as much of that as it does at once
)

// Flags of mailJoin and what it is answered with.
const (
	joinPoll    uint16 = 1 << iota // a poll: not a subscriber if it can be answered at once
	joinExist                      // do not make the channel
	joinMember                     // answer: counted as a subscriber
	joinLost                       // answer: messages wanted are gone, from lost on
	joinSayLost                    // the client wants to be told
	joinClosed                     // answer: the channel is closed, and nothing follows
	joinPlace                      // seq is a place that cannot be but in another life, if it is not in this
	joinOther                      // answer: with joinLost, it is of another life
	joinMore                       // answer: seq is kept too, and what comes behind it: it is to be asked for
)

// ref names a channel: plain data, harmless when the channel is gone.
type ref struct{ index, gen uint32 }

type mail struct {
	msg  *message                   // a message, or the first of n
	buf  *bytebufferpool.ByteBuffer // borrowed: a name of nlen bytes, then content
	conn reactor.Conn               // who asked
	ref  ref
	name name // of the channel, at its home
	seq  int32
	lost int32 // the number wanted, where joinLost
	n    int32
	slot uint32 // who asked on that connection: a subscriber, or a place in its pipeline
	kind mailKind
	from uint8 // loop
	code code
	op   op
	flag uint16
	nlen uint8
}

func (m *mail) cname() []byte   { return m.buf.B[:m.nlen] }
func (m *mail) content() []byte { return m.buf.B[m.nlen:] }

// done gives back what the mail borrowed.
func (m *mail) done() {
	if m.buf != nil {
		putBuffer(m.buf)
		m.buf = nil
	}
}

// replayBytes is how many bytes of messages a home's answer to a stream has, or one
// message.
const replayBytes = 32 << 10

// hashRef mixes what names a channel for an index.
func hashRef(home uint8, index uint32) uint32 {
	h := (index ^ uint32(home)<<24) * 0x9E3779B1
	return h ^ h>>15
}

// op is what a request that is answered later was for.
type op uint8

const (
	opReady op = iota // text is the whole response
	opPush
	opSign
	opClose
	opClear
	opCheck
	opInfo
	opHandled // by a handler (handler.go)
	opAsked   // of several loops: becomes opReady (settle)
	opSignIn  // CComet's dialect
	opPublish
)

// asker is a request that waits for an answer: its connection, and its place in
// the connection's pipe.
type asker struct {
	conn reactor.Conn
	slot uint32
}
