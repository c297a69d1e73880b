package web

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
)

// startSub reads what a subscriber wants, and subscribes it.
//
// Whether it may subscribe is judged at the channel's home, by the token that the hub mails
// there with the subscription. The connection waits meanwhile (conn.Waiting) and holds no
// loop: the home's answer comes by mail, with a code that says yes or why not. Another judge,
// such as a backend, belongs there too: it may answer later, since the subscription waits.
func (w *Web) startSub(x *exchange, t frame.Transport) error {
	topics, err := x.topicArgs()
	if err != nil {
		return err
	}
	sub := newSubscriber(x, t)
	noops, err := x.numberArg("noop", 0)
	if err != nil {
		return err
	}
	sub.SetNoops(noops)
	var cb []byte
	if t.Row().Poll {
		if cb, err = x.callbackArg(); err != nil {
			return err
		}
	}
	if t.Row().Events {
		x.resumeEvents(topics)
		if !slices.ContainsFunc(topics, func(to hub.Topic) bool { return !to.Over() }) {
			w.reply(x, 204, "", nil) // at which a browser stops asking
			return nil
		}
	}
	if x.given("lost") {
		sub.Flags |= hub.SubSayLost
	}
	if x.isHEAD {
		contentType := t.Row().ContentType
		if len(cb) > 0 {
			contentType = frame.TypeScript
		}
		w.replyHead(x, contentType, !t.Row().Poll)
		return nil
	}
	if !w.hub.Enter(x.conn, cb, sub, topics) {
		w.Refuse(x.conn, hub.ErrNoMemory)
	}
	return nil
}

// newSubscriber is one whose response ends as its request asks.
func newSubscriber(x *exchange, t frame.Transport) hub.Subscriber {
	sub := hub.Subscriber{Transport: t}
	if x.closeAfter {
		sub.Flags |= hub.SubCloseAfter
	}
	if x.http10 {
		sub.Flags |= hub.SubHTTP10
	}
	return sub
}

// topicArgs returns the channels that the query names, one at the least. A seq, an
// epoch or a token belongs to the cname that it follows, or to the first if it stands
// before that; of two the first counts. A channel that is named twice is still one: a client
// may add the name to an address that has it. What is returned is good until the next request.
func (p *params) topicArgs() ([]hub.Topic, error) {
	p.topics = append(p.topics[:0], hub.Topic{})
	at := 0                         // the channel that was named last
	var seqs, epochs, tokens uint64 // channels that have theirs, a bit each
	for args := httplite.ParseArgs(p.query); ; {
		key, raw, ok := args.Next()
		if !ok {
			break
		}
		var err error
		switch bit := uint64(1) << at; {
		case p.named(key, "cname"):
			at, err = p.topicName(raw)
		case p.named(key, "seq") && seqs&bit == 0:
			seqs |= bit
			p.topics[at].Seq, err = p.topicNumber(raw)
		case p.named(key, "epoch") && epochs&bit == 0:
			epochs |= bit
			p.topics[at].Tell = true
			p.topics[at].Epoch, err = p.topicEpoch(raw)
		case p.named(key, "token") && tokens&bit == 0:
			tokens |= bit
			p.topics[at].Token = p.unescape(raw)
		}
		if err != nil {
			return nil, err
		}
	}
	if p.topics[0].Cname == nil {
		if err := p.checkName(nil); err != nil {
			return nil, err
		}
		p.topics[0].Cname = []byte{}
	}
	for i := range p.topics {
		to := &p.topics[i]
		to.Place = to.Epoch != record.EpochNone && to.Seq != 0 // 0 is the newest, whatever the epoch
	}
	return p.topics, nil
}

// topicName notes that a channel is named, and returns where it stands.
func (p *params) topicName(raw []byte) (at int, err error) {
	cname := p.unescape(raw)
	if err = p.checkName(cname); err != nil {
		return 0, err
	}
	if cname == nil {
		cname = []byte{} // named, if by nothing
	}
	if p.topics[0].Cname == nil {
		p.topics[0].Cname = cname
		return 0, nil
	}
	for at = range p.topics {
		if bytes.Equal(p.topics[at].Cname, cname) {
			return at, nil
		}
	}
	if len(p.topics) == hub.MaxBundle {
		return 0, fmt.Errorf("parameter cname: at most %d channels on a connection", hub.MaxBundle)
	}
	p.topics = append(p.topics, hub.Topic{Cname: cname})
	return len(p.topics) - 1, nil
}

func (p *params) topicNumber(raw []byte) (int32, error) {
	text := p.unescape(raw)
	if len(text) == 0 {
		return 0, nil
	}
	return p.number(text, "seq")
}

func (p *params) topicEpoch(raw []byte) (uint32, error) {
	e, ok := record.ParseEpoch(p.unescape(raw))
	if !ok {
		return 0, errors.New(record.EpochMalformed)
	}
	return e, nil
}

// resumeEvents takes the places that a browser has come to from what it says when it
// comes back with the URL it once was given: in a header or, by what stands in for
// EventSource where there is none, in the query.
func (x *exchange) resumeEvents(topics []hub.Topic) {
	id := x.req.Header("Last-Event-ID")
	if len(id) == 0 {
		id, _ = x.arg("lastEventId")
	}
	lastEventID(id, topics)
}

// lastEventID takes places out of the id of an event, which has one for each channel,
// in the order in which they are named. What is no such list changes nothing.
func lastEventID(id []byte, topics []hub.Topic) {
	if len(id) == 0 {
		return // as with each first request: looking for a number there would make an error, which is garbage
	}
	if bytes.Count(id, []byte(",")) != len(topics)-1 {
		return
	}
	var seen [hub.MaxBundle]hub.Topic
	for n := range topics {
		text, rest, _ := bytes.Cut(id, []byte(","))
		if !parsePlace(&seen[n], text) {
			return
		}
		id = rest
	}
	for n := range topics {
		to, place := &topics[n], &seen[n]
		to.Seq, to.Epoch, to.Place = place.Seq, place.Epoch, place.Place
	}
}

// parsePlace reads a channel's part of an event's id: the number of the last message
// that was seen and its epoch ("17.k3f9ab2"), a number alone, as servers without epochs
// have it, or why there is nothing more to come.
func parsePlace(to *hub.Topic, text []byte) bool {
	switch string(text) {
	case record.WordClosed:
		to.Epoch = record.EpochClosed
		return true
	case record.WordDenied:
		to.Epoch = record.EpochDenied
		return true
	}
	number, epoch, _ := bytes.Cut(text, []byte("."))
	v, err := strconv.ParseInt(string(number), 10, 32)
	if err != nil {
		return false
	}
	ok := false
	to.Seq = int32(v) + 1
	to.Epoch, ok = record.ParseEpoch(epoch)
	to.Place = to.Epoch != record.EpochNone || to.Seq != 0 // without one, -1 stands for what has not begun
	return ok
}
