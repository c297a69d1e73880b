package comet

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
)

// toldOf is a message with the epoch of a channel that is the n-th of its loop.
func toldOf(message string, n uint32) string {
	return strings.TrimSuffix(message, "}") + `,"epoch":"` + life(n) + `"}`
}

// secondLife makes a server on which channel a has lived once, up to number 3, and again, up
// to number up.
func secondLife(t *testing.T, up int) *wireServer {
	srv := startWire(t, Config{Loops: 1})
	srv.askAll(three)
	srv.ask("/close?cname=a")
	for n := range up {
		srv.ask(fmt.Sprintf("/push?cname=a&content=y%d", n+1))
	}
	return srv
}

// A client that comes back with a place of an earlier life gets everything that the channel
// keeps, and is told. With a place of this life it gets what it lacks. With a bare number it
// gets what iComet's clients get.
func TestSecondLife(t *testing.T) {
	first, second := life(1), life(2)
	all := []string{object("data", 1, "y1"), object("data", 2, "y2"), object("data", 3, "y3")}
	lost := func(from string) []string { return append([]string{object("lost", 1, from+"-")}, all...) } // it is unknown how many
	moved := []string{object("next_seq", 4, "")}
	for _, r := range []struct {
		name, query string // of the place
		want        []string
	}{
		{"as far as the newest, of before", "&seq=4&epoch=" + first, lost("4")},
		{"less far, of before", "&seq=3&epoch=" + first, lost("3")},
		{"farther, of before", "&seq=8&epoch=" + first, lost("8")},
		{"of another server", "&seq=2&epoch=zzzz", lost("2")},
		{"the very first, of before", "&seq=1&epoch=" + first, lost("1")},
		{"farther than the newest of this one", "&seq=8&epoch=" + second, lost("8")},
		{"in the middle of this one", "&seq=2&epoch=" + second, all[1:]},
		{"the newest, whatever the epoch", "&seq=0&epoch=" + first, moved},
		{"a number, and the epoch is asked for", "&seq=3&epoch=", all[2:]},
		{"beyond the next, and the epoch is asked for", "&seq=9&epoch=", moved},
		{"a bare number", "&seq=2", all[1:]},
		{"a bare number beyond the newest", "&seq=9", moved},
	} {
		want := append([]string(nil), r.want...)
		if strings.Contains(r.query, "epoch") {
			want[0] = toldOf(want[0], 2)
		}
		body := strings.Join(want, ",")
		if want[0] != moved[0] && want[0] != toldOf(moved[0], 2) {
			body = "[" + body + "]"
		}
		srv := secondLife(t, 3)
		same(t, srv.talk(conn.Front, reqGet(0, "/sub?cname=a&lost=1"+r.query)), answer("200 OK", asJSON, body+"\n"))
		same(t, srv.talk(conn.Front, reqGet(0, "/poll?cb=f&cname=a&lost=1"+r.query)), answer("200 OK", asScript, "f("+body+");\n"))
		for _, k := range endless {
			c := srv.dial(conn.Front)
			c.send(reqGet(0, k.path+"?cname=a&lost=1"+r.query))
			text := streamHead(0, k.contentType) + k.preface
			for n, message := range want {
				seen := 3 - len(want) + 1 + n
				if strings.Contains(message, "next_seq") {
					seen = 3
				}
				text += k.frame(message, fmt.Sprintf("%d.%s", seen, second))
			}
			c.expect(text)
			c.Close()
		}
		srv.subscribed(0)
	}
}

// A browser that comes back sends the id of the last event that it has seen.
func TestSecondLifeOfABrowser(t *testing.T) {
	first, second := life(1), life(2)
	all := []string{object("data", 1, "y1"), object("data", 2, "y2"), object("data", 3, "y3")}
	lost := func(from string) []string { return append([]string{object("lost", 1, from+"-")}, all...) }
	for _, r := range []struct {
		id   string
		want []string
	}{
		{"3." + first, lost("4")}, {"2." + first, lost("3")}, {"7." + first, lost("8")}, {"1.zzzz", lost("2")},
		{"7." + second, lost("8")}, {"1." + second, all[1:]}, {"1", all[1:]}, {"7", lost("8")}, {"3", nil},
	} {
		for _, how := range []struct{ query, header string }{
			{"", "Last-Event-ID: " + r.id + "\r\n"},
			{"&lastEventId=" + r.id, ""},
			{"&lastEventId=1.old", "Last-Event-ID: " + r.id + "\r\n"}, // the header is newer
		} {
			srv := secondLife(t, 3)
			c := srv.dial(conn.Front)
			c.send(reqGet(0, "/sse?cname=a&lost=1&seq=1"+how.query, how.header))
			srv.subscribed(1)
			srv.ask("/close?cname=a")
			_, body, _ := strings.Cut(c.rest(), "\r\n\r\n")
			want, number := "", 4-len(r.want)
			for _, message := range r.want {
				if strings.Contains(message, `"lost"`) {
					number = 0
				}
				want += fmt.Sprintf("id: %d.%s\ndata: %s\n\n", number, second, message)
				number++
			}
			same(t, body, want+"id: closed\ndata: "+object("close", 4, "")+"\n\n")
		}
	}
}

// A channel was created again and has no messages yet: the loss is reported, and new
// messages come.
func TestSecondLifeBeginsWithTheReturn(t *testing.T) {
	for _, lost := range []string{"", "&lost=1"} {
		srv := secondLife(t, 0)
		c := srv.dial(conn.Front)
		c.send(reqGet(0, "/sse?cname=a&seq=1"+lost, "Last-Event-ID: 3."+life(1)+"\r\n"))
		want := streamHead(0, asEvents)
		if lost != "" {
			want += "id: 0." + life(2) + "\ndata: " + object("lost", 1, "4-") + "\n\n"
		}
		c.expect(want)
		srv.subscribed(1)
		srv.ask("/push?cname=a&content=new")
		c.expect("id: 1." + life(2) + "\ndata: " + object("data", 1, "new") + "\n\n")
		// A poll reports it too. A poll that did not ask to be told waits.
		if lost != "" {
			same(t, srv.talk(conn.Front, reqGet(0, "/sub?cname=b&seq=4&epoch=zzzz"+lost)),
				answer("200 OK", asJSON, "["+toldOf(objectOf("b", "lost", 1, "4-"), 3)+"]\n"))
		}
	}
}

// A waiting client that has asked for the epoch gets it with the first message, and not again;
// a poll gets it with any answer.
func TestEpochIsToldOnce(t *testing.T) {
	st := newStage(t, Config{Loops: 1})
	st.admin(0, "/sign?cname=a")
	var streams []*player
	for _, k := range endless {
		for _, query := range []string{"", "&epoch=", "&epoch=" + life(1)} {
			p := st.enter(0, conn.Front)
			p.send(reqGet(0, k.path+"?cname=a&seq=1"+query))
			same(t, p.body(), k.preface)
			streams = append(streams, p)
		}
	}
	poll, plain, script := st.enter(0, conn.Front), st.enter(0, conn.Front), st.enter(0, conn.Front)
	poll.send(reqGet(0, "/sub?cname=a&seq=1&epoch="))
	plain.send(reqGet(0, "/sub?cname=a&seq=1"))
	script.send(reqGet(0, "/sub?cname=a&seq=1&epoch=&cb=f"))
	for n, content := range []string{"x", "y"} {
		st.admin(0, "/push?cname=a&content="+content)
		message := object("data", n+1, content)
		for i, p := range streams {
			want := message
			if n == 0 && i%3 > 0 {
				want = toldOf(message, 1)
			}
			same(t, p.take(), endless[i/3].frame(want, fmt.Sprint(n+1)))
		}
	}
	same(t, poll.body(), toldOf(object("data", 1, "x"), 1)+"\n")
	same(t, plain.body(), object("data", 1, "x")+"\n")
	same(t, script.body(), "f("+toldOf(object("data", 1, "x"), 1)+");\n")
	poll, plain = st.enter(0, conn.Front), st.enter(0, conn.Front)
	poll.send(reqGet(0, "/sub?cname=a&seq=3&epoch="+life(1)))
	plain.send(reqGet(0, "/sub?cname=a&seq=3"))
	st.later(30 * time.Second)
	same(t, poll.body(), toldOf(object("noop", 0, ""), 1)+"\n")
	same(t, plain.body(), object("noop", 0, "")+"\n")
}

// Each of several channels has its own epoch, which comes with its first message.
func TestEpochsOfSeveralChannels(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	srv.askAll(twoOfEach)
	c := srv.dial(conn.Front)
	c.send(reqGet(0, "/stream?cname=a&seq=2&epoch=&cname=b&seq=2&epoch=zzzz&cname=c&seq=1"))
	srv.subscribed(3)
	c.expect(streamHead(0, asJSON) + toldOf(object("data", 2, "a2"), 1) + "\n" +
		toldOf(objectOf("b", "data", 1, "b1"), 2) + "\n" + objectOf("b", "data", 2, "b2") + "\n")
	srv.ask("/push?cname=c&content=c1")
	c.expect(objectOf("c", "data", 1, "c1") + "\n")
	c.Close()
	srv.subscribed(0)
	// A browser comes back: with the current life of one channel, another life of the second,
	// no place in the third.
	c = srv.dial(conn.Front)
	c.send(reqGet(0, "/sse?lost=1&cname=a&cname=b&cname=c", "Last-Event-ID: "+id("1.a,2.a,-1")+"\r\n"))
	c.expect(streamHead(0, asEvents) + "id: " + id("2.a,2.a,-1") + "\ndata: " + object("data", 2, "a2") + "\n\n" +
		"id: " + id("2.a,0.b,-1") + "\ndata: " + objectOf("b", "lost", 1, "3-") + "\n\n" +
		"id: " + id("2.a,1.b,-1") + "\ndata: " + objectOf("b", "data", 1, "b1") + "\n\n" +
		"id: " + id("2.a,2.b,-1") + "\ndata: " + objectOf("b", "data", 2, "b2") + "\n\n" +
		"id: " + id("2.a,2.b,1.c") + "\ndata: " + objectOf("c", "next_seq", 2, "") + "\n\n")
	c.Close()
	// A client that wants the newest message has no place until it is told one, whatever epoch
	// it sends.
	c = srv.dial(conn.Front)
	c.send(reqGet(0, "/sse?cname=a&seq=2&cname=c&epoch=zzzz"))
	c.expect(streamHead(0, asEvents) + "id: " + id("2.a,-1") + "\ndata: " + object("data", 2, "a2") + "\n\n" +
		"id: " + id("2.a,1.c") + "\ndata: " + toldOf(objectOf("c", "next_seq", 2, ""), 3) + "\n\n")
}

func TestEpochThatIsNone(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	for _, text := range []string{"undefined", "a.b", "%00", "k3f9-"} {
		same(t, srv.talk(conn.Front, reqGet(0, "/sub?cname=a&seq=1&epoch="+text)), answer("400 Bad Request", asText, record.EpochMalformed+"\n"))
	}
}

// A token is valid as long as its channel lives, and for no later channel with that name.
func TestTokenEndsWithItsChannel(t *testing.T) {
	cfg := stateConfig(t)
	cfg.Auth, cfg.ChannelTimeout = AuthToken, 10*time.Second
	h := newHarness(t, cfg)
	sign := func() string { return tokenFor(h.ask(conn.Admin, "/sign?cname=a")) }
	admits := func(tok string) bool {
		return strings.Contains(h.ask(conn.Front, "/sub?cname=a&token="+tok), "next_seq")
	}
	first := sign()
	if again := sign(); again != first || !admits(first) || admits("") || admits(strings.Repeat("0", token.Len)) {
		t.Fatalf("signed twice: %s, %s", first, again)
	}
	h.ask(conn.Admin, "/close?cname=a")
	if admits(first) {
		t.Error("after /close, with no channel, the token is good")
	}
	second := sign()
	if second == first || admits(first) || !admits(second) {
		t.Errorf("after /close: %s, then %s", first, second)
	}
	h.now = h.now.Add(40 * time.Second)
	h.settle()
	h.settle()
	if h.told("a") != "none" {
		t.Fatal("it has not expired")
	}
	third := sign()
	if third == second || admits(second) || !admits(third) {
		t.Errorf("after it has expired: %s, then %s", second, third)
	}
	if h = h.restart(cfg, true); !admits(third) || admits(second) || sign() != third {
		t.Error("the state does not contain it")
	}
}

// A file of the version before epochs can be read. Its channels have an epoch from then on,
// and tokens that were given out before stay valid until their channels end.
func TestStateOfTheFirstVersion(t *testing.T) {
	cfg := stateConfig(t)
	cfg.Auth = AuthToken
	file, err := os.ReadFile("internal/statefile/testdata/version1") // channel a at 4, which keeps 3
	if err == nil {
		err = os.WriteFile(cfg.StateFile, file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	const old = "4048c44911916043ff626895ff78c526" // made from the name and the secret
	for range 2 {
		h := newHarness(t, cfg)
		if got, want := h.ask(conn.Front, "/sub?cname=a&seq=3&token="+old+"&epoch="), "["+
			strings.TrimSuffix(object("data", 3, "x"), "}")+`,"epoch":"0000001"}`+"]\n"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if got := tokenFor(h.ask(conn.Admin, "/sign?cname=a")); got != old {
			t.Errorf("the token is %s, and was %s", got, old)
		}
		_ = h.save(true)
		h.end()
	}
	h := newHarness(t, cfg)
	h.ask(conn.Admin, "/close?cname=a")
	if got := tokenFor(h.ask(conn.Admin, "/sign?cname=a")); got == old {
		t.Error("the token is valid after its channel has ended")
	}
}

// A browser reconnects an event stream that has ended, with the last id. If the id says that
// this is hopeless, the answer is the only one that stops it, and a closed channel is not
// created again.
func TestEventStreamsThatAreOver(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, Auth: AuthToken, Secret: []byte("secret")})
	for _, name := range []string{"a", "b"} {
		srv.ask("/sign?cname=" + name)
	}
	good := "&token=" + tokenOf("b", 2)
	const nothing = "HTTP/1.1 204 No Content\r\n" + dateLine + fixed
	for _, r := range []struct{ query, id string }{
		{"?cname=a", "denied"}, {"?cname=a", "closed"}, {"?cname=a&cname=b" + good, "closed,denied"},
	} {
		for _, how := range []string{reqGet(1, "/sse"+r.query, "Last-Event-ID: "+r.id+"\r\n"), reqGet(1, "/sse"+r.query+"&lastEventId="+r.id)} {
			c := srv.dial(conn.Front)
			c.send(how + reqGet(1, ping, closing)) // the connection stays open
			same(t, c.rest(), nothing+"\r\n"+pong)
		}
	}
	// If there are several channels, the others continue and keep their places.
	c := srv.dial(conn.Front)
	c.send(reqGet(0, "/sse?cname=x&cname=b&seq=1"+good+"&cname=y&seq=1", "Last-Event-ID: closed,0."+life(2)+",denied\r\n"))
	srv.subscribed(1)
	srv.ask("/push?cname=b&content=b1")
	c.expect(streamHead(0, asEvents) + "id: closed,1." + life(2) + ",denied\ndata: " + objectOf("b", "data", 1, "b1") + "\n\n")
	srv.ask("/close?cname=b")
	same(t, c.rest(), "id: closed,closed,denied\ndata: "+objectOf("b", "close", 2, "")+"\n\n")
	same(t, srv.ask("/check?cname=x"), "{}\n")
	// Only a reconnect is ended: a new request of the page is answered.
	same(t, srv.talk(conn.Front, reqGet(0, "/sse?cname=a&token=x")), streamHead(0, asEvents)+
		"id: denied\ndata: "+object("401", 0, "Token error")+"\n\n")
}

// A temporary error ends with a time to come back, and leaves the browser its place.
func TestEventStreamsThatAreBusy(t *testing.T) {
	st := newStage(t, Config{Loops: 1, MaxSubscribersPerChannel: 1, RetryTime: 4 * time.Second})
	holder := st.enter(0, conn.Front)
	holder.send(reqGet(0, "/sse?cname=a&seq=1"))
	holder.take()
	seen := map[int]bool{}
	for range 20 {
		p := st.enter(0, conn.Front)
		p.send(reqGet(0, "/sse?cname=a&seq=1", "Last-Event-ID: 0."+life(1)+"\r\n"))
		m := regexp.MustCompile(`^retry: (\d+)\nretry: (\d+)\ndata: (.*)\n\n$`).FindStringSubmatch(p.body())
		if m == nil || m[3] != object("429", 0, "Too many subscribers") || !p.ended {
			t.Fatalf("refused with %q, ended %v", m, p.ended)
		}
		ms, _ := strconv.Atoi(m[2])
		if ms < 5000 || ms > 15000 {
			t.Errorf("got a retry time of %d ms", ms)
		}
		seen[ms] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 clients were told %d different times", len(seen))
	}
	// The time is a line of the first event.
	st.admin(0, "/push?cname=a&content=x")
	same(t, holder.take(), "id: 1."+life(1)+"\ndata: "+object("data", 1, "x")+"\n\n")
}
