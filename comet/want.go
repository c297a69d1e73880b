package comet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"ccomet/httplite"
)

// startSub reads what a subscriber wants, and subscribes it.
func (w *web) startSub(x *exchange, t transport) error {
	wants, err := w.wantArgs(x)
	if err != nil {
		return err
	}
	sub := newSubscriber(x, t)
	if sub.noop, err = w.numberArg(x, "noop", 0); err != nil {
		return err
	}
	var cb []byte
	if t.row().poll {
		if cb, err = w.callbackArg(x); err != nil {
			return err
		}
	}
	if t.row().events {
		w.resumeEvents(x, wants)
		if !slices.ContainsFunc(wants, func(to want) bool { return !to.over() }) {
			w.replyNothing(x)
			return nil
		}
	}
	if w.given(x, "lost") {
		sub.flags |= subSayLost
	}
	if x.head {
		contentType := t.row().contentType
		if len(cb) > 0 {
			contentType = typeScript
		}
		w.replyHead(x, contentType, !t.row().poll)
		return nil
	}
	if !w.hub.enter(x.conn, cb, sub, wants) {
		w.refuse(x.conn, errNoMemory)
	}
	return nil
}

// newSubscriber is one whose response ends as its request asks.
func newSubscriber(x *exchange, t transport) subscriber {
	sub := subscriber{transport: t}
	if x.last {
		sub.flags |= subClose
	}
	if x.old {
		sub.flags |= subOld
	}
	return sub
}

// wantArgs returns the channels that the query names, one at the least. A seq, an
// epoch or a token belongs to the cname that it follows, or to the first if it stands
// before that; of two the first counts. A channel that is named again is still one: a page
// whose address has it already has it added once more. Good until the next request.
func (w *web) wantArgs(x *exchange) ([]want, error) {
	w.wants = append(w.wants[:0], want{})
	at := 0                         // the channel that was named last
	var seqs, epochs, tokens uint64 // channels that have theirs, a bit each
	for args := httplite.ParseArgs(x.req.Query()); ; {
		key, raw, ok := args.Next()
		if !ok {
			break
		}
		var err error
		switch bit := uint64(1) << at; {
		case w.named(key, "cname"):
			at, err = w.wantName(raw)
		case w.named(key, "seq") && seqs&bit == 0:
			seqs |= bit
			w.wants[at].seq, err = w.wantNumber(raw)
		case w.named(key, "epoch") && epochs&bit == 0:
			epochs |= bit
			w.wants[at].tell = true
			w.wants[at].epoch, err = w.wantEpoch(raw)
		case w.named(key, "token") && tokens&bit == 0:
			tokens |= bit
			w.wants[at].token = w.unescape(raw)
		}
		if err != nil {
			return nil, err
		}
	}
	if w.wants[0].cname == nil {
		if err := w.checkName(nil); err != nil {
			return nil, err
		}
		w.wants[0].cname = []byte{}
	}
	for i := range w.wants {
		to := &w.wants[i]
		to.place = to.epoch != epochNone && to.seq != 0 // 0 is the newest, whatever the epoch
	}
	return w.wants, nil
}

// wantName notes that a channel is named, and returns where it stands.
func (w *web) wantName(raw []byte) (at int, err error) {
	cname := w.unescape(raw)
	if err = w.checkName(cname); err != nil {
		return 0, err
	}
	if cname == nil {
		cname = []byte{} // named, if by nothing
	}
	if w.wants[0].cname == nil {
		w.wants[0].cname = cname
		return 0, nil
	}
	for at = range w.wants {
		if bytes.Equal(w.wants[at].cname, cname) {
			return at, nil
		}
	}
	if len(w.wants) == MaxBundle {
		return 0, fmt.Errorf("parameter cname: at most %d channels on a connection", MaxBundle)
	}
	w.wants = append(w.wants, want{cname: cname})
	return len(w.wants) - 1, nil
}

func (w *web) wantNumber(raw []byte) (int32, error) {
	text := w.unescape(raw)
	if len(text) == 0 {
		return 0, nil
	}
	return w.number(text, "seq")
}

func (w *web) wantEpoch(raw []byte) (uint32, error) {
	e, ok := parseEpoch(w.unescape(raw))
	if !ok {
		return 0, errors.New(epochMalformed)
	}
	return e, nil
}

// resumeEvents takes the places that a browser has come to from what it says when it
// comes back with the URL it once was given: in a header or, by what stands in for
// EventSource where there is none, in the query.
func (w *web) resumeEvents(x *exchange, wants []want) {
	id := x.req.Header("Last-Event-ID")
	if len(id) == 0 {
		id, _ = w.arg(x, "lastEventId")
	}
	lastEventID(id, wants)
}

// lastEventID takes places out of the id of an event, which has one for each channel,
// in the order in which they are named. What is no such list changes nothing.
func lastEventID(id []byte, wants []want) {
	if bytes.Count(id, []byte(",")) != len(wants)-1 {
		return
	}
	var seen [MaxBundle]want
	for n := range wants {
		text, rest, _ := bytes.Cut(id, []byte(","))
		if !parsePlace(&seen[n], text) {
			return
		}
		id = rest
	}
	for n := range wants {
		to, place := &wants[n], &seen[n]
		to.seq, to.epoch, to.place = place.seq, place.epoch, place.place
	}
}

// parsePlace reads a channel's part of an event's id: the number of the last message
// that was seen and its epoch ("17.k3f9ab2"), a number alone, as servers without epochs
// have it, or why there is nothing more to come.
func parsePlace(to *want, text []byte) bool {
	switch string(text) {
	case wordClosed:
		to.epoch = epochClosed
		return true
	case wordDenied:
		to.epoch = epochDenied
		return true
	}
	number, epoch, _ := bytes.Cut(text, []byte("."))
	v, err := strconv.ParseInt(string(number), 10, 32)
	if err != nil {
		return false
	}
	ok := false
	to.seq = int32(v) + 1
	to.epoch, ok = parseEpoch(epoch)
	to.place = to.epoch != epochNone || to.seq != 0 // without one, -1 stands for what has not begun
	return ok
}

// replyNothing answers a browser that has been told that there is nothing more to
// come: at 204 it stops asking.
func (w *web) replyNothing(x *exchange) {
	w.reply(x, 204, "", nil)
}
