package comet

import (
	"fmt"
	"strings"

	"ccomet/comet/internal/conn"
)

// asker is a client that requests the history of channels, each time from its place on,
// and with its last tag.
type asker struct {
	*end
	cname, query string // of the request under way
	seq          int32  // of that request, 0: the latest
	limit        int
	slow         bool // it reads little at a time
	places       map[string]past
	tags         map[string]string
}

// askHistory lets a client request the history of a channel, on its connection or on a
// new one.
func (w *world) askHistory(cname string) {
	i := w.rng.IntN(len(w.askers))
	a := w.askers[i]
	w.hearHistory(a)
	if a.cname != "" {
		return // it waits for an answer
	}
	if a.end != nil {
		a.read()
	}
	if a.end == nil || a.ended || w.rng.IntN(4) == 0 {
		if a.end != nil {
			a.close()
		}
		*a = asker{places: map[string]past{}, tags: map[string]string{}, slow: w.rng.IntN(2) == 0}
		room := 0
		if a.slow {
			room = 4608
		}
		a.end = w.connect(w.shard(i), conn.Front, room)
	}
	a.cname, a.seq, a.limit = cname, 0, 1+w.rng.IntN(30)
	a.query = fmt.Sprintf("cname=%s&limit=%d&epoch=", cname, a.limit)
	if was, ok := a.places[cname]; ok && w.rng.IntN(3) > 0 {
		a.seq = was.First + int32(len(was.Messages))
		a.query += fmt.Sprintf("%s&seq=%d", *was.Epoch, a.seq)
	}
	tag := ""
	if w.rng.IntN(2) == 0 && a.tags[cname] != "" {
		tag = "If-None-Match: " + a.tags[cname] + "\r\n"
	}
	a.write(reqGet(1, "/history?"+a.query, tag))
}

// hearHistory handles an answer, and compares it with what others know of its messages.
func (w *world) hearHistory(a *asker) {
	if a.end == nil || a.cname == "" {
		return
	}
	head, body, ok := a.response()
	if !ok {
		if a.ended && !w.hurt[a.end] {
			w.fail("%s was not answered", a.query)
		}
		if a.ended {
			a.cname = ""
		}
		return
	}
	was, known := a.places[a.cname]
	switch status := head.Status(); {
	case status == 304:
		w.got["nothing new"]++
		if string(head.Header("ETag")) != a.tags[a.cname] {
			w.fail("%s: 304 of %s, not %s", a.query, head.Header("ETag"), a.tags[a.cname])
		}
		a.cname = ""
		return
	case w.harsh && status == 503:
		a.cname = ""
		return
	case status != 200:
		w.fail("%s: status %d", a.query, status)
	}
	w.got["history"]++
	p := parsePast(w.t, body)
	again := known && *p.Epoch == *was.Epoch
	switch {
	case len(p.Messages) > a.limit || p.Cname != a.cname || p.Epoch == nil:
		w.fail("%s: %.200q", a.query, body)
	case again && p.Next < was.Next:
		w.fail("%s: next is %d, and was %d", a.query, p.Next, was.Next)
	case again && a.seq != 0 && p.Lost == (p.First == a.seq):
		w.fail("%s: first is %d, lost %t", a.query, p.First, p.Lost)
	case known && !again && *was.Epoch != "" && a.seq != 0 && !p.Lost:
		w.fail("%s: of another life, and nothing is lost", a.query)
	}
	if p.Lost {
		w.got["history lost"]++
	}
	for _, m := range p.Messages {
		if m.Type != "data" && m.Type != "broadcast" {
			w.fail("%s: %+v", a.query, m)
		}
		key := m.Cname + " " + m.Content
		if seq, ok := w.seen[key]; ok && seq != m.Seq {
			w.fail("%.20q has number %d for one, %d in the history", m.Content, seq, m.Seq)
		}
		w.seen[key] = m.Seq
	}
	a.places[a.cname], a.tags[a.cname] = p, strings.Clone(string(head.Header("ETag")))
	a.cname = ""
}
