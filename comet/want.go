package comet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"ccomet/httplite"
)

// want is a channel that a client subscribes to, from which place on, and what
// lets it.
type want struct {
	cname, token []byte
	seq          int32
	epoch        uint32 // of which seq is a number; epochClosed, epochDenied: it wants nothing more
	place        bool   // seq comes from an id of this or an earlier life: it counts even where it cannot be
	tell         bool   // it wants to be told the epoch
}

// over says whether the client has been told that there is nothing more to come.
func (to *want) over() bool { return to.epoch == epochClosed || to.epoch == epochDenied }

// startSub reads what a subscriber wants, and subscribes it.
func (s *shard) startSub(x *exchange, t transport) error {
	wants, err := s.wantArgs(x)
	if err != nil {
		return err
	}
	sub := newSubscriber(x, t)
	if sub.noop, err = s.numberArg(x, "noop", 0); err != nil {
		return err
	}
	var cb []byte
	if t.row().poll {
		if cb, err = s.callbackArg(x); err != nil {
			return err
		}
	}
	if t.row().events {
		s.resumeEvents(x, wants)
		if !slices.ContainsFunc(wants, func(to want) bool { return !to.over() }) {
			s.replyNothing(x)
			return nil
		}
	}
	if s.given(x, "lost") {
		sub.flags |= subSayLost
	}
	if x.head {
		contentType := t.row().contentType
		if len(cb) > 0 {
			contentType = typeScript
		}
		s.replyHead(x, contentType, !t.row().poll)
		return nil
	}
	if !s.enter(x.conn, cb, sub, wants) {
		s.refuse(x.conn, errNoMemory)
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
func (s *shard) wantArgs(x *exchange) ([]want, error) {
	s.wants = append(s.wants[:0], want{})
	at := 0                         // the channel that was named last
	var seqs, epochs, tokens uint64 // channels that have theirs, a bit each
	for args := httplite.ParseArgs(x.req.Query()); ; {
		key, raw, ok := args.Next()
		if !ok {
			break
		}
		var err error
		switch bit := uint64(1) << at; {
		case s.named(key, "cname"):
			at, err = s.wantName(raw)
		case s.named(key, "seq") && seqs&bit == 0:
			seqs |= bit
			s.wants[at].seq, err = s.wantNumber(raw)
		case s.named(key, "epoch") && epochs&bit == 0:
			epochs |= bit
			s.wants[at].tell = true
			s.wants[at].epoch, err = s.wantEpoch(raw)
		case s.named(key, "token") && tokens&bit == 0:
			tokens |= bit
			s.wants[at].token = s.unescape(raw)
		}
		if err != nil {
			return nil, err
		}
	}
	if s.wants[0].cname == nil {
		if err := s.checkName(nil); err != nil {
			return nil, err
		}
		s.wants[0].cname = []byte{}
	}
	for i := range s.wants {
		to := &s.wants[i]
		to.place = to.epoch != epochNone && to.seq != 0 // 0 is the newest, whatever the epoch
	}
	return s.wants, nil
}

// wantName notes that a channel is named, and returns where it stands.
func (s *shard) wantName(raw []byte) (at int, err error) {
	cname := s.unescape(raw)
	if err = s.checkName(cname); err != nil {
		return 0, err
	}
	if cname == nil {
		cname = []byte{} // named, if by nothing
	}
	if s.wants[0].cname == nil {
		s.wants[0].cname = cname
		return 0, nil
	}
	for at = range s.wants {
		if bytes.Equal(s.wants[at].cname, cname) {
			return at, nil
		}
	}
	if len(s.wants) == MaxBundle {
		return 0, fmt.Errorf("parameter cname: at most %d channels on a connection", MaxBundle)
	}
	s.wants = append(s.wants, want{cname: cname})
	return len(s.wants) - 1, nil
}

func (s *shard) wantNumber(raw []byte) (int32, error) {
	text := s.unescape(raw)
	if len(text) == 0 {
		return 0, nil
	}
	return s.number(text, "seq")
}

func (s *shard) wantEpoch(raw []byte) (uint32, error) {
	e, ok := parseEpoch(s.unescape(raw))
	if !ok {
		return 0, errors.New(epochMalformed)
	}
	return e, nil
}

// resumeEvents takes the places that a browser has come to from what it says when it
// comes back with the URL it once was given: in a header or, by what stands in for
// EventSource where there is none, in the query.
func (s *shard) resumeEvents(x *exchange, wants []want) {
	id := x.req.Header("Last-Event-ID")
	if len(id) == 0 {
		id, _ = s.arg(x, "lastEventId")
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
func (s *shard) replyNothing(x *exchange) {
	s.reply(x, 204, "", nil)
}
