package web

import (
	"bytes"
	"errors"
	"strconv"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
	"ccomet/httplite"
)

// /history lets a client poll the stored messages of a channel, without waiting:
//
//  1. The channel's home is asked (mail.ReadHistory). It answers with some messages and the
//     number of those that follow, or that nothing has changed since the tag in If-None-Match.
//  2. The answer is written in the order of the pipeline. If all messages came at once it has a
//     Content-Length. A longer one is chunked: one piece in a turn, and the home is asked for
//     the next piece when the client has read the last.
//  3. The bytes rendered in a turn, over all histories, are limited (historyBudget). The rest
//     waits for the next turn.
//
// If messages are dropped meanwhile, the answer ends early but is well-formed: the client sees
// from its next number that there are more, or is told on the next request that some are lost.
type historyReply struct {
	name        []byte // of the channel
	run         msg.Run
	left        int   // messages after run that must still be requested
	from        int32 // number of the first of these
	first, next int32
	epoch       uint32
	lost        bool
	tell        bool // the answer contains the epoch
	begun       bool // the response's head is written
	asked       bool // the home has not answered yet
}

const (
	defaultHistory = 100       // default of parameter limit, in messages
	historyBudget  = 512 << 10 // bytes of histories rendered in a turn, plus one piece
)

// histories holds a loop's answers to /history.
type histories struct {
	*Web
	free    []*historyReply
	waiting []uint32 // pipelines that wait for the next turn's budget
	Left    int      // remaining bytes of this turn's budget
	Read    uint64   // answers with status 200
	Same    uint64   // answers with status 304
}

// keepHistories is the maximum number of idle records.
const keepHistories = 64

func (hs *histories) take() *historyReply {
	if n := len(hs.free); n > 0 {
		h := hs.free[n-1]
		hs.free = hs.free[:n-1]
		return h
	}
	return new(historyReply)
}

func (hs *histories) giveBack(h *historyReply) {
	if len(hs.free) < keepHistories {
		*h = historyReply{name: h.name[:0]}
		hs.free = append(hs.free, h)
	}
}

// Continue starts a turn: it sets the budget, and continues the answers that have waited for
// it.
func (hs *histories) Continue() {
	hs.Left = historyBudget
	for _, i := range hs.waiting {
		hs.pipelines.markReady(i)
	}
	hs.waiting = pool.Emptied(hs.waiting)
}

func (w *Web) history(x *exchange) {
	m := mail.Mail{Kind: mail.ReadHistory, Conn: x.conn}
	cname, err := x.nameArg()
	tell := false
	if err == nil {
		tell, err = x.historyArgs(&m)
	}
	var cb []byte
	if err == nil {
		cb, err = x.callbackArg()
	}
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	m.Buf, m.Nlen = pool.NameBuffer(cname), uint8(len(cname))
	if w.cfg.Tokens {
		m.Flag |= mail.FlagExist
		if given, _ := x.arg("token"); len(given) == token.Len {
			m.Buf.B = append(m.Buf.B, given...)
		}
	}
	h := w.Histories.take()
	h.name, h.tell, h.asked = append(h.name, cname...), tell, true
	m.SetReply(w.pipelines.await(x, pendingReply{history: h, cb: string(cb)}))
	w.Send(w.homes.Of(cname), m)
}

// historyArgs parses the parameters into m, and returns whether the answer contains the
// channel's epoch.
func (x *exchange) historyArgs(m *mail.Mail) (tell bool, err error) {
	if m.Seq, err = x.numberArg("seq", 0); err != nil {
		return false, err
	}
	most, err := x.boundedArg("limit", defaultHistory, broker.MaxHistory)
	if err != nil {
		return false, err
	}
	m.SetMost(int(most))
	text, tell := x.arg("epoch")
	epoch, ok := record.ParseEpoch(text)
	if !ok {
		return false, errors.New(record.EpochMalformed)
	}
	if m.SetEpoch(epoch); epoch != record.EpochNone && m.Seq != 0 {
		m.Flag |= mail.FlagPlace
	}
	if known := x.knownTag(); known.some {
		m.SetTag(known.epoch, known.next)
	}
	return tell, nil
}

// stateTag is the state of a channel that an entity tag stands for.
type stateTag struct {
	epoch uint32
	next  int32
	some  bool // there is a tag
}

// knownTag returns the entity tag that the client knows. The field may appear several times (RFC 9110
// 5.3), and a cache sends the tags of all answers that it holds. Of several tags only that with the
// highest number can be the channel's, because its numbers rise.
func (x *exchange) knownTag() (known stateTag) {
	for i := range x.req.NumHeaders() {
		name, list := x.req.HeaderAt(i)
		if !bytes.EqualFold(name, ifNoneMatch) {
			continue
		}
		if string(list) == "*" { // matches any state
			return stateTag{epoch: record.EpochOther, some: true}
		}
		known.takeNewest(list)
	}
	return known
}

var ifNoneMatch = []byte("If-None-Match")

// appendTag appends the entity tag of a channel's state: its epoch and next number.
func appendTag(dst []byte, epoch uint32, next int32) []byte {
	dst = append(record.AppendEpoch(append(dst, '"'), epoch), '-')
	return append(strconv.AppendInt(dst, int64(next), 10), '"')
}

// takeNewest changes t to the entity tag in a list (RFC 9110 13.1.2) that has the form of this server's
// tags and the highest number, if that is higher than t's. Weak tags count too, because a proxy makes a
// tag weak when it compresses.
func (t *stateTag) takeNewest(list []byte) {
	for {
		_, rest, found := bytes.Cut(list, []byte{'"'})
		if !found {
			return
		}
		var tag []byte
		if tag, list, found = bytes.Cut(rest, []byte{'"'}); !found {
			return
		}
		if epoch, next, ok := parseTag(tag); ok && (!t.some || next-t.next > 0) {
			*t = stateTag{epoch, next, true}
		}
	}
}

// noEpoch is the epoch in the tag of a channel that does not exist.
var noEpoch = string(record.AppendEpoch(nil, record.EpochNone))

func parseTag(tag []byte) (epoch uint32, next int32, ok bool) {
	text, number, found := bytes.Cut(tag, []byte{'-'})
	if !found {
		return 0, 0, false
	}
	v, err := strconv.ParseInt(string(number), 10, 32)
	if err != nil {
		return 0, 0, false
	}
	if string(text) == noEpoch {
		return record.EpochNone, int32(v), true
	}
	epoch, ok = record.ParseEpoch(text)
	return epoch, int32(v), ok && epoch != record.EpochNone && epoch != record.EpochOther
}

// Arrived handles mail.HistoryRead.
func (hs *histories) Arrived(m *mail.Mail) {
	i := hs.pipelines.of(m.Conn)
	if i == 0 {
		return // the connection is closed
	}
	reply := hs.pipelines.at(i).reply(m.Reply())
	h := reply.history
	if !h.begun {
		h.next, h.first, h.epoch, h.lost = m.Seq, m.Seq, m.Epoch(), m.Flag&mail.FlagLost != 0
		if m.N > 0 {
			h.first = m.Msg.Seq
		}
		reply.code = m.Code
	}
	h.run, h.asked = msg.Run{First: m.Msg, N: int(m.N)}, false
	h.left, h.from = m.Rest()
	reply.done = true
	hs.pipelines.markReady(i)
}

// write writes the available part of the answer to the first request of a pipeline, and returns
// whether the answer is complete. /history is on the front side, where no further request is
// read before the answer is complete.
func (hs *histories) write(i uint32) (all bool) {
	p := hs.pipelines.at(i)
	reply := &p.replies[0]
	h := reply.history
	switch {
	case !reply.done:
		if h.begun && !h.asked {
			hs.ask(p, h)
		}
		return false
	case h.run.N > 0 && hs.Left <= 0:
		hs.waiting = append(hs.waiting, i)
		return false
	}
	if reply.http10 && h.left > 0 && !h.begun {
		reply.closeAfter, p.closeAfter = true, true // HTTP/1.0: closing ends the body
	}
	hs.Scratch = hs.render(hs.Scratch[:0], reply)
	hs.Left -= len(hs.Scratch)
	_ = hs.loop.Write(p.conn, hs.Scratch) // if the connection is lost, Closed is called
	if h.left == 0 || reply.isHEAD {
		hs.giveBack(h)
		return true
	}
	reply.done, h.run, h.begun = false, msg.Run{}, true
	if hs.loop.Blocked(p.conn) {
		hs.loop.SetTimer(p.conn, hs.loop.WriteTime(p.conn))
		return false
	}
	hs.loop.SetTimer(p.conn, hs.cfg.RequestTimeout)
	hs.ask(p, h)
	return false
}

// ask requests the next messages of an answer that has begun.
func (hs *histories) ask(p *pipeline, h *historyReply) {
	if !hs.loop.Alive(p.conn) {
		return
	}
	h.asked = true
	m := mail.OfRequest(mail.ReadHistory, mail.ReplyTo{Conn: p.conn, Reply: p.first})
	m.Seq, m.Flag, m.Buf, m.Nlen = h.from, mail.FlagGoOn, pool.NameBuffer(h.name), uint8(len(h.name))
	m.SetMost(h.left)
	m.SetEpoch(h.epoch)
	hs.Send(hs.homes.Of(h.name), m)
}

// render appends a complete response, or its next piece.
func (hs *histories) render(dst []byte, reply *pendingReply) []byte {
	h, x := reply.history, reply.exchange()
	contentType := frame.TypeJSON
	if reply.cb != "" {
		contentType = frame.TypeScript
	}
	switch {
	case reply.code != mail.CodeOK && reply.code != mail.CodeSame: // as a poll is refused
		kind, text := hub.RefusalOf(reply.code)
		if kind == msg.Error503 {
			dst, _ = hs.refused(dst, reply)
			return dst
		}
		hs.totals.Refused.Add(1)
		hs.Object = msg.AppendObject(hs.Object[:0], kind, h.name, 0, text)
		hs.Body = frame.AppendJSONP(hs.Body[:0], reply.cb, hs.Object)
		return hs.appendResponse(dst, &x, 200, contentType, hs.Body)
	case h.begun:
		hs.Body = h.appendPiece(hs.Body[:0], reply.cb)
	default:
		hs.Object = append(appendTag(append(hs.Object[:0], "ETag: "...), h.epoch, h.next), "\r\n"...)
		x.headers = hs.Object
		if reply.code == mail.CodeSame {
			hs.Same++
			return hs.appendBodiless(dst, &x, 304)
		}
		hs.Read++
		hs.Body = h.appendPiece(h.appendBegin(hs.Body[:0], reply.cb), reply.cb)
		if h.left == 0 {
			return hs.appendResponse(dst, &x, 200, contentType, hs.Body)
		}
		dst = hs.AppendHead(dst, x.side, frame.Head{Conn: x.conn.Index(), Status: 200, ContentType: contentType, HTTP10: x.http10, CloseAfter: x.closeAfter})
		dst = append(dst, x.headers...)
		if !x.http10 {
			dst = append(dst, frame.ChunkedLine...)
		}
		dst = httplite.EndHeaders(dst)
		if x.isHEAD {
			return dst
		}
	}
	if x.http10 {
		return append(dst, hs.Body...)
	}
	dst = httplite.AppendChunk(dst, hs.Body)
	if h.left == 0 {
		dst = append(dst, frame.LastChunk...)
	}
	return dst
}

// appendBegin appends the JSON before the messages.
func (h *historyReply) appendBegin(dst []byte, cb string) []byte {
	if cb != "" {
		dst = append(append(dst, cb...), '(')
	}
	dst = append(jsontext.AppendEscaped(append(dst, `{"cname":"`...), h.name), `","first":`...)
	dst = append(strconv.AppendInt(dst, int64(h.first), 10), `,"next":`...)
	dst = append(strconv.AppendInt(dst, int64(h.next), 10), `,"lost":`...)
	dst = strconv.AppendBool(dst, h.lost)
	if h.tell {
		dst = append(dst, `,"epoch":"`...)
		if h.epoch != record.EpochNone {
			dst = record.AppendEpoch(dst, h.epoch)
		}
		dst = append(dst, '"')
	}
	return append(dst, `,"messages":[`...)
}

// appendPiece appends the available messages, and after the last message the end of the JSON.
func (h *historyReply) appendPiece(dst []byte, cb string) []byte {
	for message, n := h.run.First, int32(h.run.N); n > 0; message, n = message.After(n), n-1 {
		if message != h.run.First || h.begun {
			dst = append(dst, ',')
		}
		dst = message.AppendTo(dst, h.name)
	}
	if h.left > 0 {
		return dst
	}
	dst = append(dst, "]}"...)
	if cb != "" {
		dst = append(dst, ");"...)
	}
	return append(dst, '\n')
}
