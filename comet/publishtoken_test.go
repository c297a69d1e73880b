package comet

import (
	"fmt"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
)

// publishTokenOf is the token to publish to a channel where Config.Secret is "secret".
func publishTokenOf(cname string, n uint32) string {
	return string(token.New([]byte("secret")).Make([]byte(cname), record.Scatter(n), token.Publish))
}

// A client that has subscribed with a token to publish may publish to that channel as long as
// it is subscribed, whatever the settings say about others and about its page.
func TestTokenPublishes(t *testing.T) {
	for _, auth := range []Auth{AuthNone, AuthToken} {
		for _, open := range []bool{false, true} {
			testTokenPublishes(t, Config{Loops: 2, Auth: auth, Secret: []byte("secret"), WSPublish: open, CORSOrigins: []string{"*"}, PublishRatePerAddress: 4})
		}
	}
}

func testTokenPublishes(t *testing.T, cfg Config) {
	st := newStage(t, cfg)
	sign := func(query string) string {
		_, rest, _ := strings.Cut(st.admin(0, "/sign?cname="+query), `"token":"`)
		token, _, _ := strings.Cut(rest, `"`)
		return token
	}
	publishes, reads, readsB := sign("a&publish=1"), sign("a"), sign("b")
	if len(publishes) != len(reads) || publishes == reads || sign("a&publish=1") != publishes || sign("a&publish=0") != reads || sign("a&publish=") != reads {
		t.Fatalf("tokens %q, %q", publishes, reads)
	}
	forbidden := func(id int) string {
		reason := "clients may not publish: ws-publish is off, and the client is not subscribed with a token that permits it"
		if cfg.WSPublish {
			reason = "pages of another site may not publish: cors-origin lists the permitted origins"
		}
		return fmt.Sprintf(`{"type":"403","content":"%s","id":%d}`, reason, id)
	}
	const page = "Origin: https://any\r\n"
	p := st.websocket(0, "/ws?cname=b&seq=1&token="+readsB, page)
	q := st.websocket(1, "/ws?cname=a&seq=1&token="+publishes, page)
	p.ask(`{"op":"pub","cname":"a","content":"x","id":1}`, forbidden(1)) // not subscribed
	p.ask(`{"op":"pub","cname":"b","content":"x","id":2}`, forbidden(2)) // its token does not permit it
	p.ask(`{"op":"sub","cname":"a","token":"`+publishes+`"}`, `{"type":"ok","cname":"a","seq":1}`)
	p.ask(`{"op":"pub","cname":"b","content":"x","id":3}`, forbidden(3)) // the token of another channel does
	p.ask(`{"op":"pub","cname":"a","content":"x","id":4}`, `{"type":"ok","seq":1,"id":4}`, object("data", 1, "x"))
	q.expect(object("data", 1, "x"))
	q.ask(`{"op":"pub","cname":"a","content":"y","id":5}`, `{"type":"ok","seq":2,"id":5}`, object("data", 2, "y"))
	p.expect(object("data", 2, "y"))
	p.ask(`{"op":"unsub","cname":"a"}`, `{"type":"ok","cname":"a"}`)
	p.ask(`{"op":"pub","cname":"a","content":"x","id":6}`, forbidden(6)) // no longer subscribed
	p.ask(`{"op":"sub","cname":"a","token":"`+reads+`"}`, `{"type":"ok","cname":"a","seq":3}`)
	p.ask(`{"op":"pub","cname":"a","content":"x","id":7}`, forbidden(7)) // subscribed again, with another token
	p.ask(`{"op":"unsub","cname":"b"}`, `{"type":"ok","cname":"b"}`)     // its first record is freed
	q.ask(`{"op":"pub","cname":"a","content":"z"}`, `{"type":"ok","seq":3}`, object("data", 3, "z"))
	p.expect(object("data", 3, "z"))

	// Such a publish counts for its address like any other.
	q.ask(`{"op":"pub","cname":"a","content":"4"}`, `{"type":"ok","seq":4}`, object("data", 4, "4"))
	q.ask(`{"op":"pub","cname":"a","content":"5"}`, `{"type":"429","content":"too many publishes from this address: publish-rate-per-address is 4 a second"}`)
	check(t, st.srv, true, "")
}

// A token to publish also permits reading, with every transport, and ends with its channel.
func TestTokenToPublishAdmits(t *testing.T) {
	srv := startWire(t, Config{Loops: 2, Auth: AuthToken, Secret: []byte("secret")})
	srv.talk(conn.Admin, reqGet(0, "/sign?cname=a&publish=1"))
	srv.talk(conn.Admin, reqGet(0, "/push?cname=a&content=x"))
	for _, path := range []string{"/poll?cname=a&seq=1&token=", "/history?cname=a&token="} {
		if got := srv.talk(conn.Front, reqGet(0, path+publishTokenOf("a", 1))); !strings.Contains(got, object("data", 1, "x")) {
			t.Errorf("%s: %q", path, got)
		}
		for _, wrong := range []string{publishTokenOf("a", 2), publishTokenOf("b", 1), publishTokenOf("a", 1)[1:], publishTokenOf("a", 1) + "0"} {
			if got := srv.talk(conn.Front, reqGet(0, path+wrong)); !strings.Contains(got, "Token error") {
				t.Errorf("%s%s: %q", path, wrong, got)
			}
		}
	}
}

// What a token permits continues in another program.
func TestHandOverTokenPublishes(t *testing.T) {
	ways(t, func(t *testing.T, handOver func(*harness, func(*Config))) {
		h := newHarness(t, Config{Loops: 2, Inheritable: true, Auth: AuthToken})
		admin := h.connect(h.srv.shards[0], conn.Admin, 0)
		may, mayNot := h.sign(admin, "a&publish=1"), h.sign(admin, "a")
		sockets := []*end{}
		for _, token := range []string{may, mayNot} {
			e := h.connect(h.srv.shards[0], conn.Front, 0)
			e.write(handshake("/ws?cname=a&token=" + token))
			h.settle()
			sockets = append(sockets, e)
		}
		handOver(h, nil)
		for n, want := range []string{`{"type":"ok","seq":1,"id":1}`, `{"type":"403"`} {
			const text = `{"op":"pub","cname":"a","content":"x","id":1}`
			sockets[n].write("\x81" + string([]byte{byte(0x80 | len(text)), 0, 0, 0, 0}) + text)
			h.settle()
			if sockets[n].read(); !strings.Contains(string(sockets[n].in), want) {
				t.Errorf("want %s, got %q", want, sockets[n].in)
			}
		}
		check(t, h.srv, true, "at the end")
	})
}
