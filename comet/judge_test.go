package comet

import (
	"slices"
	"strings"
	"testing"

	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// lateJudge decides when the test tells it to.
type lateJudge struct{ waiting *[]homed }

// lateJudgeEnd is the judge's end at one loop.
type lateJudgeEnd struct {
	lateJudge
	home broker.Inbox
}

func (j lateJudgeEnd) Judge(m mail.Mail) {
	*j.waiting = append(*j.waiting, homed{j.home, m, string(m.Cname()) + " " + string(m.Content())})
}

// decide answers the first waiting request, and returns what it was.
func (j lateJudge) decide(verdict mail.Code) (asked string) {
	first := (*j.waiting)[0]
	*j.waiting = (*j.waiting)[1:]
	first.mail.Flag |= mail.FlagJudged
	first.mail.Code = verdict
	first.home.Post(first.mail)
	return first.name
}

func named(cname string) (*bytebufferpool.ByteBuffer, uint8) {
	return pool.NameBuffer([]byte(cname)), uint8(len(cname))
}

// TestLateVerdict: a subscription waits for its verdict, while the loop
// continues.
func TestLateVerdict(t *testing.T) {
	judge := lateJudge{new([]homed)}
	h := newHarness(t, Config{Loops: 1, judge: func(home broker.Inbox) broker.Judge { return lateJudgeEnd{judge, home} }})
	s := h.srv.shards[0]
	var clients []*end
	for _, path := range []string{"/stream?cname=a&seq=1", "/poll?cname=b&seq=1", "/sse?cname=c", "/stream?cname=a&seq=2&cname=b"} {
		e := h.connect(s, conn.Front, 0)
		e.get(path)
		clients = append(clients, e)
	}
	h.settle()
	check(t, h.srv, false, "before the verdicts")
	// Others are served: a message is published, and kept for the first client.
	if got := h.ask(conn.Admin, "/push?cname=a&content=m1&ack=1"); got != `{"type":"ok","seq":1}` && got != `{"type":"ok","seq":1}`+"\n" {
		t.Fatalf("the publisher is answered %q", got)
	}
	gone := h.connect(s, conn.Front, 0)
	gone.get("/stream?cname=a&seq=1")
	h.settle()
	gone.close()
	h.settle()
	var asked []string
	for _, verdict := range []mail.Code{mail.CodeOK, mail.CodeNoToken, mail.CodeNoToken, mail.CodeOK, mail.CodeNoToken, mail.CodeOK} {
		asked = append(asked, judge.decide(verdict))
	}
	h.settle()
	if want := []string{"a ", "b ", "c ", "a ", "b ", "a "}; !slices.Equal(asked, want) || len(*judge.waiting) != 0 {
		t.Errorf("the judge was asked for %q, want %q; %d questions are open", asked, want, len(*judge.waiting))
	}
	wantEvents(t, clients[0], "1 m1")
	for _, e := range clients[1:3] {
		if e.read(); !strings.Contains(string(e.in), `"type":"401"`) {
			t.Errorf("a client that was refused is sent %q", e.in)
		}
	}
	if events, _ := clients[3].events(); len(events) != 1 || events[0].Type != "401" || events[0].Cname != "b" {
		t.Errorf("a client of two channels is sent %v", events)
	}
	check(t, h.srv, true, "after the verdicts")
}
