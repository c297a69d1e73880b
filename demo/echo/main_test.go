package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"ccomet/httplite/websocket"
)

// hangTimeout turns what hangs into a failure.
const hangTimeout = 30 * time.Second

// start runs a server until the test ends, and returns its address.
func start(t *testing.T) string {
	t.Helper()
	s, ln, err := newServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- s.loop.Run() }()
	t.Cleanup(func() {
		s.loop.Stop()
		if err := <-ended; err != nil || len(s.partial) != 0 {
			t.Errorf("it ended with %v, with %d incomplete messages", err, len(s.partial))
		}
	})
	return ln.Addr()
}

// client is one connection.
type client struct {
	*net.TCPConn
	t *testing.T
}

func dial(t *testing.T, address string) client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	return client{c.(*net.TCPConn), t}
}

func (c client) send(p string) {
	c.t.Helper()
	if _, err := io.WriteString(c, p); err != nil {
		c.t.Fatal(err)
	}
}

// reads expects these bytes next.
func (c client) reads(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); string(got) != want {
		c.t.Fatalf("got %.100q, %v\nwant %.100q", got[:n], err, want)
	}
}

// ends expects these bytes, and that the server ends the connection.
func (c client) ends(want string) {
	c.t.Helper()
	if got, err := io.ReadAll(c); string(got) != want || err != nil {
		c.t.Fatalf("got %.200q, %v\nwant %.200q", got, err, want)
	}
}

const (
	handshake = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// open is a connection without compression, whose handshake is done.
func open(t *testing.T, address string) client {
	t.Helper()
	c := dial(t, address)
	c.send(handshake + "\r\n")
	c.reads(answer)
	return c
}

// masked is a client's frame, sent a server's.
func masked(op websocket.Opcode, payload string) string {
	return string(websocket.AppendMaskedFrame(nil, op, []byte(payload), [4]byte{1, 0xfe, 3, 0x80}))
}

func sent(op websocket.Opcode, payload string) string {
	return string(websocket.AppendFrame(nil, op, []byte(payload)))
}

// first makes a whole frame one that others follow.
func first(frame string) string { return string(frame[0]&0x7F) + frame[1:] }

func TestEchoes(t *testing.T) {
	c := open(t, start(t))
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		for _, op := range []websocket.Opcode{websocket.Text, websocket.Binary} {
			payload := strings.Repeat("x", n)
			c.send(masked(op, payload))
			c.reads(sent(op, payload))
		}
	}
	c.send(masked(websocket.Binary, "\xff\x00"))
	c.reads(sent(websocket.Binary, "\xff\x00"))
	c.send(first(masked(websocket.Text, "frag\xce")) + masked(websocket.Ping, "between") + first(masked(websocket.Continuation, "")) +
		masked(websocket.Pong, "unsolicited") + masked(websocket.Continuation, "\xbaments") + masked(websocket.Text, "behind"))
	c.reads(sent(websocket.Pong, "between") + sent(websocket.Text, "fragκments") + sent(websocket.Text, "behind"))
	c.send(masked(websocket.Close, "\x0f\xa0bye"))
	c.ends(sent(websocket.Close, "\x0f\xa0bye"))
}

// The first frames may come with the request, and all of it in any pieces.
func TestPieces(t *testing.T) {
	address := start(t)
	input := handshake + "\r\n" + masked(websocket.Text, "κόσμε") + masked(websocket.Ping, "ping") + masked(websocket.Close, "")
	want := answer + sent(websocket.Text, "κόσμε") + sent(websocket.Pong, "ping") + sent(websocket.Close, "")
	for at := 0; at < len(input); at += 5 {
		c := dial(t, address)
		_ = c.SetNoDelay(true)
		c.send(input[:at])
		open(t, address) // by when the server has seen the first piece
		c.send(input[at:])
		c.ends(want)
	}
	c := dial(t, address)
	_ = c.SetNoDelay(true)
	for i := range len(input) {
		c.send(input[i : i+1])
	}
	c.ends(want)
}

// TestDeflate has another's client offer compression in every way that it can, and hear what it said.
func TestDeflate(t *testing.T) {
	address := start(t)
	message := []byte(strings.Repeat(`{"type":"data","content":"κόσμε"},`, 3000))
	for _, p := range []wsflate.Parameters{
		{},
		{ServerNoContextTakeover: true, ClientNoContextTakeover: true},
		{ServerMaxWindowBits: 9, ClientMaxWindowBits: 15},
		{ServerMaxWindowBits: 15},
	} {
		c := dial(t, address)
		_, answered, err := (&ws.Dialer{Extensions: append(ws.Dialer{}.Extensions, p.Option())}).Upgrade(c, &url.URL{Scheme: "ws", Host: address, Path: "/"})
		if err != nil || len(answered.Extensions) != 1 {
			t.Fatalf("%+v: %+v, %v", p, answered, err)
		}
		for _, msg := range [][]byte{message, []byte("x"), nil, message} {
			frame, err := wsflate.CompressFrame(ws.NewTextFrame(bytes.Clone(msg)))
			if err != nil {
				t.Fatal(err)
			}
			if err := ws.WriteFrame(c, ws.MaskFrame(frame)); err != nil {
				t.Fatal(err)
			}
			got, err := ws.ReadFrame(c)
			if err != nil {
				t.Fatal(err)
			}
			wire := len(got.Payload)
			if got, err = wsflate.DecompressFrame(got); err != nil || !bytes.Equal(got.Payload, msg) || got.Header.OpCode != ws.OpText {
				t.Fatalf("%+v: %d bytes of %d, %v", p, len(got.Payload), len(msg), err)
			}
			if len(msg) > 100 && wire > len(msg)/5 {
				t.Errorf("%+v: %d bytes were sent for %d", p, wire, len(msg))
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	address := start(t)
	bomb := string(new(websocket.Deflater).Append(nil, make([]byte, 17<<20), 0))
	for _, c := range []struct {
		name, input string
		want        websocket.Kind
	}{
		{"no mask", sent(websocket.Text, "x"), websocket.NotMasked},
		{"a reserved bit", "\xa1\x80abcd", websocket.ReservedBits},
		{"a reserved opcode", "\x83\x80abcd", websocket.ReservedOpcode},
		{"a long ping", masked(websocket.Ping, strings.Repeat("x", 126)), websocket.ControlTooLong},
		{"a ping in pieces", first(masked(websocket.Ping, "")), websocket.FragmentedControl},
		{"2^63 bytes", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00abcd", websocket.LengthTooLarge},
		{"2^62 bytes", "\x82\xff\x40\x00\x00\x00\x00\x00\x00\x00abcd", websocket.TooBig},
		{"no UTF-8", masked(websocket.Text, "\xff"), websocket.InvalidUTF8},
		{"a close code that is none", masked(websocket.Close, "\x03\xed"), websocket.BadCloseCode},
		{"a continuation of nothing", masked(websocket.Continuation, "x"), websocket.UnexpectedContinuation},
		{"empty fragments without end", first(masked(websocket.Text, "")) + strings.Repeat(first(masked(websocket.Continuation, "")), 1<<18), websocket.TooManyFragments},
		{"a bomb", "\xc2" + masked(websocket.Binary, bomb)[1:], websocket.TooBig},
		{"rubbish that is compressed", "\xc2" + masked(websocket.Binary, "\xff\xff")[1:], websocket.BadCompression},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dial(t, address)
			if c.input[0]&0x40 == 0 {
				conn.send(handshake + "\r\n")
				conn.reads(answer)
			} else {
				conn.send(handshake + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
				conn.reads(answer[:len(answer)-2] + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n")
			}
			conn.send(masked(websocket.Text, "before") + c.input)
			conn.reads(sent(websocket.Text, "before"))
			head := make([]byte, 2)
			if _, err := io.ReadFull(conn, head); err != nil || head[0] != 0x88 {
				t.Fatal(head, err)
			}
			rest, err := io.ReadAll(conn)
			code, reason, _ := websocket.ParseClose(rest)
			want := map[websocket.Kind]websocket.Code{websocket.TooBig: 1009, websocket.TooManyFragments: 1009,
				websocket.InvalidUTF8: 1007, websocket.BadCompression: 1007}[c.want]
			if want == 0 {
				want = 1002
			}
			if err != nil || code != want || len(reason) == 0 {
				t.Errorf("%d %q, %v; want %d for %v", code, reason, err, want, c.want)
			}
		})
	}
}

func TestRefusesRequests(t *testing.T) {
	address := start(t)
	for _, c := range [][2]string{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", `426 .*\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`},
		{strings.Replace(handshake, "13", "8", 1) + "\r\n", `426 .*\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`},
		{strings.Replace(handshake, "GET", "POST", 1) + "\r\n", `405 .*\r\nAllow: GET\r\n`},
		{strings.Replace(handshake, "ZQ==", "Z", 1) + "\r\n", `400 .*Sec-WebSocket-Key`},
		{"nonsense\r\n\r\n", `400 `},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 20000), `431 `},
	} {
		conn := dial(t, address)
		conn.send(c[0])
		got, err := io.ReadAll(conn)
		if err != nil || !regexp.MustCompile(`(?s)^HTTP/1\.1 `+c[1]).Match(got) {
			t.Errorf("%.80q: %q, %v", c[0], got, err)
		}
	}
}

// A client that sends and does not read is not read from, so what is kept for it is bounded; when it reads, it gets all,
// also what it sent last of all.
func TestSlowReader(t *testing.T) {
	c := open(t, start(t))
	payload := strings.Repeat("x", 64<<10)
	frame := masked(websocket.Binary, payload)
	messages, rest := 0, ""
	for rest == "" {
		if messages++; messages > 1000 { // 64 MB: more than the server and the kernel keep
			t.Fatal("reading does not end")
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := io.WriteString(c, frame)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("cut after %d messages: %v", messages, err)
		}
		rest = frame[n:]
	}
	_ = c.SetWriteDeadline(time.Now().Add(hangTimeout))
	done := make(chan error)
	go func() {
		_, err := io.WriteString(c, rest+masked(websocket.Text, "last"))
		done <- errors.Join(err, c.CloseWrite())
	}()
	want := sent(websocket.Binary, payload)
	for range messages {
		c.reads(want)
	}
	c.ends(sent(websocket.Text, "last"))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A client that goes amid a message leaves nothing behind (see start).
func TestGone(t *testing.T) {
	address := start(t)
	for _, amid := range []string{masked(websocket.Binary, "hello")[:8], first(masked(websocket.Text, "x")), "\x81"} {
		c := open(t, address)
		c.send(amid)
		_ = c.CloseWrite()
		c.ends("")
	}
	c := open(t, address)
	c.send(first(masked(websocket.Text, "x")) + masked(websocket.Close, ""))
	c.ends(sent(websocket.Close, ""))
	c = open(t, address)
	c.send(first(masked(websocket.Text, "x")) + "\xff\xff")
	if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it is still open")
	}
}
