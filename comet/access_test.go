package comet

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
)

// dialFrom connects from an address of this machine to an address of the server.
func (w *wireServer) dialFrom(from, address string) *wireConn {
	w.t.Helper()
	dialer := net.Dialer{Timeout: hangTimeout}
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	} else if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := dialer.Dial(network, address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return &wireConn{Conn: c, t: w.t}
}

const (
	forbidden  = "403 Forbidden"
	badRequest = "400 Bad Request"
)

// denied is the answer to a peer that is not allowed: an address, or "unix".
func denied(peer string, more ...string) string {
	if peer == "unix" {
		return answer(forbidden, asText, "peers on unix sockets are not allowed here\n", more...)
	}
	return answer(forbidden, asText, peer+" is not allowed here\n", more...)
}

// forwardedBy is a header line that a proxy adds.
func forwardedBy(list string) string { return "X-Forwarded-For: " + list + "\r\n" }

// A denied client is refused on every path of the side, known or not, with every method,
// and nothing is done for it.
func TestDeniedEverywhere(t *testing.T) {
	srv := startWire(t, Config{Loops: 2, AdminAllow: []string{"127.0.0.1"}, FrontDeny: []string{"127.0.0."}, FrontAllow: []string{"all"}})
	for side, address := range []string{srv.front[0], srv.Server.admin[0]} {
		paths := []string{"/", "/nowhere"}
		for path := range srv.site.Endpoints[side] {
			paths = append(paths, path)
		}
		for _, path := range paths {
			for minor := range 2 {
				for _, method := range []string{"GET", "POST", "HEAD", "DELETE"} {
					t.Run(fmt.Sprintf("%s %s HTTP/1.%d", method, path, minor), func(t *testing.T) {
						srv.t = t
						c := srv.dialFrom("127.0.0.9", address)
						end := []string{"", closing}[minor]
						c.send(fmt.Sprintf("%s %s?cname=a&content=x HTTP/1.%d\r\nHost: h\r\n%s\r\n", method, path, minor, end))
						want := denied("127.0.0.9", end)
						if method == "HEAD" {
							want, _, _ = strings.Cut(want, "127.0.0.9 ")
						}
						same(t, c.rest(), want)
					})
				}
			}
		}
	}
	srv.t = t
	if n := srv.Stats().Refused; n != int64(4*2*(len(srv.site.Endpoints[0])+len(srv.site.Endpoints[1])+4)) {
		t.Errorf("%d requests are counted as refused", n)
	}
	if stats := srv.Stats(); stats.Channels != 0 || stats.Subscribers != 0 {
		t.Errorf("the counters changed: %+v", stats)
	}
	same(t, srv.ask("/push?cname=a&content=x"), done)
	srv.ask("/close?cname=a")
}

// The connection of a denied client stays open, as after other refusals, and each of its
// requests is answered.
func TestDeniedGoesOn(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, AdminAllow: []string{"127.0.0.1"}})
	c := srv.dialFrom("127.0.0.9", srv.Server.admin[0])
	push := reqGet(1, "/push?cname=a&content=x")
	c.send(push + reqForm(1, "/push", "cname=a&content=x") + push)
	c.expect(denied("127.0.0.9") + denied("127.0.0.9") + denied("127.0.0.9"))
	c.send(reqGet(0, "/psub", keeping))
	c.expect(denied("127.0.0.9", keeping))
	c.send(reqGet(1, "/psub", closing))
	same(t, c.rest(), denied("127.0.0.9", closing))
	if stats := srv.Stats(); stats.Refused != 5 || stats.Channels != 0 {
		t.Errorf("got %+v", stats)
	}
}

// The server neither waits for the body of a denied client nor asks for it.
func TestDeniedBeforeTheBody(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, AdminAllow: []string{"127.0.0.1"}})
	for _, lines := range []string{"Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\nContent-Length: 9\r\n"} {
		c := srv.dialFrom("127.0.0.9", srv.Server.admin[0])
		c.send("POST /push?cname=a HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n")
		same(t, c.rest(), denied("127.0.0.9", closing))
		c.Close()
	}
	srv.until("nobody is left", func() bool { return srv.open() == 0 })
	c := srv.dialFrom("127.0.0.9", srv.Server.admin[0]) // the parser is reset
	c.send(reqGet(1, "/info", closing))
	same(t, c.rest(), denied("127.0.0.9", closing))
	if n := srv.shards[0].loop.Stats().Held; n != 0 {
		t.Errorf("%d buffers are kept", n)
	}
}

// The rules over real sockets of each kind, and the answer to each peer.
func TestRulesOverSockets(t *testing.T) {
	sixes := false
	if ln, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		ln.Close()
		sixes = true
	}
	const tcp, six, both = "127.0.0.1:0", "[::1]:0", ":0"
	socket := "unix:" + filepath.Join(t.TempDir(), "s")
	for _, test := range []struct {
		allow, deny, listen, from string

		in bool
	}{
		{"127.0.0.1", "", tcp, "127.0.0.1", true},
		{"127.0.0.1", "", tcp, "127.0.0.2", false},
		{"127.0.1.", "", tcp, "127.0.1.9", true},
		{"127.0.1", "", tcp, "127.0.10.9", false},
		{"127.0.64.0/18", "", tcp, "127.0.127.1", true},
		{"127.0.64.0/18", "", tcp, "127.0.128.1", false},
		{"all", "127.0.3.", tcp, "127.0.3.4", false},
		{"all", "127.0.3.", tcp, "127.0.4.4", true},
		{"127.0.3.4", "127.0.3.", tcp, "127.0.3.4", true},
		{"", "all", tcp, "127.0.0.1", false},
		{"127.", "", socket, "unix", false},
		{"127. unix", "all", socket, "unix", true},
		{"all", "unix", socket, "unix", false},
		{"127.", "", six, "::1", false},
		{"::1", "", six, "::1", true},
		{"::/64", "", six, "::1", true},
		{"127.0.0.", "", both, "127.0.0.7", true},
		{"::/0", "", both, "127.0.0.7", false},
		{"::ffff:127.0.0.7", "", both, "127.0.0.7", true},
	} {
		if !sixes && (test.listen == six || test.listen == both) {
			continue // the kernel has no IPv6
		}
		t.Run(fmt.Sprintf("allow %s, deny %s/%s", test.allow, test.deny, test.from), func(t *testing.T) {
			srv := startWire(t, Config{Loops: 1, Admin: []string{test.listen}, AdminAllow: strings.Fields(test.allow), AdminDeny: strings.Fields(test.deny)})
			address := srv.Server.admin[0]
			if test.listen == both {
				_, port, _ := net.SplitHostPort(address)
				address = "127.0.0.1:" + port
			}
			c := srv.dialFrom(test.from, address)
			c.send(reqGet(1, "/healthz", closing))
			want := answer(ok200, asText, "ok", closing)
			if !test.in {
				want = denied(test.from, closing)
			}
			same(t, c.rest(), want)
		})
	}
}

// X-Forwarded-For counts only from a trusted proxy, for each request by itself.
func TestForwardedFor(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, FrontAllow: []string{"192.0.2."}, TrustedProxies: []string{"127.0.0.1", "10."}})
	pong := answer(ok200, asScript, "f({\"type\":\"ping\",\"sub_timeout\":30});\n")
	proxy := srv.dialFrom("127.0.0.1", srv.front[0])
	for range 2 {
		for _, test := range []struct{ list, want string }{
			{"192.0.2.7", pong},
			{"198.51.100.1", denied("198.51.100.1")},
			{"192.0.2.7, 10.0.0.1", pong},
			{"192.0.2.7, 198.51.100.1", denied("198.51.100.1")}, // the client has invented the first
			{"198.51.100.1, 192.0.2.7", pong},
			{"::ffff:192.0.2.7", pong},
			{"2001:db8::7", denied("2001:db8::7")},
			{"10.0.0.1", denied("10.0.0.1")},
			{"192.0.2.7, nonsense", answer(badRequest, asText, "X-Forwarded-For: not a list of addresses\n")},
		} {
			proxy.send(reqGet(1, ping, forwardedBy(test.list)))
			proxy.expect(test.want)
		}
		proxy.send(reqGet(1, ping)) // a request of the proxy itself
		proxy.expect(denied("127.0.0.1"))
	}
	for _, list := range []string{"192.0.2.7", "192.0.2.7, 127.0.0.1", "nonsense"} {
		other := srv.dialFrom("127.0.0.2", srv.front[0])
		other.send(reqGet(1, ping, forwardedBy(list), closing))
		same(t, other.rest(), denied("127.0.0.2", closing))
	}
	if n := srv.Stats().Refused; n != 2*6+3 {
		t.Errorf("%d requests are counted as refused", n)
	}
}

// Subscribers behind a proxy wait and get messages like any other.
func TestForwardedSubscribers(t *testing.T) {
	srv := startWire(t, Config{Loops: 2, FrontAllow: []string{"192.0.2."}, TrustedProxies: []string{"127.0.0.1"}})
	c := srv.dial(conn.Front)
	for n := 1; n < 4; n++ {
		c.send(reqGet(1, fmt.Sprintf("/sub?cname=a&seq=%d", n), forwardedBy("192.0.2.7")))
		srv.subscribed(1)
		srv.ask("/push?cname=a&content=x")
		c.expect(answer(ok200, asJSON, object("data", n, "x")+"\n"))
		c.send(reqGet(1, "/sub?cname=a&seq=1", forwardedBy("192.0.3.7")))
		c.expect(denied("192.0.3.7"))
	}
	c.Close()
	srv.ask("/close?cname=a")
}

// Without rules no client is checked. With rules the check allocates nothing, whatever
// its result.
func TestAccessDoesNotAllocate(t *testing.T) {
	skipUnderRace(t)
	for _, test := range []struct {
		name  string
		cfg   Config
		lines []string
		want  string
	}{
		{"no rules", Config{}, nil, " 200 OK"},
		{"allowed", Config{AdminAllow: []string{"10.", "fd00::/8", "unix"}, AdminDeny: []string{"all"}}, nil, " 200 OK"},
		{"denied", Config{AdminAllow: []string{"10.", "fd00::/8"}}, nil, " 403 Forbidden"},
		{"forwarded, allowed", Config{AdminAllow: []string{"fd00::/8"}, TrustedProxies: []string{"unix", "10."}}, []string{forwardedBy("6.6.6.6, fd00::1, 10.0.0.1, [::ffff:10.0.0.2]:80")}, " 200 OK"},
		{"forwarded, denied", Config{AdminAllow: []string{"fd00::/8"}, TrustedProxies: []string{"unix", "10."}}, []string{forwardedBy("fe00::1:2:3, 10.0.0.1")}, " 403 Forbidden"},
	} {
		test.cfg.Loops = 1
		st := newStage(t, test.cfg)
		p := st.enter(0, conn.Admin)
		s := st.srv.shards[0]
		request := []byte(reqGet(1, "/healthz", test.lines...))
		var n int
		ask := func() {
			if _, err := unix.Write(p.fd, request); err != nil {
				t.Fatal(err)
			}
			st.turn(0)
			var err error
			if n, err = unix.Read(p.fd, p.buf); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		if got := string(p.buf[:n]); !strings.Contains(got, test.want) {
			t.Fatalf("%s: got %q", test.name, got)
		}
		if allocs := testing.AllocsPerRun(100, ask); allocs != 0 {
			t.Errorf("%s: a request allocates %v times", test.name, allocs)
		}
		if st.srv.site.Access.Enabled != (test.name != "no rules") {
			t.Errorf("%s: looked at: %v", test.name, st.srv.site.Access.Enabled)
		}
		c := s.loop.ConnAt(1)
		if allocs := testing.AllocsPerRun(100, func() { s.loop.SetTag(c, conn.Admin); s.web.ClassifyPeer(c) }); allocs != 0 {
			t.Errorf("%s: looking at a connection allocates %v times", test.name, allocs)
		}
	}
}

func TestBadAccess(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{AdminAllow: []string{"10.300."}}, `admin allow: "10.300."`},
		{Config{AdminDeny: []string{"x"}}, `admin deny: "x"`},
		{Config{FrontAllow: []string{"10.0.0.1/8"}}, "front allow: \"10.0.0.1/8\": has bits after its prefix length: want 10.0.0.0/8"},
		{Config{FrontDeny: []string{""}}, `front deny: ""`},
		{Config{TrustedProxies: []string{"proxy"}}, `trusted proxies: "proxy"`},
		{Config{TrustedProxies: []string{"10."}, ProxyProtocol: []string{"side"}}, `PROXY protocol on "side": want front or admin`},
		{Config{ProxyProtocol: []string{"front"}}, "there are no trusted proxies"},
	} {
		if _, err := newServer(test.cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// The log warns of rules that admit no client.
func TestNoClientLetIn(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want int
	}{
		{Config{}, 0},
		{Config{AdminDeny: []string{"10."}}, 1},
		{Config{AdminDeny: []string{"10."}, FrontDeny: []string{"all"}}, 2},
		{Config{AdminDeny: []string{"10."}, AdminAllow: []string{"all"}}, 0},
	} {
		var log strings.Builder
		test.cfg.Log = zerolog.New(&log)
		newStage(t, test.cfg)
		if got := strings.Count(log.String(), "every client is denied"); got != test.want {
			t.Errorf("logged %d times, want %d: %s", got, test.want, &log)
		}
	}
}
