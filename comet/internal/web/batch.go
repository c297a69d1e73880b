package web

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/batch"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// /publish lets a backend publish many messages with one request:
//
//  1. The body is parsed once (package batch), and its messages are grouped by the homes of
//     their channels. Nothing is sent before the whole body is parsed: an array that is not
//     valid JSON publishes nothing.
//  2. Each home is sent its messages in order, in as few mails as possible. It publishes them,
//     and answers with a result for each (mail.Result).
//  3. When all homes have answered, the response has a result for each element, in order.
//
// Meanwhile no further request of the connection is read, so that later messages come after
// these.
type batchReply struct {
	array   bool // answer with an array, else with lines
	results []batchResult
	text    []byte // reasons of failures found here, each up to maxReason bytes
	used    int    // bytes of text that results refer to
	pending int    // messages without an answer of their home
}

// batchResult is the result of one message.
type batchResult struct {
	seq     int32     // or the offset of the reason in text
	n       uint16    // length of the reason in bytes, or seconds until a retry
	code    mail.Code // answer of its channel's home
	failure uint8     // failure found here
	group   batchGroup
}

// Failures that are found before a message is sent to its home.
const (
	notFailed uint8 = iota
	failed400
	failed413
	failedRate
)

// batchGroup marks the results of one element with several channels.
type batchGroup uint8

const (
	groupFirst batchGroup = 1 << iota
	groupLast
)

// Limits of one message in a batch.
const (
	MaxKey    = 128 // maximum length of a key, in bytes
	maxReason = 200 // of the reason of a failure, in bytes
	MaxAnswer = 512 // of the answer for one message, in bytes
)

// batches holds what a loop needs to serve batches.
type batches struct {
	*Web
	reader batch.Reader
	free   []*batchReply
	open   []*bytebufferpool.ByteBuffer // by home: the mail that is being filled, or nil
	counts []int                        // entries in each of these
	mails  []batchMail
	taken  uint64 // accepted requests since the start
}

// batchMail is a complete mail.
type batchMail struct {
	to  uint8
	buf *bytebufferpool.ByteBuffer
}

// keepBatches is the maximum number of idle records, each with room for at most keepResults
// messages.
const (
	keepBatches = 8
	keepResults = 16 << 10
)

func (bs *batches) take(array bool) *batchReply {
	var a *batchReply
	if n := len(bs.free); n > 0 {
		a, bs.free = bs.free[n-1], bs.free[:n-1]
	} else {
		a = new(batchReply)
	}
	*a = batchReply{array: array, results: a.results[:0], text: a.text[:0]}
	return a
}

func (bs *batches) giveBack(a *batchReply) {
	if len(bs.free) < keepBatches && cap(a.results) <= keepResults && cap(a.text) <= keepResults {
		bs.free = append(bs.free, a)
	}
}

// completeMails completes the mails that are being filled.
func (bs *batches) completeMails() {
	for home, buf := range bs.open {
		if buf != nil {
			bs.mails = append(bs.mails, batchMail{uint8(home), buf})
			bs.open[home] = nil
		}
	}
}

var errNoBatch = errors.New("the body is empty: want a line for each message, or an array of them")

// batchTypes are the media types of a batch. The last is an array, the others are lines.
var batchTypes = []string{"application/x-ndjson", "application/ndjson", "application/json"}

func (w *Web) publishBatch(x *exchange) {
	if len(x.raw) > w.cfg.MaxBatch {
		w.fail(x, 413, fmt.Sprintf("the body is %d bytes: max-batch is %d", len(x.raw), w.cfg.MaxBatch))
		return
	}
	array := typeAmong(batchTypes, x.req.Header("Content-Type")) == len(batchTypes)-1
	a := w.Batches.take(array)
	status, err := w.Batches.gather(x, a)
	w.Batches.completeMails()
	if err != nil {
		for _, m := range w.Batches.mails {
			m.drop()
		}
		w.Batches.endGathering()
		w.Batches.giveBack(a)
		w.fail(x, status, err.Error())
		return
	}
	reply := pendingReply{write: (*responder).batchPublished, batch: a, done: len(w.Batches.mails) == 0}
	w.Batches.taken++
	number := w.pipelines.await(x, reply)
	w.pipelines.at(w.pipelines.of(x.conn)).full = true
	w.loop.Pause(x.conn)
	for _, m := range w.Batches.mails {
		out := mail.OfRequest(mail.PublishBatch, mail.ReplyTo{Conn: x.conn, Reply: number})
		out.Buf = m.buf
		w.Send(m.to, out)
	}
	w.Batches.endGathering()
}

// gather parses the messages of a body and groups them by home.
func (bs *batches) gather(x *exchange, a *batchReply) (status int, err error) {
	r := &bs.reader
	client := uint64(0)
	if bs.site.Publishers != nil {
		client = bs.clients.of(x)
	}
	for r.Reset(x.raw, a.array); r.Next(); {
		if len(a.results)+max(len(r.Names), 1) > bs.cfg.MaxBatchMessages {
			return 413, fmt.Errorf("too many messages for one request: max-batch-messages is %d", bs.cfg.MaxBatchMessages)
		}
		first := len(a.results)
		if r.Fault.Reason != "" {
			a.text = r.AppendFault(a.text)
			a.refuse(failed400)
		} else {
			for _, name := range r.Names {
				bs.gatherOne(x, a, name, client)
			}
		}
		if r.Many && r.Fault.Reason == "" {
			a.results[first].group |= groupFirst
			a.results[len(a.results)-1].group |= groupLast
		}
	}
	switch {
	case r.Fault.Reason != "" && a.array:
		return 400, errors.New(string(r.AppendFault(nil)))
	case len(a.results) == 0 && !a.array:
		return 400, errNoBatch
	}
	return 0, nil
}

// gatherOne adds a message for one channel.
func (bs *batches) gatherOne(x *exchange, a *batchReply, name []byte, client uint64) {
	r := &bs.reader
	size := r.Size()
	switch bad := x.badName(name); {
	case bad != "":
		a.text = append(a.text, bad...)
		a.refuse(failed400)
		return
	case r.Key != nil && (len(r.Key) == 0 || len(r.Key) > MaxKey):
		a.text = appendBadKey(a.text, r.Key)
		a.refuse(failed400)
		return
	case size > bs.cfg.MaxMessage:
		a.text = append(strconv.AppendInt(append(a.text, "content is "...), int64(size), 10), " bytes: max-message is "...)
		a.text = strconv.AppendInt(a.text, int64(bs.cfg.MaxMessage), 10)
		a.refuse(failed413)
		return
	}
	if bs.site.Publishers != nil {
		if wait, ok := bs.takePublish(client); !ok {
			a.results = append(a.results, batchResult{failure: failedRate, n: uint16(limit.WholeSeconds(wait))})
			return
		}
	}
	hash := bs.homes.Hash(name)
	buf := bs.bufferFor(bs.homes.OfHash(hash))
	if buf == nil {
		a.results = append(a.results, batchResult{code: mail.CodeDelivering})
		return
	}
	buf.B = mail.AppendEntry(buf.B, &mail.Entry{Place: uint32(len(a.results)), Hash: uint32(hash), Name: name, Key: r.Key, Content: r.Content()})
	a.pending++
	a.results = append(a.results, batchResult{})
}

// bufferFor returns the buffer for the next entry for a home, or nil if too much is undelivered
// for that home. It checks that once for each mail, because the mails are sent only when the
// whole body is parsed.
func (bs *batches) bufferFor(home uint8) *bytebufferpool.ByteBuffer {
	if bs.open == nil {
		bs.open, bs.counts = make([]*bytebufferpool.ByteBuffer, bs.Loops()), make([]int, bs.Loops())
	}
	buf := bs.open[home]
	if buf != nil && (bs.counts[home] == mail.BatchEntries || len(buf.B) >= mail.BatchBytes) {
		bs.mails = append(bs.mails, batchMail{home, buf})
		buf, bs.open[home] = nil, nil
	}
	if buf == nil {
		if bs.tooMuchOnItsWay(home) {
			return nil
		}
		buf = pool.LargeBuffer()
		bs.open[home], bs.counts[home] = buf, 0
	}
	bs.counts[home]++
	return buf
}

// appendBadKey appends what is wrong with a key's length.
func appendBadKey(dst, key []byte) []byte {
	dst = strconv.AppendInt(append(dst, "key: "...), int64(len(key)), 10)
	return strconv.AppendInt(append(dst, " bytes, want 1 to "...), MaxKey, 10)
}

// refuse adds the result of a message that failed here. The reason is the end of text.
func (a *batchReply) refuse(failure uint8) {
	from := a.used
	a.text = a.text[:min(len(a.text), from+maxReason)]
	a.used = len(a.text)
	a.results = append(a.results, batchResult{seq: int32(from), n: uint16(a.used - from), failure: failure})
}

func (m *batchMail) drop() {
	out := mail.Mail{Buf: m.buf}
	out.Done()
}

// endGathering forgets the mails, which have been sent or dropped.
func (bs *batches) endGathering() {
	clear(bs.mails)
	bs.mails = bs.mails[:0]
	bs.reader.Reset(nil, false)
}

// Published handles mail.BatchPublished.
func (bs *batches) Published(m *mail.Mail) {
	i := bs.pipelines.of(m.Conn)
	if i == 0 {
		return // the connection is closed
	}
	reply := bs.pipelines.at(i).reply(m.Reply())
	a := reply.batch
	var r mail.Result
	for rest := m.Buf.B; len(rest) > 0; a.pending-- {
		r, rest = mail.NextResult(rest)
		to := &a.results[r.Place]
		to.seq, to.code, to.n = r.Seq, r.Code, r.Seconds
	}
	if a.pending == 0 {
		reply.done = true
		bs.pipelines.markReady(i)
	}
}

func (r *responder) batchPublished(dst []byte, reply *pendingReply) []byte {
	a := reply.batch
	taken, worst, wait := 0, 0, 0
	begin, behind, end, contentType := "", byte('\n'), "\n", frame.TypeLines
	if a.array {
		begin, behind, end, contentType = "[", ',', "]\n", frame.TypeJSON
	}
	body, next := append(r.Body[:0], begin...), behind // next: the separator after each answer
	for n := range a.results {
		one := &a.results[n]
		if one.group&groupFirst != 0 {
			body, next = append(body, '['), ','
		}
		if one.code == mail.CodeOK && one.failure == notFailed {
			taken++
			body = append(appendNumber(append(body, `{"seq":`...), one.seq), '}', next)
		} else {
			status, seconds, reason := r.whyFailed(a, one)
			if worst == 0 {
				worst = status
			}
			wait = max(wait, seconds)
			body = append(strconv.AppendInt(append(body, `{"error":"`...), int64(status), 10), `","content":"`...)
			body = append(jsontext.AppendEscaped(body, reason), '"', '}', next)
		}
		if one.group&groupLast != 0 {
			body, next = append(body[:len(body)-1], ']', behind), behind
		}
	}
	if len(a.results) > 0 {
		body = body[:len(body)-1]
	}
	r.Body = append(body, end...)
	x := reply.exchange()
	status := 200
	switch {
	case taken == 0 && worst != 0:
		r.totals.Refused.Add(1)
		status = worst
	case worst != 0:
		status = 207
	}
	if wait > 0 {
		r.Object = limit.RetryAfter(r.Object[:0], wait)
		x.headers = r.Object
	}
	return r.appendResponse(dst, &x, status, contentType, r.Body)
}

// appendNumber is strconv.AppendInt, but takes less than half of the time for small numbers.
func appendNumber(dst []byte, n int32) []byte {
	u := uint32(n)
	switch {
	case u > 9999:
		return strconv.AppendInt(dst, int64(n), 10)
	case u > 999:
		return append(dst, byte('0'+u/1000), byte('0'+u/100%10), byte('0'+u/10%10), byte('0'+u%10))
	case u > 99:
		return append(dst, byte('0'+u/100), byte('0'+u/10%10), byte('0'+u%10))
	case u > 9:
		return append(dst, byte('0'+u/10), byte('0'+u%10))
	}
	return append(dst, byte('0'+u))
}

// whyFailed returns the error of a message that has failed: the status, the seconds until a
// retry (0: a retry cannot succeed), and the reason.
func (r *responder) whyFailed(a *batchReply, one *batchResult) (status, seconds int, reason []byte) {
	switch one.failure {
	case failed400:
		return 400, 0, a.text[one.seq:][:one.n]
	case failed413:
		return 413, 0, a.text[one.seq:][:one.n]
	case failedRate:
		return 429, int(one.n), []byte(r.cfg.tooFast(limit.PublishRatePerAddress))
	}
	seconds = limit.RefusedSeconds
	if one.code == mail.CodeTooFast {
		seconds = int(one.n)
	}
	status, text := r.cfg.refusal(one.code)
	return status, seconds, []byte(text)
}
