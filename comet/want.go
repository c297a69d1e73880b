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
func (w *want) over() bool { return w.epoch == epochClosed || w.epoch == epochDenied }

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
	if t == transportPoll {
		if cb, err = s.callbackArg(x); err != nil {
			return err
		}
	}
	if t == transportSSE {
		if err = s.resumeEvents(x, wants); err != nil {
			return err
		}
		if !slices.ContainsFunc(wants, func(w want) bool { return !w.over() }) {
			s.replyNothing(x)
			return nil
		}
	}
	if lost, _, _ := s.arg(x, "lost"); len(lost) == 1 && lost[0] == '1' {
		sub.flags |= subSayLost
	}
	if x.head {
		contentType := contentTypes[t]
		if len(cb) > 0 {
			contentType = typeScript
		}
		s.replyHead(x, contentType, t != transportPoll)
		return nil
	}
	if i := s.newSub(x.conn, cb, sub, wants); i != 0 {
		s.subscribeAll(i, x.conn, wants)
	} else {
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
// before that; of two the first counts. Good until the next request.
func (s *shard) wantArgs(x *exchange) ([]want, error) {
	wants := append(s.wants[:0], want{})
	seqs, epochs, tokens := 0, 0, 0 // channels that have theirs
	for args := httplite.ParseArgs(x.req.Query()); ; {
		key, raw, ok := args.Next()
		if !ok {
			break
		}
		w := &wants[len(wants)-1]
		var err error
		switch {
		case httplite.EqualUnescaped(key, "cname"):
			if w.cname != nil {
				wants = append(wants, want{})
				w = &wants[len(wants)-1]
			}
			w.cname, err = s.wantName(raw, wants)
		case httplite.EqualUnescaped(key, "seq") && seqs < len(wants):
			seqs = len(wants)
			w.seq, err = s.wantNumber(raw)
		case httplite.EqualUnescaped(key, "epoch") && epochs < len(wants):
			epochs = len(wants)
			w.tell = true
			w.epoch, err = s.wantEpoch(raw)
		case httplite.EqualUnescaped(key, "token") && tokens < len(wants):
			tokens = len(wants)
			w.token, err = s.unescape(raw, "token")
		}
		if err != nil {
			return nil, err
		}
	}
	s.wants = wants
	if wants[0].cname == nil {
		return nil, errNoName
	}
	for i := range wants {
		w := &wants[i]
		w.place = w.epoch != epochNone && w.seq != 0 // 0 is the newest, whatever the epoch
	}
	return wants, nil
}

func (s *shard) wantName(raw []byte, wants []want) ([]byte, error) {
	if len(wants) > MaxBundle {
		return nil, fmt.Errorf("parameter cname: at most %d channels on a connection", MaxBundle)
	}
	cname, err := s.unescape(raw, "cname")
	if err == nil {
		err = checkName(cname)
	}
	for _, w := range wants {
		if err == nil && bytes.Equal(w.cname, cname) {
			err = errors.New("parameter cname: a channel is named twice")
		}
	}
	return cname, err
}

func (s *shard) wantNumber(raw []byte) (int32, error) {
	text, err := s.unescape(raw, "seq")
	if err != nil || len(text) == 0 {
		return 0, err
	}
	return parseNumber(text, "seq")
}

func (s *shard) wantEpoch(raw []byte) (uint32, error) {
	text, err := s.unescape(raw, "epoch")
	if err != nil {
		return 0, err
	}
	e, ok := parseEpoch(text)
	if !ok {
		return 0, errors.New(epochMalformed)
	}
	return e, nil
}

// resumeEvents takes the places that a browser has come to from what it says when it
// comes back with the URL it once was given: in a header or, by what stands in for
// EventSource where there is none, in the query.
func (s *shard) resumeEvents(x *exchange, wants []want) error {
	id := x.req.Header("Last-Event-ID")
	if len(id) == 0 {
		var err error
		if id, _, err = s.arg(x, "lastEventId"); err != nil {
			return err
		}
	}
	lastEventID(id, wants)
	return nil
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
		w, place := &wants[n], &seen[n]
		w.seq, w.epoch, w.place = place.seq, place.epoch, place.place
	}
}

// parsePlace reads a channel's part of an event's id: the number of the last message
// that was seen and its epoch ("17.k3f9ab2"), a number alone, as servers without epochs
// have it, or why there is nothing more to come.
func parsePlace(w *want, text []byte) bool {
	switch string(text) {
	case wordClosed:
		w.epoch = epochClosed
		return true
	case wordDenied:
		w.epoch = epochDenied
		return true
	}
	number, epoch, _ := bytes.Cut(text, []byte("."))
	v, err := strconv.ParseInt(string(number), 10, 32)
	if err != nil {
		return false
	}
	ok := false
	w.seq = int32(v) + 1
	w.epoch, ok = parseEpoch(epoch)
	w.place = w.epoch != epochNone || w.seq != 0 // without one, -1 stands for what has not begun
	return ok
}
