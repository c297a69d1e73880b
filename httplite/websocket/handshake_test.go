package websocket

import (
	"errors"
	"strings"
	"testing"

	"ccomet/httplite"
)

// request parses the handshake of RFC 6455 1.3 with additional lines. A line replaces those with the same name.
func request(t testing.TB, first string, lines ...string) *httplite.Request {
	t.Helper()
	usual := []string{"Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}
	for _, l := range lines {
		name, _, _ := strings.Cut(l, ":")
		for i, u := range usual {
			if had, _, _ := strings.Cut(u, ":"); had == name {
				usual = append(usual[:i], usual[i+1:]...)
				break
			}
		}
	}
	var raw strings.Builder
	raw.WriteString(first + "\r\n")
	for _, l := range append(usual, lines...) {
		if !strings.HasSuffix(l, ": absent") {
			raw.WriteString(l + "\r\n")
		}
	}
	var r httplite.Request
	if n, err := r.Parse([]byte(raw.String()+"\r\n"), nil); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	return &r
}

const getChat = "GET /chat HTTP/1.1"

func TestHandshake(t *testing.T) {
	both := &Options{Protocols: []string{"chat", "superchat"}, Deflate: true}
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	const deflate = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, c := range []struct {
		name    string
		lines   []string
		options *Options
		want    string
	}{
		{"RFC 6455 1.3", nil, &Options{}, ""},
		{"letters in either case", []string{"Upgrade: WebSocket", "Connection: keep-alive, UPGRADE"}, &Options{}, ""},
		{"protocol", []string{"Sec-WebSocket-Protocol: superchat, chat"}, both, "Sec-WebSocket-Protocol: superchat\r\n"},
		{"protocols, some unknown", []string{"Sec-WebSocket-Protocol: x,, y", "Sec-WebSocket-Protocol:chat"}, both, "Sec-WebSocket-Protocol: chat\r\n"},
		{"no protocol known", []string{"Sec-WebSocket-Protocol: Chat"}, both, ""},
		{"deflate", []string{"Sec-WebSocket-Extensions: permessage-deflate"}, both, deflate + "\r\n"},
		{"deflate, not wanted", []string{"Sec-WebSocket-Extensions: permessage-deflate"}, &Options{}, ""},
		{"deflate, as browsers offer it", []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}, both, deflate + "\r\n"},
		{"deflate with all there is", []string{"Sec-WebSocket-Extensions: permessage-deflate;client_max_window_bits=\"9\" ; server_max_window_bits = 15;server_no_context_takeover;client_no_context_takeover"},
			both, deflate + "; server_max_window_bits=15\r\n"},
		{"a window that is too small, then none", []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate"}, both, deflate + "\r\n"},
		{"a window that is too small", []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10"}, both, ""},
		{"a window that is kept to", []string{"Sec-WebSocket-Extensions: x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=10"},
			&Options{Deflate: true, Window: 9}, deflate + "; server_max_window_bits=10\r\n"},
		{"two fields", []string{"Sec-WebSocket-Extensions: foo; a=1", "Sec-WebSocket-Extensions: , permessage-deflate"}, both, deflate + "\r\n"},
		{"unknown parameter", []string{"Sec-WebSocket-Extensions: permessage-deflate; unknown"}, both, ""},
		{"a parameter twice", []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; client_max_window_bits"}, both, ""},
		{"a value where none may be", []string{"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover=1"}, both, ""},
		{"another", []string{"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover=\"x\""}, both, ""},
		{"no value where one must be", []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits"}, both, ""},
		{"7 bits", []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=7"}, both, ""},
		{"16 bits", []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16"}, both, ""},
		{"a leading zero", []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=015"}, both, ""},
		{"another extension", []string{"Sec-WebSocket-Extensions: Permessage-Deflate"}, both, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := ReadHandshake(request(t, getChat, c.lines...), c.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(h.AppendResponse(nil)); got != head+c.want {
				t.Errorf("got %q\nwant %q", got, head+c.want)
			}
			if offered := strings.Contains(strings.Join(c.lines, ""), "-Protocol:"); h.Offered != offered {
				t.Errorf("offered: %v", h.Offered)
			}
			if h.Deflate != strings.Contains(c.want, "deflate") || h.Window > 0 != strings.Contains(c.want, "bits") {
				t.Errorf("%+v", h)
			}
		})
	}
}

func TestRefusesHandshake(t *testing.T) {
	for _, c := range []struct {
		name, first string
		lines       []string
		status      int
		says        string
	}{
		{"POST", "POST / HTTP/1.1", []string{"Content-Length: 0"}, 405, "GET"},
		{"HTTP/1.0", "GET / HTTP/1.0", nil, 426, "upgrade"},
		{"no upgrade", getChat, []string{"Upgrade: absent"}, 426, "upgrade"},
		{"another upgrade", getChat, []string{"Upgrade: h2c"}, 426, "upgrade"},
		{"Connection lists no upgrade", getChat, []string{"Connection: keep-alive"}, 426, "upgrade"},
		{"a K that is another letter", getChat, []string{"Upgrade: websoc\u212Aet"}, 426, "upgrade"},
		{"no version", getChat, []string{"Sec-WebSocket-Version: absent"}, 426, "13"},
		{"version 8", getChat, []string{"Sec-WebSocket-Version: 8"}, 426, "13"},
		{"two in one", getChat, []string{"Sec-WebSocket-Version: 13, 8"}, 426, "13"},
		{"two versions", getChat, []string{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"}, 400, "Version"},
		{"no key", getChat, []string{"Sec-WebSocket-Key: absent"}, 400, "Key"},
		{"two keys", getChat, []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, 400, "Key"},
		{"a key of 15 bytes", getChat, []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"}, 400, "Key"},
		{"a key of 17 bytes", getChat, []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE="}, 400, "Key"},
		{"a key that is no base64", getChat, []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="}, 400, "Key"},
		{"a protocol that is no token", getChat, []string{"Sec-WebSocket-Protocol: a b"}, 400, "Protocol"},
		{"a protocol in quotes", getChat, []string{`Sec-WebSocket-Protocol: "chat"`}, 400, "Protocol"},
		{"an extension without a name", getChat, []string{"Sec-WebSocket-Extensions: ;a"}, 400, "Extensions"},
		{"a parameter without a name", getChat, []string{"Sec-WebSocket-Extensions: a;"}, 400, "Extensions"},
		{"a parameter without its value", getChat, []string{"Sec-WebSocket-Extensions: a; b="}, 400, "Extensions"},
		{"a quote that does not end", getChat, []string{`Sec-WebSocket-Extensions: a; b="c`}, 400, "Extensions"},
		{"a value in quotes that is no token", getChat, []string{`Sec-WebSocket-Extensions: a; b="c d"`}, 400, "Extensions"},
		{"two extensions without a comma", getChat, []string{"Sec-WebSocket-Extensions: a b"}, 400, "Extensions"},
		{"the same behind one that was agreed on", getChat, []string{"Sec-WebSocket-Extensions: permessage-deflate, a b"}, 400, "Extensions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadHandshake(request(t, c.first, c.lines...), &Options{Protocols: []string{"chat"}, Deflate: true})
			var e *HandshakeError
			if !errors.As(err, &e) || e.Status != c.status || !strings.Contains(e.Error(), c.says) {
				t.Fatalf("%v, want %d about %s", err, c.status, c.says)
			}
			refusal(t, e)
		})
	}
}

// refusal checks that a refusal is a complete response with the necessary header lines.
func refusal(t *testing.T, e *HandshakeError) {
	t.Helper()
	raw := AppendRefusal(nil, e)
	var r httplite.Response
	n, err := r.ParseHead(raw, nil)
	if err != nil || r.Status() != e.Status || r.KeepAlive() || string(raw[n:]) != e.Reason+"\n" {
		t.Fatalf("%q: %v", raw, err)
	}
	for name, at := range map[string]int{"Allow": 405, "Upgrade": 426, "Sec-WebSocket-Version": 426} {
		if has := r.Header(name) != nil; has != (at == e.Status) {
			t.Errorf("%s: %v", name, has)
		}
	}
}

// Without options there is neither a subprotocol nor compression.
func TestHandshakeWithoutOptions(t *testing.T) {
	r := request(t, getChat, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate")
	if h, err := ReadHandshake(r, nil); err != nil || h.Protocol != "" || !h.Offered || h.Deflate {
		t.Errorf("%+v, %v", h, err)
	}
}
