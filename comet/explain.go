package comet

import (
	"fmt"
	"strconv"
)

// explain serves /explain.
func (w *web) explain(x *exchange) {
	cname, limit, err := w.explainArgs(x)
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	m := mail{kind: mailExplain, conn: x.conn, n: limit}
	m.buf, m.nlen = nameBuffer(cname), uint8(len(cname))
	if dialect, _ := w.arg(x, "dialect"); string(dialect) == "ccomet" {
		m.done()
		m.buf, m.nlen = ccometBuffer(cname)
	}
	m.slot = w.waitFor(x, slot{op: opAsked})
	w.send(w.homes.of(m.cname()), m)
}

func (w *web) explainArgs(x *exchange) (cname []byte, limit int32, err error) {
	if cname, err = w.nameArg(x); err != nil {
		return nil, 0, err
	}
	if limit, err = w.numberArg(x, "limit", defaultExplained); err != nil {
		return nil, 0, err
	}
	if limit < 0 || limit > MaxExplained {
		return nil, 0, fmt.Errorf("parameter limit: want 0 to %d", MaxExplained)
	}
	switch dialect, ok := w.arg(x, "dialect"); {
	case ok && string(dialect) != "ccomet":
		return nil, 0, fmt.Errorf("parameter dialect: want ccomet, or none")
	case ok && len(cname) > MaxCCometName:
		return nil, 0, fmt.Errorf("parameter cname: %d bytes, at most %d in that dialect", len(cname), MaxCCometName)
	}
	return cname, limit, nil
}

// explainedTo serves mailExplained.
func (w *web) explainedTo(m *mail) {
	a := asker{m.conn, m.slot}
	switch m.code {
	case codeNone:
		w.settle(a, 404, typeText, []byte("no such channel: nobody waits for it, and nothing was published to it or signed for it that still lasts\n"))
	case codeBusy:
		w.totals.refused.Add(1)
		w.settle(a, 503, typeText, []byte("too many explanations are under way: at most "+strconv.Itoa(maxExplanations)+" of one loop's channels\n"))
	default:
		w.settle(a, 200, typeJSON, m.msg.content)
	}
}
