package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Several servers that share channels over a real Redis.

// sharing are nodes and their Redis.
type sharing struct {
	*redis
	nodes []*process
	flags []string
}

// newSharing runs nodes with additional flags.
func newSharing(t *testing.T, nodes int, flags ...string) *sharing {
	t.Helper()
	s := &sharing{redis: newRedis(t), flags: flags}
	for range nodes {
		s.join()
	}
	return s
}

// join adds a node.
func (s *sharing) join() *process {
	s.t.Helper()
	p := start(s.t, nil, append([]string{"--redis", s.url(), "--node", "node-" + itoa(len(s.nodes)+1), "--drain-time", "0.2"}, s.flags...)...)
	s.nodes = append(s.nodes, p)
	return p
}

// ask requests a path on a node's admin side, and parses the JSON answer.
func (s *sharing) ask(node int, path string, into any) {
	s.t.Helper()
	decode(s.t, get(s.t, s.nodes[node].admin, path), into)
}

// numbered publishes at a node, and returns the number.
func (s *sharing) numbered(node int, cname, content string) int {
	s.t.Helper()
	var a struct{ Seq int }
	decode(s.t, post(s.t, s.nodes[node].admin, "/push?ack=1", url.Values{"cname": {cname}, "content": {content}}), &a)
	return a.Seq
}

// stream opens an endless response of a node.
func (s *sharing) stream(node int, path string) *bufio.Reader {
	s.t.Helper()
	return bufio.NewReader(open(s.t, s.nodes[node].front, path))
}

// TestClusterTransports: messages published at one node reach the subscribers of every
// transport at another node, once and in order.
func TestClusterTransports(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2, "--polling-timeout", "3600", "--retry-time", "0")
	there := s.nodes[1]
	direct := way{"another node", "http://" + there.front, client, 1}
	publisher := &process{t: t, admin: s.nodes[0].admin, front: there.front}
	for _, e := range endless {
		t.Run(e.path, func(t *testing.T) { e.through(t, publisher, direct, "c"+e.path[1:], true) })
	}
	for _, cb := range []string{"", "f"} {
		t.Run("/poll "+cb, func(t *testing.T) { clusterPolls(t, s, direct, "poll"+cb, cb) })
	}
	t.Run("/ws", func(t *testing.T) {
		c := dialWebSocket(t, "ws://"+there.front+"/ws?cname=ws", nil, nil)
		c.expect(object("next_seq", "ws", 1, ""))
		for n := 1; n <= 3; n++ {
			s.nodes[n%2].push("ws", spoken)
			c.expect(object("data", "ws", n, escaped))
		}
		c.ask(`{"op":"sub","cname":"other","seq":1,"id":1}`, `{"type":"ok","cname":"other","seq":1,"id":1}`)
		s.nodes[0].push("other", "x")
		c.expect(object("data", "other", 1, "x"))
		c.ask(`{"op":"unsub","cname":"other","id":2}`, `{"type":"ok","cname":"other","id":2}`)
	})
}

// clusterPolls polls at one node for messages published at another.
func clusterPolls(t *testing.T, s *sharing, w way, cname, cb string) {
	before, after := "", "\n"
	if cb != "" {
		before, after = cb+"(", ");\n"
	}
	s.nodes[0].push(cname, spoken)
	check := func(seq int, wants ...string) {
		t.Helper()
		r := <-w.begin("/sub?cname=" + cname + "&cb=" + cb + "&seq=" + itoa(seq))
		a := read(t, r.resp, r.err)
		for _, want := range wants { // a message published while the poll waits is an object, one before is in an array
			if a.body == before+want+after {
				return
			}
		}
		t.Errorf("%.1000v, want %.1000q", a, wants)
	}
	first := object("data", cname, 1, escaped)
	check(1, "["+first+"]", first)
	for n := 2; n <= 4; n++ {
		s.nodes[n%2].push(cname, spoken)
		message := object("data", cname, n, escaped)
		check(n, "["+message+"]", message)
	}
}

// TestClusterWSPublish: a publish on a WebSocket is numbered like any other, and keys are valid
// at all nodes.
func TestClusterWSPublish(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2, "--ws-publish")
	a := dialWebSocket(t, "ws://"+s.nodes[0].front+"/ws", nil, nil)
	b := dialWebSocket(t, "ws://"+s.nodes[1].front+"/ws?cname=a", nil, nil)
	b.expect(object("next_seq", "a", 1, ""))
	a.ask(`{"op":"pub","cname":"a","content":"hello","key":"k","id":1}`, `{"type":"ok","seq":1,"id":1}`)
	b.expect(object("data", "a", 1, "hello"))
	again := dialWebSocket(t, "ws://"+s.nodes[1].front+"/ws", nil, nil)
	again.ask(`{"op":"pub","cname":"a","content":"hello","key":"k","id":2}`, `{"type":"ok","seq":1,"id":2}`)
	again.ask(`{"op":"pub","cname":"a","content":"more","id":3}`, `{"type":"ok","seq":2,"id":3}`)
	b.expect(object("data", "a", 2, "more"))
}

// TestClusterPublish: /publish numbers messages to several channels, and a key used at one node
// is known at another.
func TestClusterPublish(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2)
	publish := func(node int, lines string) string {
		t.Helper()
		resp, err := client.Post("http://"+s.nodes[node].admin+"/publish", "application/x-ndjson", strings.NewReader(lines))
		return read(t, resp, err).body
	}
	if got, want := publish(0, `{"cname":"a","content":"one","key":"k"}`+"\n"+`{"cnames":["a","b"],"content":{"n":2}}`), `{"seq":1}`+"\n"+`[{"seq":2},{"seq":1}]`+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := publish(1, `{"cname":"a","content":"one","key":"k"}`+"\n"+`{"cname":"a","content":"two"}`), `{"seq":1}`+"\n"+`{"seq":3}`+"\n"; got != want {
		t.Errorf("a key of another node: %q, want %q", got, want)
	}
	var h struct {
		First, Next int
		Messages    []struct{ Content string }
	}
	decode(t, get(t, s.nodes[1].front, "/history?cname=a"), &h)
	if h.First != 1 || h.Next != 4 || len(h.Messages) != 3 || h.Messages[1].Content != `{"n":2}` {
		t.Errorf("%+v", h)
	}
}

// TestClusterHistory: every node has a channel's stored messages, even one without subscribers.
func TestClusterHistory(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2, "--channel-buffer-size", "3")
	for n := 1; n <= 5; n++ {
		if got := s.numbered(n%2, "a", itoa(n)); got != n {
			t.Errorf("number %d, want %d", got, n)
		}
	}
	late := s.join()
	a := get(t, late.front, "/history?cname=a&seq=1")
	if want := `"first":3,"next":6,"lost":true`; !strings.Contains(a.body, want) || !strings.Contains(a.body, `"content":"5"`) {
		t.Errorf("%v, want %s", a, want)
	}
	request, _ := http.NewRequest("GET", "http://"+s.nodes[0].front+"/history?cname=a", nil)
	request.Header.Set("If-None-Match", a.header.Get("ETag")) // of another node
	resp, err := client.Do(request)
	if a := read(t, resp, err); a.status != http.StatusNotModified {
		t.Errorf("the same ETag at another node: %v", a)
	}
	if got := s.stream(2, "/stream?cname=a&seq=4"); got != nil {
		expect(t, got, object("data", "a", 4, "4")+"\n"+object("data", "a", 5, "5")+"\n")
	}
}

// TestClusterHistoryBehind: a channel's stored messages are available to every client of a
// node, even if the first client there did not ask for them.
func TestClusterHistoryBehind(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 1)
	for n := 1; n <= 3; n++ {
		s.numbered(0, "a", itoa(n))
	}
	s.join()
	expect(t, s.stream(1, "/stream?cname=a"), object("next_seq", "a", 4, "")+"\n")
	expect(t, s.stream(1, "/stream?cname=a&seq=2&lost=1"), object("data", "a", 2, "2")+"\n"+object("data", "a", 3, "3")+"\n")
	if a := get(t, s.nodes[1].front, "/history?cname=a&seq=1"); !strings.Contains(a.body, `"first":1,"next":4,"lost":false`) {
		t.Errorf("%v", a)
	}
}

// TestClusterTokens: a token signed at one node is valid at another; any other token is not.
func TestClusterTokens(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2, "--auth", "token")
	var signed struct{ Token string }
	s.ask(0, "/sign?cname=a", &signed)
	stream := s.stream(1, "/stream?cname=a&token="+signed.Token)
	expect(t, stream, object("next_seq", "a", 1, "")+"\n")
	s.nodes[0].push("a", "x")
	expect(t, stream, object("data", "a", 1, "x")+"\n")
	if a := get(t, s.nodes[1].front, "/sub?cname=a&token=guessed"); !strings.Contains(a.body, `"401"`) {
		t.Errorf("another token: %v", a)
	}
	if a := get(t, s.nodes[1].front, "/sub?cname=b&token="+signed.Token); !strings.Contains(a.body, `"401"`) {
		t.Errorf("a channel that nobody has signed: %v", a)
	}
	// A token that also lets its client publish does so at another node.
	reads := signed.Token
	s.ask(0, "/sign?cname=a&publish=1", &signed)
	const text = `{"op":"pub","cname":"a","content":"said","id":1}`
	reader := dialWebSocket(t, "ws://"+s.nodes[1].front+"/ws?cname=a&seq=2&token="+reads, nil, nil)
	reader.ask(text, `{"type":"403","content":"clients may not publish: ws-publish is off, and the client is not subscribed with a token that permits it","id":1}`)
	writer := dialWebSocket(t, "ws://"+s.nodes[1].front+"/ws?cname=a&seq=2&token="+signed.Token, nil, nil)
	writer.ask(text)
	got := []string{writer.next(), writer.next()} // the message may come before the answer
	slices.Sort(got)
	if want := []string{object("data", "a", 2, "said"), `{"type":"ok","seq":2,"id":1}`}; !slices.Equal(got, want) {
		t.Errorf("a publish at another node: %q, want %q", got, want)
	}
	reader.expect(object("data", "a", 2, "said"))
}

// TestClusterControl: /close, /clear and /broadcast affect all nodes.
func TestClusterControl(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2)
	here, there := s.stream(0, "/stream?cname=a"), s.stream(1, "/stream?cname=a")
	for _, stream := range []*bufio.Reader{here, there} {
		expect(t, stream, object("next_seq", "a", 1, "")+"\n")
	}
	s.nodes[0].push("a", "one")
	if a := get(t, s.nodes[1].admin, "/broadcast?content=all"); a.status != 200 || a.body != "ok\n" {
		t.Errorf("/broadcast: %v", a)
	}
	for _, stream := range []*bufio.Reader{here, there} {
		expect(t, stream, object("data", "a", 1, "one")+"\n"+object("broadcast", "a", 2, "all")+"\n"+object("next_seq", "a", 3, "")+"\n")
	}
	if n := s.numbered(0, "new", "x"); n != 2 {
		t.Errorf("a channel that is younger than the broadcast begins with number %d, want 2", n)
	}
	if a := get(t, s.nodes[1].admin, "/clear?cname=a"); a.status != 200 || !strings.HasPrefix(a.body, "ok ") {
		t.Errorf("/clear: %v", a)
	}
	for node := range 2 {
		untilOr(t, func() bool {
			return strings.Contains(get(t, s.nodes[node].front, "/history?cname=a").body, `"messages":[]`)
		}, func() string { return fmt.Sprintf("node %d keeps what was cleared", node) })
	}
	if a := get(t, s.nodes[0].admin, "/close?cname=a"); a.status != 200 || !strings.HasPrefix(a.body, "ok ") {
		t.Errorf("/close: %v", a)
	}
	for _, stream := range []*bufio.Reader{here, there} {
		line, err := stream.ReadString('\n')
		if err != nil || !strings.Contains(line, `"type":"close"`) {
			t.Errorf("after /close: %q, %v", line, err)
		}
	}
	if n := s.numbered(1, "a", "again"); n < 3 {
		t.Errorf("after its close the channel gives number %d again", n)
	}
}

// TestClusterCounts: /info and /check report on the whole cluster.
func TestClusterCounts(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 3)
	for _, node := range []int{0, 1, 1} {
		expect(t, s.stream(node, "/stream?cname=a"), object("next_seq", "a", 1, "")+"\n")
	}
	for node := range 3 {
		for path, want := range map[string]string{
			"/info?cname=a":        `{"cname": "a", "subscribers": 3}` + "\n",
			"/check?cname=a":       `{"a": 1}` + "\n",
			"/check?cname=nothing": "{}\n",
		} {
			var a answer
			untilOr(t, func() bool { a = get(t, s.nodes[node].admin, path); return a.body == want }, func() string { return fmt.Sprintf("node %d, %s: %v", node, path, a) })
		}
	}
}

// TestClusterPresence: a listener of /psub at one node hears when channels at others are
// created and deleted.
func TestClusterPresence(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2, "--channel-timeout", "1")
	lines := open(t, s.nodes[0].admin, "/psub")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	request, _ := http.NewRequestWithContext(ctx, "GET", "http://"+s.nodes[1].front+"/stream?cname=a", nil)
	resp, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	hear(t, lines, "1 a\n") // after a channel timeout at the latest, since it is repeated
	leave()
	hear(t, lines, "0 a\n")
}

// hear reads lines up to one.
func hear(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no line %q: %v", want, err)
		}
		if line == want {
			return
		}
	}
}

// TestClusterPresenceNow: a listener with now=1 is told of the channels of other nodes at once, and
// of new ones there. The channel timeout is longer than the test may take.
func TestClusterPresenceNow(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 2, "--channel-timeout", "3600")
	expect(t, s.stream(1, "/stream?cname=a"), object("next_seq", "a", 1, "")+"\n")
	for range 2 { // the second listener is told, too
		lines := open(t, s.nodes[0].admin, "/psub?now=1")
		expect(t, lines, "1 a\n")
	}
	lines := open(t, s.nodes[0].admin, "/psub")
	expect(t, s.stream(1, "/stream?cname=b"), object("next_seq", "b", 1, "")+"\n")
	hear(t, lines, "1 b\n")
}

// TestClusterExplain: /explain describes the node that is asked, and names the others, also if
// that node does not have the channel.
func TestClusterExplain(t *testing.T) {
	t.Parallel()
	s := newSharing(t, 3)
	expect(t, s.stream(1, "/stream?cname=a"), object("next_seq", "a", 1, "")+"\n")
	s.nodes[0].push("a", "x")
	var a answer
	names := func(list ...string) bool {
		return !slices.ContainsFunc(list, func(name string) bool { return !strings.Contains(a.body, name) })
	}
	untilOr(t, func() bool {
		a = get(t, s.nodes[1].admin, "/explain?cname=a")
		return json.Valid([]byte(a.body)) && strings.Contains(a.body, `"next": 2`) && strings.Contains(a.body, `"other_servers": [`) && names(`"node-1"`, `"node-3"`)
	}, func() string { return fmt.Sprintf("/explain: %v", a) })
	untilOr(t, func() bool {
		a = get(t, s.nodes[2].admin, "/explain?cname=a")
		return a.status == http.StatusNotFound && strings.Contains(a.body, "ask these servers too: ") && names("node-1", "node-2")
	}, func() string { return fmt.Sprintf("/explain at a node without the channel: %v", a) })
}
