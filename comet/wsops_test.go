package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
	"ccomet/httplite/websocket"
)

// Operations are answered in order, whichever loop has to be asked.
func TestWebSocketOperations(t *testing.T) {
	for _, loops := range []int{1, 3} {
		st := newStage(t, Config{Loops: loops, WSPublish: true})
		here, there := st.homed(0), st.homed(loops-1)
		p := st.websocket(0, "/ws")
		p.text(
			`{"op":"ping","id":1}`, `{"op":"sub","cname":"`+here+`","id":2}`, `{"op":"pub","cname":"`+here+`","content":"one","id":3}`,
			`{"op":"pub","cname":"`+there+`","content":"away","id":4}`, `{"op":"nothing","id":5}`, `{"op":"sub","cname":"`+there+`x","seq":1,"lost":true,"id":"six"}`,
			`{"op":"unsub","cname":"`+here+`","id":7}`, `{"op":"pub","cname":"`+here+`","content":"two","id":8}`, `{"op":"unsub","cname":"`+here+`","id":9}`,
		)
		answers, messages := sorted(p.hear())
		same(t, answers, strings.Join([]string{
			`{"type":"pong","id":1}`, `{"type":"ok","cname":"` + here + `","seq":1,"id":2}`, `{"type":"ok","seq":1,"id":3}`, `{"type":"ok","seq":` + number(here == there, "2", "1") + `,"id":4}`,
			`{"type":"400","content":"op: want sub, unsub, pub or ping","id":5}`, `{"type":"ok","cname":"` + there + `x","seq":1,"id":"six"}`,
			`{"type":"ok","cname":"` + here + `","id":7}`, `{"type":"ok","seq":` + number(here == there, "3", "2") + `,"id":8}`, `{"type":"404","content":"not subscribed to this channel","id":9}`,
		}, "\n"))
		want := objectOf(here, "data", 1, "one")
		if here == there {
			want += "\n" + objectOf(here, "data", 2, "away")
		}
		same(t, messages, want)
		check(t, st.srv, true, "")
		p.leave()
		st.settle()
		check(t, st.srv, true, "")
	}
}

func number(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// sorted separates answers from messages.
func sorted(heard string) (answers, messages string) {
	var lists [2][]string
	for _, line := range strings.Split(heard, "\n") {
		which := 0
		if strings.HasPrefix(line, `{"type":"data"`) {
			which = 1
		}
		lists[which] = append(lists[which], line)
	}
	return strings.Join(lists[0], "\n"), strings.Join(lists[1], "\n")
}

// A channel can be joined from any place on, as with a request.
func TestWebSocketJoins(t *testing.T) {
	st := newStage(t, Config{Loops: 2, ChannelBufferSize: 2})
	for n := range 4 {
		st.admin(0, fmt.Sprintf("/push?cname=a&content=a%d", n+1))
	}
	p := st.websocket(0, "/ws")
	messages := []string{object("data", 3, "a3"), object("data", 4, "a4")}
	epoch := epochOf(st, "a")
	for _, c := range []struct {
		sub  string
		want []string
	}{
		{``, []string{`{"type":"ok","cname":"a","seq":5,"id":1}`}},
		{`,"seq":5`, []string{`{"type":"ok","cname":"a","seq":5,"id":1}`}},
		{`,"seq":3`, append([]string{`{"type":"ok","cname":"a","seq":3,"id":1}`}, messages...)},
		{`,"seq":1`, append([]string{`{"type":"ok","cname":"a","seq":3,"id":1}`}, messages...)},
		{`,"seq":1,"lost":true`, append([]string{`{"type":"ok","cname":"a","seq":3,"id":1}`, object("lost", 3, "1-2")}, messages...)},
		{`,"seq":4,"epoch":""`, []string{`{"type":"ok","cname":"a","seq":4,"epoch":"` + epoch + `","id":1}`, messages[1]}},
		{`,"seq":4,"epoch":"` + epoch + `"`, []string{`{"type":"ok","cname":"a","seq":4,"epoch":"` + epoch + `","id":1}`, messages[1]}},
		{`,"seq":4,"epoch":"zzzzzzz"`, append([]string{`{"type":"ok","cname":"a","seq":3,"epoch":"` + epoch + `","id":1}`}, messages...)},
		{`,"seq":4,"lost":true,"epoch":"zzzzzzz"`, append([]string{`{"type":"ok","cname":"a","seq":3,"epoch":"` + epoch + `","id":1}`, object("lost", 3, "4-")}, messages...)},
		{`,"seq":9`, []string{`{"type":"ok","cname":"a","seq":5,"id":1}`}},
		{`,"epoch":"a.b"`, []string{`{"type":"400","content":"epoch: want what the server has told, up to 8 letters and digits","id":1}`}},
	} {
		p.ask(`{"op":"sub","cname":"a","id":1`+c.sub+`}`, c.want...)
		if strings.Contains(c.want[0], "ok") {
			p.ask(`{"op":"sub","cname":"a"}`, `{"type":"400","content":"already subscribed to this channel: unsub before another sub"}`)
			p.ask(`{"op":"unsub","cname":"a"}`, `{"type":"ok","cname":"a"}`)
		}
		check(t, st.srv, true, "")
	}
	p.ask(`{"op":"sub","id":"x"}`, `{"type":"400","content":"cname is missing","id":"x"}`)
	p.ask(`{"op":"sub","cname":"\u0001"}`, `{"type":"400","content":"cname: control characters are not allowed"}`)
	if n := st.srv.totals.Subscribers.Load(); n != 0 {
		t.Errorf("%d subscribers", n)
	}
}

// Channels are joined and left in any order, and each has its own messages.
func TestWebSocketChannelsComeAndGo(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 0, 1, 3}} {
		st := newStage(t, Config{Loops: 2})
		p := st.websocket(0, "/ws?cname=c0")
		p.hear()
		for n := 1; n < 4; n++ {
			p.ask(fmt.Sprintf(`{"op":"sub","cname":"c%d"}`, n), fmt.Sprintf(`{"type":"ok","cname":"c%d","seq":1}`, n))
			check(t, st.srv, true, "")
		}
		for k, leaves := range order {
			for n := range 4 {
				st.admin(0, fmt.Sprintf("/push?cname=c%d&content=x", n))
			}
			heard := p.hear()
			for at, n := range order {
				if got := strings.Contains(heard, objectOf(fmt.Sprintf("c%d", n), "data", k+1, "x")); got != (at >= k) {
					t.Errorf("%v, step %d: channel %d: %v", order, k, n, got)
				}
			}
			if k%2 == 0 {
				p.ask(fmt.Sprintf(`{"op":"unsub","cname":"c%d"}`, leaves), fmt.Sprintf(`{"type":"ok","cname":"c%d"}`, leaves))
			} else {
				st.admin(0, fmt.Sprintf("/close?cname=c%d", leaves))
				p.expect(objectOf(fmt.Sprintf("c%d", leaves), "close", k+2, ""))
			}
			check(t, st.srv, true, "")
		}
		if h, _ := st.srv.shards[0].hub.Check(true); len(h.Rosters) != 0 {
			t.Errorf("%d rosters are left", len(h.Rosters))
		}
		p.ask(`{"op":"sub","cname":"again"}`, `{"type":"ok","cname":"again","seq":1}`)
	}
}

func TestWebSocketJoinRefused(t *testing.T) {
	st := newStage(t, Config{Loops: 1, Auth: AuthToken, Secret: []byte("secret"), MaxSubscribersPerChannel: 1, WSMaxChannels: 2, WSPublish: true})
	for _, cname := range []string{"a", "b", "c"} {
		st.admin(0, "/sign?cname="+cname)
	}
	p, q := st.websocket(0, "/ws"), st.websocket(0, "/ws")
	p.ask(`{"op":"pub","cname":"a","content":"x","id":0}`, `{"type":"403","content":"publishing needs the token of the channel: subscribe to it first","id":0}`)
	p.ask(`{"op":"sub","cname":"a","token":"x","id":1}`, strings.Replace(object("401", 0, "Token error"), "}", `,"id":1}`, 1))
	check(t, st.srv, true, "")
	p.ask(`{"op":"sub","cname":"a","token":"`+tokenOf("a", 1)+`","id":2}`, `{"type":"ok","cname":"a","seq":1,"id":2}`)
	p.ask(`{"op":"pub","cname":"a","content":"x","id":3}`, `{"type":"ok","seq":1,"id":3}`, object("data", 1, "x"))
	q.ask(`{"op":"sub","cname":"a","token":"`+tokenOf("a", 1)+`"}`, object("429", 0, "Too many subscribers"))
	p.ask(`{"op":"sub","cname":"b","token":"`+tokenOf("b", 2)+`"}`, `{"type":"ok","cname":"b","seq":1}`)
	p.ask(`{"op":"sub","cname":"c","token":"`+tokenOf("c", 3)+`","id":4}`, `{"type":"429","content":"too many channels on this connection: ws-max-channels is 2","id":4}`)
	p.ask(`{"op":"unsub","cname":"b"}`, `{"type":"ok","cname":"b"}`)
	p.ask(`{"op":"sub","cname":"c","token":"`+tokenOf("c", 3)+`"}`, `{"type":"ok","cname":"c","seq":1}`)
	check(t, st.srv, true, "")
}

// The channels of the upgrade request count, too: those beyond the limit are refused, and the others are
// joined.
func TestWebSocketJoinsTooMany(t *testing.T) {
	for _, loops := range []int{1, 3} {
		st := newStage(t, Config{Loops: loops, WSMaxChannels: 2})
		st.admin(0, three[0])
		p := st.websocket(0, "/ws?cname=a&seq=1&cname=b&seq=1&cname=c&seq=1&cname=a&cname=d")
		tooMany := `{"type":"429","cname":"%s","seq":0,"content":"too many channels on this connection: ws-max-channels is 2"}`
		p.expect(fmt.Sprintf(tooMany, "c"), fmt.Sprintf(tooMany, "d"), object("data", 1, "x1"))
		st.admin(0, "/push?cname=b&content=b1")
		p.expect(objectOf("b", "data", 1, "b1"))
		if f := st.figures(); f.Subscribers != 2 || f.Refused != 2 {
			t.Errorf("%d subscribers, %d refused", f.Subscribers, f.Refused)
		}
		p.ask(`{"op":"unsub","cname":"a"}`, `{"type":"ok","cname":"a"}`)
		p.ask(`{"op":"sub","cname":"c"}`, `{"type":"ok","cname":"c","seq":1}`)
		check(t, st.srv, true, "")
	}
}

// Which clients may publish, and what.
func TestWebSocketPublishes(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSPublish: true, CORSOrigins: []string{"*", "https://named"}, MaxMessage: 20, PublishRatePerChannel: 2, MaxChannels: 1})
	none := newStage(t, Config{Loops: 1})
	none.websocket(0, "/ws").ask(`{"op":"pub","cname":"a","content":"x","id":1}`, `{"type":"403","content":"clients may not publish: ws-publish is off, and the client is not subscribed with a token that permits it","id":1}`)
	st.websocket(0, "/ws", "Origin: https://any\r\n").ask(`{"op":"pub","cname":"a","content":"x"}`,
		`{"type":"403","content":"pages of another site may not publish: cors-origin lists the permitted origins"}`)
	st.websocket(0, "/ws", "Origin: https://named\r\n").ask(`{"op":"pub","cname":"a","content":"x"}`, `{"type":"ok","seq":1}`)
	p := st.websocket(0, "/ws", "Origin: http://h\r\n")
	for content, want := range map[string]string{
		``:                                   `{"type":"400","content":"content is missing"}`,
		`,"content":null`:                    `{"type":"400","content":"content is missing"}`,
		`,"content":"\ud800"`:                `{"type":"400","content":"content: an unpaired surrogate is not a character"}`,
		`,"content":"123456789012345678901"`: `{"type":"400","content":"content is 21 bytes: max-message is 20"}`,
		`,"content":[1234567890123456789]`:   `{"type":"400","content":"content is 21 bytes: max-message is 20"}`,
	} {
		p.ask(`{"op":"pub","cname":"a"`+content+`}`, want)
	}
	st.later(time.Second)
	largest := `\u00e9` + strings.Repeat(`\n`, 18) // 20 bytes
	for n, content := range []string{`"` + largest + `"`, `[1, {"a":"\""}]`, `"third in a second"`} {
		want := fmt.Sprintf(`{"type":"ok","seq":%d}`, n+2)
		if n == 2 {
			want = `{"type":"429","content":"too many publishes to this channel: publish-rate-per-channel is 2 a second"}`
		}
		p.ask(`{"op":"pub","cname":"a","content":`+content+`}`, want)
	}
	p.ask(`{"op":"pub","cname":"b","content":1}`, `{"type":"429","content":"too many channels: max-channels is 1"}`)
	got := st.websocket(0, "/ws?cname=a&seq=2")
	got.expect(object("data", 2, largest), object("data", 3, `[1, {\"a\":\"\\\"\"}]`))
}

// A message with a key is published once in two minutes, whether it comes again on the same
// connection or on another; no limit refuses the repetition. A backend's key is a different
// one.
func TestWebSocketKeys(t *testing.T) {
	for _, loops := range []int{1, 2} {
		st := newStage(t, Config{Loops: loops, WSPublish: true, AdminIdleTimeout: time.Hour, ChannelTimeout: time.Hour, PublishRatePerChannel: 2})
		cname := st.homed(loops - 1)
		pub := func(content, key string) string {
			return fmt.Sprintf(`{"op":"pub","cname":%q,"content":%q,"key":%q,"id":1}`, cname, content, key)
		}
		is := func(seq int) string { return fmt.Sprintf(`{"type":"ok","seq":%d,"id":1}`, seq) }
		p := st.websocket(0, "/ws")
		p.ask(pub("one", "k"), is(1))
		p.ask(pub("another", "k"), is(1))
		p.ask(pub("two", "l"), is(2))
		p.ask(pub("two", "l"), is(2)) // although it would be too many
		p.ask(pub("three", "m"), `{"type":"429","content":"too many publishes to this channel: publish-rate-per-channel is 2 a second","id":1}`)
		p.leave()
		p = st.websocket(0, "/ws")
		p.ask(pub("one", "k"), is(1))
		st.later(2 * time.Second)
		b := st.enter(0, conn.Admin)
		b.send(reqBatch(1, asLines, fmt.Sprintf(`{"cname":%q,"content":"three","key":"k"}`, cname), closing))
		same(t, strings.TrimSpace(b.body()), `{"seq":3}`)
		p.ask(pub("one", "k"), is(1))
		st.websocket(0, "/ws?cname="+cname+"&seq=1").expect(objectOf(cname, "data", 1, "one"), objectOf(cname, "data", 2, "two"), objectOf(cname, "data", 3, "three"))
		st.later(119 * time.Second)
		p = st.websocket(0, "/ws")
		p.ask(pub("one", "k"), is(4)) // the key is forgotten
		for key, bytes := range map[string]int{"": 0, strings.Repeat("k", web.MaxKey+1): web.MaxKey + 1} {
			p.ask(pub("x", key), fmt.Sprintf(`{"type":"400","content":"key: %d bytes, want 1 to 128","id":1}`, bytes))
		}
		p.ask(pub("x", strings.Repeat("k", web.MaxKey)), is(5))
		check(t, st.srv, true, "")
	}
}

// If there are too many keys, those of clients are forgotten first, and no backend's key for
// a client's.
func TestKeysOfClientsGoFirst(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSPublish: true, MaxPublishKeys: 10, AdminIdleTimeout: time.Hour})
	p, b := st.websocket(0, "/ws"), st.enter(0, conn.Admin)
	seqs := map[string]int{} // by key
	last := 0
	publishes := func(key string, anew bool, publish func(key, want string)) {
		t.Helper()
		if _, known := seqs[key]; anew || !known {
			last++
			seqs[key] = last
		}
		publish(key, fmt.Sprint(seqs[key]))
	}
	client := func(key, seq string) {
		t.Helper()
		p.ask(fmt.Sprintf(`{"op":"pub","cname":"a","content":"x","key":%q}`, key[1:]), `{"type":"ok","seq":`+seq+`}`)
	}
	backend := func(key, seq string) {
		t.Helper()
		b.send(reqBatch(1, asLines, fmt.Sprintf(`{"cname":"a","content":"x","key":%q}`, key[1:])))
		same(t, strings.TrimSpace(b.body()), `{"seq":`+seq+`}`)
	}
	for n := range 6 {
		publishes(fmt.Sprint("b", n), false, backend)
	}
	for n := range 30 {
		publishes(fmt.Sprint("c", n), false, client)
	}
	for n := range 6 {
		publishes(fmt.Sprint("b", n), false, backend) // they are remembered
	}
	for n := 26; n < 30; n++ {
		publishes(fmt.Sprint("c", n), false, client) // as many as there is room for
	}
	publishes("c25", true, client)
	for n := 6; n < 10; n++ {
		publishes(fmt.Sprint("b", n), false, backend)
	}
	publishes("c25", true, client) // no client's key is remembered any more
	publishes("c25", true, client)
	for n := range 10 {
		publishes(fmt.Sprint("b", n), false, backend)
	}
	publishes("b10", false, backend)
	publishes("b0", true, backend) // forgotten as the oldest
	check(t, st.srv, false, "")
}

// The limit of publishes from an address applies to the client, on any of its connections.
func TestWebSocketPublishRateOfAddress(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSPublish: true, PublishRatePerAddress: 2, TrustedProxies: []string{"unix"}})
	x, y := st.websocket(0, "/ws", "X-Forwarded-For: 192.0.2.1\r\n"), st.websocket(0, "/ws", "X-Forwarded-For: 192.0.2.2\r\n")
	for range 2 {
		x.text(`{"op":"pub","cname":"a","content":1}`)
	}
	x.hear()
	x.ask(`{"op":"pub","cname":"a","content":1}`, `{"type":"429","content":"too many publishes from this address: publish-rate-per-address is 2 a second"}`)
	y.ask(`{"op":"pub","cname":"a","content":1}`, `{"type":"ok","seq":3}`)
}

// A close is answered after all earlier operations, with the same code.
func TestWebSocketCloses(t *testing.T) {
	st := newStage(t, Config{Loops: 2, WSPublish: true})
	there := st.homed(1)
	for payload, want := range map[string]string{"": "close", "\x03\xe8bye": "close 1000", "\x0f\xa0": "close 4000"} {
		p := st.websocket(0, "/ws?cname=a")
		p.hear()
		p.send(clientFrame(websocket.Text, `{"op":"pub","cname":"`+there+`","content":"x","id":1}`) + clientFrame(websocket.Close, payload) +
			clientFrame(websocket.Text, `{"op":"ping"}`))
		heard := p.hear()
		if !strings.HasPrefix(heard, `{"type":"ok","seq":`) || !strings.HasSuffix(heard, "\n"+want) {
			t.Errorf("%q: %q", payload, heard)
		}
		if !p.gone() {
			t.Errorf("%q: the connection stays open", payload)
		}
	}
	st.later(5 * time.Second)
	if n := st.srv.totals.Subscribers.Load(); n != 0 {
		t.Errorf("%d subscribers are left", n)
	}
	f := st.figures().Loops[0].Sockets
	if f.Closed[1][0] != 1 || f.Closed[1][4] != 1 || f.Closed[1][len(f.Closed[1])-1] != 1 || f.Ops[3] != 3 || f.Ops[4] != 0 || f.Busy != 0 {
		t.Errorf("%+v", f)
	}
}

// Frames that follow the handshake are handled when the channels' homes have answered.
func TestWebSocketFramesBehindTheHandshake(t *testing.T) {
	for _, query := range []string{"", "?cname=c0&cname=c1&cname=c2"} {
		st := newStage(t, Config{Loops: 2, WSPublish: true})
		p := &wsPlayer{player: st.enter(0, conn.Front), rules: websocket.Rules{Client: true}}
		p.send(handshake("/ws"+query) + clientFrame(websocket.Text, `{"op":"ping"}`) + clientFrame(websocket.Text, `{"op":"unsub","cname":"c1"}`)[:30])
		got := p.take()
		n, err := p.response.ParseHead([]byte(got), nil)
		if err != nil || n == 0 || p.response.Status() != 101 {
			t.Fatalf("%q", got)
		}
		p.in = []byte(got[n:])
		answers, last := p.hear(), `{"type":"pong"}`
		if !strings.HasSuffix(answers, last) || strings.Count(answers, "next_seq") != strings.Count(query, "cname") {
			t.Errorf("%s: %q", query, answers)
		}
		p.send(clientFrame(websocket.Text, `{"op":"unsub","cname":"c1"}`)[30:])
		if got := p.hear(); !strings.HasPrefix(got, `{"type":"`+number(query == "", "404", "ok")) {
			t.Errorf("%s: %q", query, got)
		}
		check(t, st.srv, true, "")
	}
}

// A client that sends faster than it can be answered is read as its answers are written: each
// comes once, in order, and only some wait at a time.
func TestWebSocketFasterThanAnswered(t *testing.T) {
	st := newStage(t, Config{Loops: 2, WSPublish: true, WSRate: -1, ChannelBufferSize: 5})
	there := st.homed(1)
	p := st.websocket(0, "/ws")
	texts, want := "", []string{}
	for n := 1; n <= 1000; n++ {
		texts += clientFrame(websocket.Text, fmt.Sprintf(`{"op":"pub","cname":"%s","content":%d,"id":%d}`, there, n, n))
		want = append(want, fmt.Sprintf(`{"type":"ok","seq":%d,"id":%d}`, n, n))
	}
	p.write(texts)
	for range 20 {
		st.settle()
	}
	p.expect(want...)
	if f := st.figures().Loops[0]; f.Sockets.Busy != 0 || f.Reactor.Held != 0 {
		t.Errorf("%+v", f)
	}
}
