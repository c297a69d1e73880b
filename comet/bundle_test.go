package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
)

// objectOf is a message of a channel other than "a".
func objectOf(cname, kind string, seq int, content string) string {
	return strings.Replace(object(kind, seq, content), `"cname":"a"`, fmt.Sprintf(`"cname":%q`, cname), 1)
}

var twoOfEach = []string{"/push?cname=a&content=a1", "/push?cname=a&content=a2", "/push?cname=b&content=b1", "/push?cname=b&content=b2"}

// With one loop, the answers for the channels of a request come in its order.
func TestSeveralChannels(t *testing.T) {
	for minor := range 2 {
		for _, k := range endless {
			t.Run(fmt.Sprintf("http1.%d%s", minor, k.path), func(t *testing.T) {
				srv := startWire(t, Config{Loops: 1})
				srv.askAll(twoOfEach)
				c := srv.dial(conn.Front)
				c.send(reqGet(minor, k.path+"?seq=2&cname=a&cname=b&seq=3&noop=5&seq=1&cname=c&seq=1"))
				srv.subscribed(3)
				c.expect(streamHead(minor, k.contentType) + piece(minor, k.preface) + piece(minor, k.frame(object("data", 2, "a2"), id("2.a,2,0"))))
				for _, live := range []struct{ push, message, id string }{
					{"/push?cname=b&content=b3", objectOf("b", "data", 3, "b3"), "2.a,3.b,0.c"},
					{"/push?cname=c&content=c1", objectOf("c", "data", 1, "c1"), "2.a,3.b,1.c"},
					{"/push?cname=a&content=a3", object("data", 3, "a3"), "3.a,3.b,1.c"},
					{"/close?cname=b", objectOf("b", "close", 4, ""), "3.a,closed,1.c"},
					{"/push?cname=c&content=c2", objectOf("c", "data", 2, "c2"), "3.a,closed,2.c"},
					{"/close?cname=a", object("close", 4, ""), "closed,closed,2.c"},
					{"/close?cname=c", objectOf("c", "close", 3, ""), "closed,closed,closed"},
				} {
					srv.ask(live.push)
					c.expect(piece(minor, k.frame(live.message, id(live.id))))
				}
				same(t, c.rest(), lastPiece(minor))
			})
		}
	}
}

// A poll of several channels ends with the messages of one of them.
func TestPollOfSeveralChannels(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		for _, cb := range []string{"", "f"} {
			srv := startWire(t, Config{Loops: loops})
			body := func(s string) string {
				if cb != "" {
					return answer("200 OK", asScript, cb+"("+s+");\n", closingIn(minor)...)
				}
				return answer("200 OK", asJSON, s+"\n", closingIn(minor)...)
			}
			srv.askAll(twoOfEach)
			poll := func(query string) *wireConn {
				c := srv.dial(conn.Front)
				c.send(reqGet(minor, "/sub?cb="+cb+query, closing))
				return c
			}
			same(t, poll("&cname=a&seq=3&cname=b&seq=2").rest(), body("["+objectOf("b", "data", 2, "b2")+"]"))
			c := poll("&cname=a&seq=3&cname=b&seq=3&cname=c&seq=1")
			srv.subscribed(3)
			srv.ask("/push?cname=c&content=c1")
			same(t, c.rest(), body(objectOf("c", "data", 1, "c1")))
			srv.subscribed(0)
		}
	})
}

// id is the id of an event of channels a, b and c, which were made in this order on
// one loop. ".a" stands for the epoch of a.
func id(short string) string {
	return strings.NewReplacer(".a", "."+life(1), ".b", "."+life(2), ".c", "."+life(3)).Replace(short)
}

func closingIn(minor int) []string { return []string{"", closing}[minor : minor+1] }

func TestSeveralChannelsRefused(t *testing.T) {
	many := "cname=a"
	for n := range hub.MaxBundle {
		many += fmt.Sprintf("&cname=%d", n)
	}
	for query, want := range map[string]string{
		"cname=a&cname=b&cname=": "parameter cname is missing",
		"cname=a&cname=b&seq=x":  "parameter seq: want a whole number of 32 bits",
		"seq=1":                  "parameter cname is missing",
		many:                     "parameter cname: at most 64 channels on a connection",
	} {
		for _, path := range []string{"/sub?", "/stream?", "/iframe?", "/sse?"} {
			same(t, startWire(t, Config{Loops: 1}).talk(conn.Front, reqGet(0, path+query)), answer("400 Bad Request", asText, want+"\n"))
		}
	}
}

// If one channel refuses, the client is told, and the others continue.
func TestOneOfSeveralRefused(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, Auth: AuthToken, Secret: []byte("secret"), MaxSubscribersPerChannel: 1})
	for _, name := range []string{"a", "b", "c"} {
		srv.ask("/sign?cname=" + name)
	}
	other := srv.dial(conn.Front)
	other.send(reqGet(1, "/stream?cname=c&seq=1&token="+tokenOf("c", 3)))
	srv.subscribed(1)
	c := srv.dial(conn.Front)
	c.send(reqGet(0, "/sse?cname=b&token=nonsense&seq=1&cname=a&seq=1&token="+tokenOf("a", 1)+"&cname=c&token="+tokenOf("c", 3)))
	c.expect(streamHead(0, asEvents) + "id: denied,0,-1\ndata: " + objectOf("b", "401", 0, "Token error") + "\n\n" +
		"data: " + objectOf("c", "429", 0, "Too many subscribers") + "\n\n")
	srv.subscribed(2)
	srv.ask("/push?cname=a&content=a1")
	c.expect("id: " + id("denied,1.a,-1") + "\ndata: " + object("data", 1, "a1") + "\n\n")
	srv.ask("/close?cname=a")
	same(t, c.rest(), "id: denied,closed,-1\ndata: "+object("close", 2, "")+"\n\n")
	// If all refuse, the response ends by itself. A poll ends with the first.
	query := "?cname=a&cname=b&token=x"
	same(t, srv.talk(conn.Front, reqGet(1, "/stream"+query, closing)), streamHead(1, asJSON, closing)+
		piece(1, object("401", 0, "Token error")+"\n")+piece(1, objectOf("b", "401", 0, "Token error")+"\n")+lastPiece(1))
	got := srv.talk(conn.Front, reqGet(1, "/sub"+query, closing))
	if a := strings.Replace(got, `"cname":"b"`, `"cname":"a"`, 1); a != answer("200 OK", asJSON, object("401", 0, "Token error")+"\n", closing) {
		t.Errorf("got %q", got)
	}
	if n := srv.Stats().Refused; n != 5 {
		t.Errorf("%d refusals are counted", n)
	}
}

// A browser comes back with its original URL, and the id of the last event that it
// has seen.
func TestLastEventIDOfSeveralChannels(t *testing.T) {
	for id, want := range map[string]string{
		"0,1":   "id: " + id("1.a,1") + "\ndata: " + object("data", 1, "a1"),
		"2,0":   "id: " + id("2.a,1.b") + "\ndata: " + objectOf("b", "data", 1, "b1"),
		"0":     "id: " + id("2.a,1") + "\ndata: " + object("data", 2, "a2"), // of another request: ignored
		"0,x":   "id: " + id("2.a,1") + "\ndata: " + object("data", 2, "a2"),
		"0,1,2": "id: " + id("2.a,1") + "\ndata: " + object("data", 2, "a2"),
	} {
		t.Run(id, func(t *testing.T) {
			srv := startWire(t, Config{Loops: 1})
			srv.askAll(twoOfEach)
			c := srv.dial(conn.Front)
			c.send(reqGet(0, "/sse?cname=a&seq=2&cname=b&seq=2", "Last-Event-ID: "+id+"\r\n"))
			srv.subscribed(2)
			srv.askAll([]string{"/close?cname=a", "/close?cname=b"})
			_, body, _ := strings.Cut(c.rest(), "\r\n\r\n")
			if !strings.HasPrefix(body, want) {
				t.Fatalf("got %q, want it to begin with %q", body, want)
			}
		})
	}
}

// A connection gets one noop, however many channels it has.
func TestNoopOfSeveralChannels(t *testing.T) {
	st := newStage(t, Config{Loops: 2, PollingTimeout: 40 * time.Second})
	first := st.homed(1)
	query := "?cname=" + first + "&seq=1&noop=7&cname=" + st.homed(0) + "&seq=1"
	stream, poll := st.enter(0, conn.Front), st.enter(1, conn.Front)
	stream.send(reqGet(0, "/stream"+query))
	poll.send(reqGet(0, "/sub"+query))
	same(t, stream.body(), "")
	for n := 7; n < 10; n++ {
		st.later(40 * time.Second)
		same(t, stream.take(), objectOf(first, "noop", n, "")+"\n")
		if n == 7 {
			same(t, poll.body(), objectOf(first, "noop", 7, "")+"\n")
		}
	}
	stream.leave()
	st.settle()
	if n := st.srv.totals.Subscribers.Load(); n != 0 {
		t.Errorf("%d subscribers are left", n)
	}
}

// A client that ends its side before it is answered may still be answered.
func TestSeveralChannelsHalfClosed(t *testing.T) {
	srv := startWire(t, Config{Loops: 3})
	srv.askAll(twoOfEach)
	for _, query := range []string{"cname=a&seq=3&cname=b&seq=1", "cname=a&seq=3&cname=b&seq=3"} {
		c := srv.dial(conn.Front)
		c.send(reqGet(0, "/sub?"+query))
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.rest() // it ends, with or without an answer
		srv.subscribed(0)
	}
}

// A busy channel does not keep the other channels of a poll from it.
func TestPollOfSeveralChannelsIsFair(t *testing.T) {
	for _, loops := range []int{1, 3} {
		st := newStage(t, Config{Loops: loops})
		st.admin(0, "/push?cname=b&content=b1")
		seq := 1
		for ; seq < 200; seq++ {
			st.admin(0, "/push?cname=a&content=a")
			p := st.enter(0, conn.Front)
			p.send(reqGet(0, fmt.Sprintf("/sub?cname=a&seq=%d&cname=b&seq=1", seq)))
			if got := p.body(); strings.Contains(got, "b1") {
				break
			}
			p.leave()
		}
		if seq == 200 {
			t.Errorf("%d loops: 200 polls got nothing of the other channel", loops)
		}
	}
}
