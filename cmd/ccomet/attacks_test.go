package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ccomet/httplite"
	"ccomet/httplite/attacks"
)

// The parser's table of attacks against the whole server: each input gets the answer in the
// table, and no other client is affected.

// marker is a valid request after an attack that leaves the connection open. Its answer shows
// that everything before it was parsed.
const marker = "GET /ping?cb=marker HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

func readAttacks(t *testing.T) []attacks.Case {
	t.Helper()
	cases, err := attacks.Read("../../httplite/testdata/attacks")
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--polling-timeout", "3600", "--ccomet", "127.0.0.1:0", "--max-head", "16384") // as the table assumes
	cases := readAttacks(t)
	others := newBystander(t, p)
	for i := range cases {
		if c := &cases[i]; c.Waits {
			defer dribble(t, p.front, c.Raw).Close() // they never complete
		}
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) {
			for _, side := range []string{p.front, p.admin, p.address("ccomet")} {
				if side == p.admin && isLong(c) {
					continue // its requests have room for a message
				}
				for _, begin := range []func(*testing.T, string, string) net.Conn{deliver, dribble} {
					conn := begin(t, side, withMarker(c))
					defer conn.Close()
					if c.Waits { // else the test would wait for it
						_ = conn.(*net.TCPConn).CloseWrite()
					}
					checkAnswers(t, c, side != p.front, readToEnd(t, conn))
				}
			}
		})
		if i%10 == 0 {
			others.notice(t)
		}
	}
	others.leave()
	p.forgets(t, countWaits(cases))
	if log := p.logged(); strings.Contains(log, `"level":"error"`) || strings.Contains(log, "panic") {
		t.Error(log)
	}
	p.stop(syscall.SIGTERM)
}

// isLong reports whether an attack is refused only for its size.
func isLong(c *attacks.Case) bool {
	return c.Refused != nil && slices.Contains([]string{"LineTooLong", "HeadTooLarge", "ChunkExtTooLarge"}, c.Refused.Rule)
}

func withMarker(c *attacks.Case) string {
	if c.Waits {
		return c.Raw
	}
	return c.Raw + marker
}

func countWaits(cases []attacks.Case) (n int) {
	for i := range cases {
		if cases[i].Waits {
			n++
		}
	}
	return n
}

// deliver sends a text in one piece.
func deliver(t *testing.T, address, text string) net.Conn {
	t.Helper()
	return deliverIn(t, address, text, len(text))
}

// dribble sends a text byte by byte, or in 300 pieces if it is long.
func dribble(t *testing.T, address, text string) net.Conn {
	t.Helper()
	return deliverIn(t, address, text, 1+len(text)/300)
}

func deliverIn(t *testing.T, address, text string, size int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	send(c, text, size)
	return c
}

// send sends a text in pieces of size bytes until the other side closes the connection, which
// it may do early.
func send(c net.Conn, text string, size int) {
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	for at := 0; at < len(text); at += size {
		if _, err := io.WriteString(c, text[at:min(at+size, len(text))]); err != nil {
			return
		}
	}
}

// readToEnd reads until the other side closes the connection, which it must.
func readToEnd(t *testing.T, c net.Conn) []byte {
	t.Helper()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("the connection does not end: %v", err)
	}
	return got
}

// checkAnswers compares what a server has sent with the table.
func checkAnswers(t *testing.T, c *attacks.Case, elsewhere bool, got []byte) {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(got))
	for _, r := range c.Want {
		status, begin := mustAnswer(r, elsewhere)
		checkAnswer(t, reader, r.Method, status, begin)
	}
	switch {
	case c.Refused != nil:
		body, last := checkAnswer(t, reader, "", c.Refused.Status, "")
		if want := reasonFor(c.Raw) + "\n"; body != want || !last {
			t.Errorf("refused with %q, and the end is reported: %v; want %q", body, last, want)
		}
	case !c.Waits && !c.Ends:
		status, begin := mustAnswer(attacks.Request{Method: "GET", Target: "/ping?cb=marker"}, elsewhere)
		checkAnswer(t, reader, "GET", status, begin)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("and %.500q", rest)
	}
}

// checkAnswer reads an answer, and checks the status and the start of the body. last: it must
// say that the connection closes.
func checkAnswer(t *testing.T, reader *bufio.Reader, method string, status int, begin string) (body string, last bool) {
	t.Helper()
	for {
		resp, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		if resp.StatusCode == 100 { // a slow client gets it if it expects it
			continue
		}
		a := read(t, resp, nil)
		if a.status != status || !strings.HasPrefix(a.body, begin) {
			t.Errorf("got %d %q, want %d %q", a.status, a.body, status, begin)
		}
		return a.body, resp.Close
	}
}

var pingTarget = regexp.MustCompile(`^(?:(?i:https?)://[^/]+)?/ping(?:\?(?:[^&]*&)*?cb=([^&]*).*)?$`)

// mustAnswer returns the expected answer to a request of the table. elsewhere: on a side
// without /ping.
func mustAnswer(r attacks.Request, elsewhere bool) (status int, begin string) {
	ping := pingTarget.FindStringSubmatch(r.Target)
	switch {
	case r.Method == "CONNECT":
		return 501, "there are no tunnels here"
	case r.Method == "OPTIONS" && (ping != nil && !elsewhere || r.Target == "*" || r.Target == "/"):
		return 204, ""
	case ping == nil || elsewhere:
		status, begin = 404, "no such path: "
	case r.Method != "GET" && r.Method != "HEAD":
		return 405, "method not allowed here: want GET, HEAD, OPTIONS\n"
	case strings.Trim(ping[1], "abcdefghijklmnopqrstuvwxyz") != "":
		status, begin = 400, "parameter cb: "
	default:
		status, begin = 200, ping[1]+`({"type":"ping",`
	}
	if r.Method == "HEAD" {
		begin = ""
	}
	return status, begin
}

// settingOf is the setting that an error text names with a limit of the parser.
var settingOf = map[httplite.Kind]string{
	httplite.LineTooLong: " (max-head is 16384)", httplite.HeadTooLarge: " (max-head is 16384)", httplite.ChunkExtTooLarge: " (max-head is 16384)",
	httplite.BodyTooLarge: " (max-message is 65536)",
}

// reasonFor returns the reason with which a parser with the server's limits refuses an input.
func reasonFor(raw string) string {
	limits := httplite.Limits{Line: 8192, Head: 16384, Body: 3*65536 + 4096}
	var r httplite.Request
	for buf := []byte(raw); ; {
		n, err := r.Parse(buf, &limits)
		if err != nil {
			return err.Error() + settingOf[err.(*httplite.Error).Kind]
		}
		if n == 0 {
			return "nothing is wrong"
		}
		buf = buf[n:]
	}
}

// bystander is a client that does nothing wrong, and expects its messages.
type bystander struct {
	p      *process
	resp   *http.Response
	stream *bufio.Reader
	n      int
}

func newBystander(t *testing.T, p *process) *bystander {
	t.Helper()
	resp, err := client.Get("http://" + p.front + "/stream?cname=others&seq=1")
	if err != nil {
		t.Fatal(err)
	}
	b := &bystander{p: p, resp: resp, stream: bufio.NewReader(resp.Body)}
	b.notice(t)
	return b
}

// notice publishes a message, and expects the bystander to receive it.
func (b *bystander) notice(t *testing.T) {
	t.Helper()
	b.n++
	b.p.push("others", "m"+itoa(b.n))
	if got, err := b.stream.ReadString('\n'); err != nil || got != object("data", "others", b.n, "m"+itoa(b.n))+"\n" {
		t.Fatalf("message %d: %q, %v", b.n, got, err)
	}
}

func (b *bystander) leave() { b.resp.Body.Close() }

// forgets waits until only the held connections, and the one of this request, are left.
func (p *process) forgets(t *testing.T, held int) {
	t.Helper()
	var stats struct{ Connections, Subscribers, Refused int }
	untilOr(t, func() bool {
		if err := json.Unmarshal([]byte(get(t, p.admin, "/stats").body), &stats); err != nil {
			t.Fatal(err)
		}
		return stats.Connections <= held+1 && stats.Subscribers == 0
	}, func() string { return fmt.Sprintf("left behind: %+v, with %d held", stats, held) })
	if stats.Refused == 0 {
		t.Error("nothing was refused")
	}
}
