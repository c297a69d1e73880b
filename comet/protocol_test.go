package comet

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// TestProtocol tests iComet's protocol as its clients know it, and the additions:
// one fact a test, which its name states. TestPolls, TestEndlessResponses and
// TestAdminRequests compare the bytes of whole responses.
func TestProtocol(t *testing.T) {
	for subject, table := range map[string]map[string]func(*facts){
		"paths": pathFacts, "messages": messageFacts, "admin": adminFacts,
	} {
		t.Run(subject, func(t *testing.T) {
			for name, test := range table {
				t.Run(name, func(t *testing.T) {
					f := &facts{t: t}
					f.restart(Config{})
					test(f)
				})
			}
		})
	}
}

// pathFacts are about requests, and the framing of responses.
var pathFacts = map[string]func(*facts){
	"the front side takes GET, HEAD where it does no harm, and nothing else": func(f *facts) {
		for _, path := range []string{"/sub", "/poll", "/stream", "/iframe", "/sse", "/ping"} {
			f.begins(f.talk(conn.Front, "POST "+path+"?cname=a HTTP/1.0\r\n\r\n"), "HTTP/1.1 405 ")
		}
		f.begins(f.talk(conn.Front, "HEAD /ping HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 ")
	},
	"/sub and /poll answer once, in JSON, or as a call of cb": func(f *facts) {
		for _, path := range []string{"/sub", "/poll"} {
			f.is(f.front(path+"?cname=a"), f.msg("next_seq", 1, "")+"\n")
			f.is(f.front(path+"?cname=a&cb=f.g"), "f.g("+f.msg("next_seq", 1, "")+");\n")
		}
	},
	"/stream is a line a message, without end": func(f *facts) {
		f.live("/stream?cname=a&seq=1", "", f.msg("data", 1, "x")+"\n", f.msg("data", 2, "y")+"\n")
	},
	"/iframe is a head that ends in <body> and a newline, then a script a message": func(f *facts) {
		f.live("/iframe?cname=a&seq=1", `<!DOCTYPE html><html><head><meta charset="utf-8"><title>comet</title></head><body>`+"\n",
			"<script>parent.icomet_cb("+f.msg("data", 1, "x")+");</script>\n")
	},
	"/sse is an event a message, with its data on one line": func(f *facts) {
		f.live("/sse?cname=a&seq=1", "", "id: "+idOf("1")+"\ndata: "+f.msg("data", 1, "x")+"\n\n", "id: "+idOf("2")+"\ndata: "+f.msg("data", 2, "y")+"\n\n")
	},
	"/ping tells the timeout, to icomet_cb unless cb is given": func(f *facts) {
		f.is(f.front("/ping"), `icomet_cb({"type":"ping","sub_timeout":30});`+"\n")
		f.is(f.front("/ping?cb=f"), `f({"type":"ping","sub_timeout":30});`+"\n")
	},
	"parameters that it does not know are passed over": func(f *facts) {
		f.is(f.front("/sub?_=1700000000&cname=a&x"), f.msg("next_seq", 1, "")+"\n")
	},
	"%XX and + decode": func(f *facts) {
		f.is(f.front("/sub?cname=%62+%2B"), objectOf("b +", "next_seq", 1, "")+"\n")
	},
	"a form's value wins over the query's": func(f *facts) {
		f.talk(conn.Admin, reqForm(0, "/push?cname=b&content=query", "cname=a&content=form"))
		f.is(f.front("/sub?cname=a&seq=1"), "["+f.msg("data", 1, "form")+"]\n")
	},
	"errors are messages with status 200 and number 0, and the response ends": func(f *facts) {
		f.restart(Config{Auth: AuthToken, MaxChannels: 1})
		for _, path := range []string{"/sub", "/stream", "/sse"} {
			f.begins(f.talk(conn.Front, reqGet(0, path+"?cname=a")), "HTTP/1.1 200 ")
			f.ends(f.front(path+"?cname=a"), f.msg("401", 0, "Token error")+strings.Repeat("\n", 1+strings.Count(path, "sse")))
		}
		f.restart(Config{MaxChannels: 1})
		f.ask("/sign?cname=b")
		f.is(f.front("/sub?cname=a"), f.msg("429", 0, "Too many channels")+"\n")
	},
	"responses are not cached, not sniffed, and have the type of their transport": func(f *facts) {
		for path, contentType := range map[string]string{"/sub?cname=a": asJSON, "/sub?cname=a&cb=f": asScript, "/ping": asScript} {
			head, _, _ := strings.Cut(f.talk(conn.Front, reqGet(0, path)), "\r\n\r\n")
			f.is(head, strings.TrimSuffix("HTTP/1.1 200 OK\r\n"+dateLine+"Content-Type: "+contentType+"\r\n"+fixed, "\r\n")+
				head[strings.LastIndex(head, "\r\nContent-Length"):])
		}
		for path, contentType := range map[string]string{"/stream": asJSON, "/iframe": asHTML, "/sse": asEvents} {
			c := f.dial(conn.Front)
			c.send(reqGet(1, path+"?cname=a&seq=1"))
			c.expect("HTTP/1.1 200 OK\r\n" + dateLine + "Content-Type: " + contentType + "\r\n" + unending +
				"Transfer-Encoding: chunked\r\n\r\n")
		}
	},
	"HTTP/1.0 gets no chunks: the body ends with the connection": func(f *facts) {
		got := f.waitsIn(0, "/stream?cname=a&seq=1", "/push?cname=a&content=x", "/close?cname=a")
		f.is(got, strings.TrimSuffix(streamHead(0, asJSON), "\r\n")+"\r\n"+f.msg("data", 1, "x")+"\n"+f.msg("close", 2, "")+"\n")
	},
	"/sub and /sse are served under one prefix": func(f *facts) {
		f.is(f.front("/sub?cname=a"), f.msg("next_seq", 1, "")+"\n")
		f.live("/sse?cname=a", "id: "+idOf("0")+"\ndata: "+f.msg("next_seq", 1, "")+"\n\n")
	},
}

// messageFacts are about which messages a client is sent.
var messageFacts = map[string]func(*facts){
	"content is a JSON string, whatever it is": func(f *facts) {
		for n, content := range []string{"7", "{}", "null", ""} {
			f.ask("/push?cname=a&content=" + content)
			f.is(f.front(fmt.Sprintf("/sub?cname=a&seq=%d", n+1)), "["+f.msg("data", n+1, content)+"]\n")
		}
	},
	"the first message of a channel is 1, and numbers rise by one": func(f *facts) {
		for n := 1; n < 5; n++ {
			f.is(f.ask("/push?cname=a&content=x&ack=1"), fmt.Sprintf(`{"type":"ok","seq":%d}`+"\n", n))
		}
	},
	"seq 0, or beyond the next number, is moved there and told so at once, without history": func(f *facts) {
		f.askAll(three)
		for _, seq := range []string{"", "&seq=0", "&seq=5", "&seq=2147483647"} {
			f.is(f.front("/sub?cname=a"+seq), f.msg("next_seq", 4, "")+"\n")
		}
	},
	"an old seq is sent what is kept from it on, to a poll as an array even of one": func(f *facts) {
		f.askAll(three)
		f.is(f.front("/sub?cname=a&seq=3"), "["+f.msg("data", 3, "x3")+"]\n")
		f.is(f.front("/sub?cname=a&seq=2&cb=f"), "f(["+f.msg("data", 2, "x2")+","+f.msg("data", 3, "x3")+"]);\n")
		f.live("/stream?cname=a&seq=2", f.msg("data", 2, "x2")+"\n"+f.msg("data", 3, "x3")+"\n")
	},
	"a broadcast takes a number; in a backlog its next_seq follows in the array": func(f *facts) {
		f.askAll(mixed)
		f.is(f.front("/sub?cname=a&seq=2"), "["+f.msg("broadcast", 2, "b2")+","+f.msg("next_seq", 3, "")+","+f.msg("data", 3, "x3")+"]\n")
	},
	"a live broadcast is two messages to a stream, an array to a poll": func(f *facts) {
		both := [2]string{f.msg("broadcast", 1, "b"), f.msg("next_seq", 2, "")}
		f.is(f.waits("/sub?cname=a&seq=1", "/broadcast?content=b"), "["+both[0]+","+both[1]+"]\n")
		f.ask("/close?cname=a")
		f.is(f.waits("/stream?cname=a&seq=1", "/broadcast?content=b", "/close?cname=a"), both[0]+"\n"+both[1]+"\n"+f.msg("close", 2, "")+"\n")
	},
	"where the wanted is gone already, it begins with the oldest kept": func(f *facts) {
		f.restart(Config{ChannelBufferSize: 2})
		f.askAll(three)
		f.is(f.front("/sub?cname=a&seq=1"), "["+f.msg("data", 2, "x2")+","+f.msg("data", 3, "x3")+"]\n")
	},
	"a loss is said first to who asked for it with lost=1": func(f *facts) {
		f.restart(Config{ChannelBufferSize: 1})
		f.askAll(three)
		f.is(f.front("/sub?cname=a&seq=1&lost=1"), "["+f.msg("lost", 3, "1-2")+","+f.msg("data", 3, "x3")+"]\n")
		f.live("/stream?cname=a&seq=1&lost=1", f.msg("lost", 3, "1-2")+"\n"+f.msg("data", 3, "x3")+"\n")
	},
	"otherwise it waits": func(f *facts) {
		f.askAll(three)
		f.is(f.waits("/sub?cname=a&seq=4", pushX4), f.msg("data", 4, "x4")+"\n")
	},
	"what is sent is never older than what was asked for": func(f *facts) {
		f.askAll(three)
		for seq := 1; seq < 6; seq++ {
			for _, m := range regexp.MustCompile(`"seq":(\d+)`).FindAllStringSubmatch(f.front(fmt.Sprintf("/sub?cname=a&seq=%d", min(seq, 3))), -1) {
				if m[1] < fmt.Sprint(min(seq, 3)) {
					f.t.Errorf("asked for %d, got %s", seq, m[1])
				}
			}
		}
	},
	"an event's id is what a browser comes back with, and overrides the seq of its URL": func(f *facts) {
		f.askAll(three)
		c := f.dial(conn.Front)
		c.send(reqGet(0, "/sse?cname=a&seq=1", "Last-Event-ID: 2\r\n"))
		c.expect(streamHead(0, asEvents) + "id: " + idOf("3") + "\ndata: " + f.msg("data", 3, "x3") + "\n\n")
	},
}

// adminFacts are about requests of backends.
var adminFacts = map[string]func(*facts){
	"the channel is made by a publish, a sign, or a subscription": func(f *facts) {
		for _, by := range []string{"/push?cname=a&content=x", "/pub?cname=a&content=x", "/sign?cname=a"} {
			f.ask(by)
			f.is(f.ask("/check?cname=a"), `{"a": 1}`+"\n")
			f.ask("/close?cname=a")
		}
		f.front("/sub?cname=a")
		f.is(f.ask("/check?cname=a"), `{"a": 1}`+"\n")
	},
	"pub takes what is escaped already, and nothing else": func(f *facts) {
		f.ask("/pub?cname=a&content=%5Cu0041%5C%22")
		f.is(f.front("/sub?cname=a&seq=1"), "["+f.msg("data", 1, `\u0041\"`)+"]\n")
		f.begins(f.talk(conn.Admin, reqGet(0, "/pub?cname=a&content=%22")), "HTTP/1.1 400 ")
	},
	"sign makes a channel or renews it, and tells the oldest number that is kept": func(f *facts) {
		f.askAll(three)
		got := f.ask("/sign?cname=a&expires=60")
		if !regexp.MustCompile(`^\{"type":"sign","cname":"a","seq":1,"token":"[0-9a-f]{32}","expires":60,"sub_timeout":30\}\n$`).MatchString(got) {
			f.t.Errorf("got %q", got)
		}
	},
	"close tells the subscribers, ends their responses cleanly, and frees the channel": func(f *facts) {
		got := f.waitsIn(1, "/stream?cname=a&seq=1", "/close?cname=a")
		f.ends(got, piece(1, f.msg("close", 1, "")+"\n")+"0\r\n\r\n")
		f.is(f.ask("/close?cname=a"), "channel[a] not connected\n")
	},
	"clear drops what is kept, and the numbers go on": func(f *facts) {
		f.askAll(three)
		f.is(f.ask("/clear?cname=a"), "ok 4\n")
		f.is(f.ask("/sign?cname=a")[:34], `{"type":"sign","cname":"a","seq":4`)
		f.is(f.ask("/clear?cname=b"), "channel[b] not connected\n")
	},
	"info and check count": func(f *facts) {
		f.dial(conn.Front).send(reqGet(1, "/stream?cname=a"))
		f.subscribed(1)
		f.is(f.ask("/info"), `{"version": "dev", "channels": 1, "subscribers": 1}`+"\n")
		f.is(f.ask("/info?cname=a"), `{"cname": "a", "subscribers": 1}`+"\n")
		f.is(f.ask("/check?cname=a")+f.ask("/check?cname=b"), `{"a": 1}`+"\n{}\n")
	},
	"with max_channels reached, push, pub and sign are a real 429": func(f *facts) {
		f.restart(Config{MaxChannels: 1})
		f.ask("/sign?cname=a")
		for _, path := range []string{"/push?cname=b&content=x", "/pub?cname=b&content=x", "/sign?cname=b"} {
			f.begins(f.talk(conn.Admin, reqGet(0, path)), "HTTP/1.1 429 ")
		}
	},
	"with auth, a subscriber brings the token that sign gave for that channel": func(f *facts) {
		f.restart(Config{Auth: AuthToken})
		_, token, _ := strings.Cut(f.ask("/sign?cname=a"), `"token":"`)
		f.is(f.front("/sub?cname=a&token="+token[:32]), f.msg("next_seq", 1, "")+"\n")
		f.is(f.front("/sub?cname=b&token="+token[:32]), objectOf("b", "401", 0, "Token error")+"\n")
	},
	"push and pub take GET and POST, and nothing else": func(f *facts) {
		for _, path := range []string{"/push", "/pub"} {
			f.begins(f.talk(conn.Admin, reqForm(0, path, "cname=a&content=x")), "HTTP/1.1 200 ")
			f.begins(f.talk(conn.Admin, "PUT "+path+"?cname=a&content=x HTTP/1.0\r\n\r\n"), "HTTP/1.1 405 ")
		}
	},
	"push tells the number it gave to who asks with ack=1": func(f *facts) {
		f.is(f.ask("/push?cname=a&content=x&ack=1&cb=f"), `f({"type":"ok","seq":1});`+"\n")
	},
}

// If the server gives up a response, it ends it without a last chunk, so that the client
// reconnects.
func TestStopCuts(t *testing.T) {
	srv, err := New(Config{Front: []string{"127.0.0.1:0"}, Admin: []string{"127.0.0.1:0"}, Clock: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	w := &wireServer{Server: srv, root: t, t: t}
	c := w.dial(conn.Front)
	c.send(reqGet(1, "/stream?cname=a&seq=1"))
	c.expect(streamHead(1, asJSON))
	srv.Stop()
	if err := srv.Wait(); err != nil {
		t.Error(err)
	}
	got, _ := io.ReadAll(c) // it may be reset
	same(t, string(got), "")
}

// TestProtocolInTime has the facts that depend on time.
func TestProtocolInTime(t *testing.T) {
	for name, test := range timeFacts {
		t.Run(name, func(t *testing.T) {
			test(&facts{t: t}, newStage(t, Config{Loops: 2, IdleTimeout: time.Hour}))
		})
	}
}

var timeFacts = map[string]func(*facts, *stage){
	"who hears nothing for the polling timeout gets a noop with its own counter, which rises on a stream and ends a poll": func(f *facts, st *stage) {
		stream, poll := st.enter(0, conn.Front), st.enter(1, conn.Front)
		stream.send(reqGet(0, "/stream?cname=a&seq=1&noop=41"))
		poll.send(reqGet(0, "/sub?cname=a&seq=1&noop=7"))
		stream.body()
		st.later(30 * time.Second)
		f.is(stream.take(), f.msg("noop", 41, "")+"\n")
		f.is(poll.body(), f.msg("noop", 7, "")+"\n")
		st.later(30 * time.Second)
		f.is(stream.take(), f.msg("noop", 42, "")+"\n")
	},
	"heartbeats of those who came together are spread, and none is late": func(f *facts, st *stage) {
		var streams []*player
		for range 50 {
			p := st.enter(0, conn.Front)
			p.send(reqGet(0, "/stream?cname=a&seq=1"))
			p.take()
			streams = append(streams, p)
		}
		beats := map[int]int{}
		for second := range 30 {
			st.later(time.Second)
			for _, p := range streams {
				beats[second] += strings.Count(p.take(), "noop")
			}
		}
		total, most := 0, 0
		for _, n := range beats {
			total, most = total+n, max(most, n)
		}
		if total != 50 || most > 25 || len(beats) < 3 {
			f.t.Errorf("%d heartbeats in 30 s, by second: %v", total, beats)
		}
	},
	"a channel without subscribers lives its timeout, or the expires of its sign": func(f *facts, st *stage) {
		st.admin(0, "/push?cname=a&content=x")
		st.admin(0, "/sign?cname=b&expires=100")
		st.later(31 * time.Second)
		f.is(st.admin(0, "/check?cname=a")+st.admin(0, "/check?cname=b"), "{}\n"+`{"b": 1}`+"\n")
		st.later(70 * time.Second)
		f.is(st.admin(0, "/check?cname=b"), "{}\n")
	},
	"psub hears 1 when a channel comes to life, again while it lives, and 0 when it goes": func(f *facts, st *stage) {
		p := st.enter(0, conn.Admin)
		p.send(reqGet(0, "/psub"))
		f.is(p.body(), "")
		st.admin(1, "/sign?cname=a&expires=100")
		f.is(p.take(), "1 a\n")
		for range 3 {
			for range 30 {
				st.later(time.Second)
			}
			f.begins(p.take(), "1 a\n")
		}
		st.later(30 * time.Second)
		f.ends(p.take(), "0 a\n")
	},
}

// facts is a server on TCP, and the requests that may be sent to it.
type facts struct {
	*wireServer
	t testing.TB
}

// restart starts a new server with another configuration.
func (f *facts) restart(cfg Config) {
	cfg.Loops = 2
	f.wireServer = startWire(f.t, cfg)
}

func (f *facts) msg(kind string, seq int, content string) string { return object(kind, seq, content) }

func (f *facts) is(got, want string) { f.t.Helper(); same(f.t, got, want) }

func (f *facts) begins(got, want string) {
	f.t.Helper()
	if !strings.HasPrefix(got, want) {
		f.t.Errorf("got %q, which does not begin with %q", got, want)
	}
}

func (f *facts) ends(got, want string) {
	f.t.Helper()
	if !strings.HasSuffix(got, want) {
		f.t.Errorf("got %q, which does not end with %q", got, want)
	}
}

// front returns the body of a response that ends.
func (f *facts) front(path string) string {
	f.t.Helper()
	_, body, _ := strings.Cut(f.talk(conn.Front, reqGet(0, path)), "\r\n\r\n")
	return body
}

// waits returns the body of a response that ends after the admin side has done
// something.
func (f *facts) waits(path string, live ...string) string {
	f.t.Helper()
	_, body, _ := strings.Cut(f.waitsIn(0, path, live...), "\r\n\r\n")
	return body
}

func (f *facts) waitsIn(minor int, path string, live ...string) string {
	f.t.Helper()
	c := f.dial(conn.Front)
	c.send(reqGet(minor, path))
	f.subscribed(1)
	f.askAll(live)
	return c.rest()
}

// live compares the start of an endless response, and then, for each further
// message, the result of publishing "x", "y" and so on.
func (f *facts) live(path, first string, more ...string) {
	f.t.Helper()
	c := f.dial(conn.Front)
	c.send(reqGet(0, path))
	f.subscribed(1)
	head := ""
	for one := make([]byte, 1); !strings.HasSuffix(head, "\r\n\r\n"); head += string(one) {
		if _, err := io.ReadFull(c, one); err != nil {
			f.t.Fatalf("after %q: %v", head, err)
		}
	}
	c.expect(first)
	for n, want := range more {
		f.ask("/push?cname=a&content=" + string(rune('x'+n)))
		c.expect(want)
	}
	c.Close()
	f.subscribed(0)
}
