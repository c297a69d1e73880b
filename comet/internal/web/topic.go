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

// startSub parses a request for a subscription, and starts it.
//
// The channel's home decides whether the client may subscribe. The hub mails it the token with
// the subscription. Meanwhile the connection waits (conn.Waiting) and the loop serves others.
// The home answers by mail with a code. Another judge, such as a backend, belongs at the home
// too, and may take its time, since the subscription waits anyway.
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
			w.reply(x, 204, "", nil) // tells a browser to stop reconnecting
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

// newSubscriber returns a subscriber with the flags that the response to x needs.
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

// topicArgs returns the channels that the query names, at least one. A seq, epoch or token
// belongs to the preceding cname, or to the first cname if none precedes; of two, the first
// counts. A channel that is named twice counts once, since a client may append a name to a URL
// that already contains it. The result is valid until the next request.
func (p *params) topicArgs() ([]hub.Topic, error) {
	p.topics = append(p.topics[:0], hub.Topic{})
	at := 0                         // index of the last named channel
	var seqs, epochs, tokens uint64 // bit sets of the channels that have one
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
		to.Place = to.Epoch != record.EpochNone && to.Seq != 0 // seq 0 means the newest message, in any epoch
	}
	return p.topics, nil
}

// topicName adds a named channel, and returns its index.
func (p *params) topicName(raw []byte) (at int, err error) {
	cname := p.unescape(raw)
	if err = p.checkName(cname); err != nil {
		return 0, err
	}
	if cname == nil {
		cname = []byte{} // named, with an empty name
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

// resumeEvents sets the positions from which a browser reconnects, since it reconnects with the
// original URL. They are in header Last-Event-ID or, from replacements of EventSource, in the
// query.
func (x *exchange) resumeEvents(topics []hub.Topic) {
	id := x.req.Header("Last-Event-ID")
	if len(id) == 0 {
		id, _ = x.arg("lastEventId")
	}
	lastEventID(id, topics)
}

// lastEventID parses the id of an event: one position for each channel, in the order in which
// the request names them. A malformed id is ignored.
func lastEventID(id []byte, topics []hub.Topic) {
	if len(id) == 0 {
		return // common: first requests have none, and a parse error would allocate
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

// parsePlace parses a channel's position in an event id: the number and the epoch of the last
// received message ("17.k3f9ab2"); a number alone, from servers without epochs; or a word that
// says why no more messages follow.
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
	to.Place = to.Epoch != record.EpochNone || to.Seq != 0 // without an epoch, -1 means that no message was received
	return ok
}
