package web

import (
	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"fmt"
	"strconv"
)

// explain serves /explain.
func (w *Web) explain(x *exchange) {
	cname, limit, err := w.explainArgs(x)
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	m := mail.Mail{Kind: mail.Explain, Conn: x.conn, N: limit}
	m.Buf, m.Nlen = pool.NameBuffer(cname), uint8(len(cname))
	if dialect, _ := w.arg(x, "dialect"); string(dialect) == "ccomet" {
		m.Done()
		m.Buf, m.Nlen = ccomet.NameBuffer(cname)
	}
	m.Slot = w.awaitReply(x, pendingReply{op: mail.OpAsked})
	w.Send(w.homes.Of(m.Cname()), m)
}

func (w *Web) explainArgs(x *exchange) (cname []byte, limit int32, err error) {
	if cname, err = w.nameArg(x); err != nil {
		return nil, 0, err
	}
	if limit, err = w.numberArg(x, "limit", broker.DefaultExplained); err != nil {
		return nil, 0, err
	}
	if limit < 0 || limit > broker.MaxExplained {
		return nil, 0, fmt.Errorf("parameter limit: want 0 to %d", broker.MaxExplained)
	}
	switch dialect, ok := w.arg(x, "dialect"); {
	case ok && string(dialect) != "ccomet":
		return nil, 0, fmt.Errorf("parameter dialect: want ccomet, or none")
	case ok && len(cname) > record.MaxCCometName:
		return nil, 0, fmt.Errorf("parameter cname: %d bytes, at most %d in that dialect", len(cname), record.MaxCCometName)
	}
	return cname, limit, nil
}

// explainedTo serves mailExplained.
func (w *Web) ExplainedTo(m *mail.Mail) {
	a := mail.ReplyTo{Conn: m.Conn, Slot: m.Slot}
	switch m.Code {
	case mail.CodeNone:
		w.resolve(a, 404, frame.TypeText, []byte("no such channel: nobody waits for it, and nothing was published to it or signed for it that still lasts\n"))
	case mail.CodeBusy:
		w.totals.Refused.Add(1)
		w.resolve(a, 503, frame.TypeText, []byte("too many explanations are under way: at most "+strconv.Itoa(broker.MaxExplanations)+" of one loop's channels\n"))
	default:
		w.resolve(a, 200, frame.TypeJSON, m.Msg.Content)
	}
}
