package comet

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
	"strings"
	"testing"
)

func TestAtoi(t *testing.T) {
	for text, want := range map[string]int32{
		"": 0, "0": 0, "7": 7, "007": 7, "-7": -7, "+7": 7, "--7": 0, "+-7": 0, "-": 0, "+": 0,
		" \t\n\v\f\r7": 7, "- 7": 0, "7 8": 7, "1.5": 1, "2abc": 2, "0x10": 0, "1e3": 1, "undefined": 0, "NaN": 0, "null": 0, "\u0667": 0,
		"2147483647": 2147483647, "2147483648": -2147483648, "-2147483648": -2147483648, "-2147483649": 2147483647, "4294967297": 1,
		"9223372036854775807": -1, "9223372036854775808": -1, "99999999999999999999999": -1, "-9223372036854775808": 0, "-99999999999999999999999": 0,
	} {
		if got := web.Atoi([]byte(text)); got != want {
			t.Errorf("atoi(%q) = %d, want %d", text, got, want)
		}
	}
}

// TestChannelWithoutAName: it is a channel like any other: subscribers hear of it, listeners
// see it come and go, and a state file keeps it, even for a server that takes no such name.
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
