package comet

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"ccomet/httplite"
)

// want is a channel that a client subscribes to, from which number on, and what
// lets it.
type want struct {
	cname, token []byte
	seq          int32
}

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
		lastEventID(x.req.Header("Last-Event-ID"), wants)
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

// wantArgs returns the channels that the query names, one at the least. A seq
// or a token belongs to the cname that it follows, or to the first if it stands
// before that; of two the first counts. Good until the next request.
func (s *shard) wantArgs(x *exchange) ([]want, error) {
	wants := append(s.wants[:0], want{})
	seqs, tokens := 0, 0 // channels that have theirs
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

// lastEventID takes the numbers that a browser has seen last, in the order in
// which the channels are named: it tells them when it reconnects with the URL
// it once was given. What is no such list changes nothing.
func lastEventID(id []byte, wants []want) {
	if bytes.Count(id, []byte(",")) != len(wants)-1 {
		return
	}
	var seen [MaxBundle]int32
	for n := range wants {
		text, rest, _ := bytes.Cut(id, []byte(","))
		v, err := strconv.ParseInt(string(text), 10, 32)
		if err != nil {
			return
		}
		seen[n], id = int32(v), rest
	}
	for n := range wants {
		wants[n].seq = seen[n] + 1
	}
}
