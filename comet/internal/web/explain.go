package web

import (
	"bytes"
	"fmt"
	"strconv"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
)

func (w *Web) explain(x *exchange) {
	cname, limit, spoken, err := x.explainArgs()
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	m := mail.Mail{Kind: mail.Explain, Conn: x.conn}
	m.SetListed(limit)
	m.Buf, m.Nlen = spoken.nameBuffer(cname)
	m.SetReply(w.pipelines.await(x, pendingReply{}))
	w.Send(w.homes.Of(m.Cname()), m)
}

// explainArgs returns the parameters of /explain: the channel, the maximum number of listed
// subscribers, and the dialect of the channel.
func (x *exchange) explainArgs() (cname []byte, limit int32, spoken *dialect, err error) {
	if cname, err = x.nameArg(); err != nil {
		return nil, 0, nil, err
	}
	if limit, err = x.boundedArg("limit", broker.DefaultExplained, broker.MaxExplained); err != nil {
		return nil, 0, nil, err
	}
	name, given := x.arg("dialect")
	spoken = dialectNamed(name)
	switch {
	case spoken == nil, given && len(name) == 0:
		return nil, 0, nil, fmt.Errorf("parameter dialect: want %s, or none", dialectNames())
	case len(cname) > spoken.maxName:
		return nil, 0, nil, fmt.Errorf("parameter cname: %d bytes, at most %d in that dialect", len(cname), spoken.maxName)
	}
	return cname, limit, spoken, nil
}

// ExplainedTo handles mail.Explained.
func (w *Web) ExplainedTo(m *mail.Mail) {
	to := m.ReplyTo()
	switch m.Code {
	case mail.CodeNone:
		w.Object = append(w.Object[:0], "no such channel: it has no subscribers, no messages and no lease"...)
		w.Object = append(w.cfg.shared().otherNames(w.Object, " here; ask these servers too: ", ", "), '\n')
		w.pipelines.resolve(to, 404, frame.TypeText, w.Object)
	case mail.CodeBusy:
		w.totals.Refused.Add(1)
		w.pipelines.resolve(to, 503, frame.TypeText, []byte("too many explanations are under way: at most "+strconv.Itoa(broker.MaxExplanations)+" of one loop's channels\n"))
	default:
		w.Object = append(w.Object[:0], m.Msg.Content()...)
		if others := w.cfg.shared().otherNames(nil, `"`, `", "`); len(others) > 0 {
			w.Object = append(append(append(bytes.TrimRight(w.Object, "}\n"), ",\n \"other_servers\": ["...), others...), "\"]}\n"...)
		}
		w.pipelines.resolve(to, 200, frame.TypeJSON, w.Object)
	}
}
