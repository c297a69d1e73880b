package comet

import (
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
)

// TestChannelWithoutAName: it is a channel like any other: subscribers get its messages,
// listeners see it come and go, and a state file keeps it, even for a server that accepts no
// such name.
func TestChannelWithoutAName(t *testing.T) {
	cfg := stateConfig(t)
	cfg.Compat = web.CompatIComet()
	h := newHarness(t, cfg)
	s := h.srv.shards[0]
	listener, waiting := h.connect(s, conn.Admin, 0), h.connect(s, conn.Front, 0)
	listener.get("/psub")
	h.settle()
	waiting.get("/stream?cname=&seq=1")
	h.settle()
	h.ask(conn.Admin, "/push?content=1")
	listener.read()
	waiting.read()
	if !strings.Contains(string(listener.in), "1 \n") || !strings.Contains(string(waiting.in), `{"type":"data","cname":"","seq":1,"content":"1"}`) {
		t.Errorf("%q, %q", listener.in, waiting.in)
	}
	if got := h.ask(conn.Admin, "/explain"); !strings.Contains(got, `"cname":""`) && !strings.Contains(got, `"cname": ""`) {
		t.Errorf("explain: %s", got)
	}
	check(t, h.srv, true, "with a channel without a name")
	h = h.restart(cfg, true)
	if got := h.ask(conn.Front, "/sub?seq=1"); !strings.Contains(got, `"cname":"","seq":1,"content":"1"`) {
		t.Errorf("after a restart: %s", got)
	}
	cfg.Compat = web.Compat{}
	h = h.restart(cfg, true)
	if got := h.ask(conn.Admin, "/info"); !strings.Contains(got, `"channels": 1,`) {
		t.Errorf("without the leniency: %s", got)
	}
	if got := h.ask(conn.Front, "/sub?seq=1"); got != "parameter cname is missing\n" {
		t.Errorf("without the leniency: %s", got)
	}
}
