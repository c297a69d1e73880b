package comet

import (
	"fmt"
	"strconv"
)

// explain serves /explain.
func (s *shard) explain(x *exchange) {
	cname, limit, err := s.explainArgs(x)
	if err != nil {
		s.fail(x, 400, err.Error())
		return
	}
	m := mail{kind: mailExplain, conn: x.conn, n: limit}
	m.buf, m.nlen = nameBuffer(cname), uint8(len(cname))
	if dialect, _ := s.arg(x, "dialect"); string(dialect) == "ccomet" {
		m.done()
		m.buf, m.nlen = ccometBuffer(cname)
	}
	m.slot = s.waitFor(x, slot{op: opAsked})
	s.send(s.homes.of(m.cname()), m)
}

func (s *shard) explainArgs(x *exchange) (cname []byte, limit int32, err error) {
	if cname, err = s.nameArg(x); err != nil {
		return nil, 0, err
	}
	if limit, err = s.numberArg(x, "limit", defaultExplained); err != nil {
		return nil, 0, err
	}
	if limit < 0 || limit > MaxExplained {
		return nil, 0, fmt.Errorf("parameter limit: want 0 to %d", MaxExplained)
	}
	switch dialect, ok := s.arg(x, "dialect"); {
	case ok && string(dialect) != "ccomet":
		return nil, 0, fmt.Errorf("parameter dialect: want ccomet, or none")
	case ok && len(cname) > MaxCCometName:
		return nil, 0, fmt.Errorf("parameter cname: %d bytes, at most %d in that dialect", len(cname), MaxCCometName)
	}
	return cname, limit, nil
}

// explainedTo serves mailExplained.
func (s *shard) explainedTo(m *mail) {
	a := asker{m.conn, m.slot}
	switch m.code {
	case codeNone:
		s.settle(a, 404, typeText, []byte("no such channel: nobody waits for it, and nothing was published to it or signed for it that still lasts\n"))
	case codeBusy:
		s.totals.refused.Add(1)
		s.settle(a, 503, typeText, []byte("too many explanations are under way: at most "+strconv.Itoa(maxExplanations)+" of one loop's channels\n"))
	default:
		s.settle(a, 200, typeJSON, m.msg.content)
	}
}
