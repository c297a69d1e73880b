package websocket

import (
	"strings"
	"testing"

	"ccomet/httplite"
)

// TestReadAnswer: an answer that does not match the request is refused.
func TestReadAnswer(t *testing.T) {
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	const good = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	const deflate = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"
	for _, c := range []struct {
		name, head string
		says       string // the error; empty: none
		deflate    bool
		window     int
	}{
		{"plain", good, "", false, 0},
		{"a protocol", good + "Sec-WebSocket-Protocol: chat\r\n", "", false, 0},
		{"deflate", good + deflate + "\r\n", "", true, 0},
		{"deflate with a window", good + deflate + "; client_no_context_takeover; client_max_window_bits=10\r\n", "", true, 10},
		{"no upgrade", "HTTP/1.1 200 OK\r\n", "upgrade", false, 0},
		{"no Upgrade", strings.Replace(good, "upgrade:", "x:", 1), "upgrade", false, 0},
		{"no Connection", strings.Replace(good, "connection:", "x:", 1), "upgrade", false, 0},
		{"another key's", strings.Replace(good, "s3pPL", "S3pPL", 1), "Accept", false, 0},
		{"no Accept", strings.Replace(good, "Accept:", "x:", 1), "Accept", false, 0},
		{"another protocol", good + "Sec-WebSocket-Protocol: Chat\r\n", "not offered", false, 0},
		{"another extension", good + "Sec-WebSocket-Extensions: foo\r\n", "not offered", false, 0},
		{"two extensions", good + deflate + ", foo\r\n", "not offered", false, 0},
		{"malformed extensions", good + "Sec-WebSocket-Extensions: permessage-deflate;\r\n", "not offered", false, 0},
		{"with takeover", good + "Sec-WebSocket-Extensions: permessage-deflate\r\n", "way that was not", false, 0},
		{"deflate in a field of its own", good + "Sec-WebSocket-Extensions: \r\n" + deflate + "\r\n", "", true, 0},
		{"Upgrade in a field of its own", "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive\r\n" + good[len("HTTP/1.1 101 Switching Protocols\r\n"):], "", false, 0},
		{"two extensions in two fields", good + deflate + "\r\nSec-WebSocket-Extensions: foo\r\n", "not offered", false, 0},
		{"an extension twice", good + deflate + "\r\n" + deflate + "\r\n", "not offered", false, 0},
		{"a protocol twice", good + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n", "not offered", false, 0},
		{"two protocols", good + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: y\r\n", "not offered", false, 0},
		{"an empty protocol", good + "Sec-WebSocket-Protocol:\r\n", "not offered", false, 0},
		{"Accept twice", good + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "Accept", false, 0},
		{"a window without a value", good + deflate + "; client_max_window_bits\r\n", "way that was not", false, 0},
		{"an unknown parameter", good + deflate + "; x\r\n", "way that was not", false, 0},
	} {
		var r httplite.Response
		if n, err := r.ParseHead([]byte(c.head+"\r\n"), nil); n == 0 || err != nil {
			t.Fatal(c.name, n, err)
		}
		h, err := ReadAnswer(&r, key, []string{"chat", "x"}, true)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && (h.Deflate != c.deflate || h.Window != c.window || (h.Protocol == "chat") != strings.Contains(c.head, "chat")) {
			t.Errorf("%s: %+v", c.name, h)
		}
		if _, err := ReadAnswer(&r, key, nil, false); err == nil && strings.Contains(c.head, "Sec-WebSocket-Protocol") || err == nil && strings.Contains(c.head, deflate) {
			t.Errorf("%s: accepted, though it was not offered", c.name)
		}
	}
}

// Both ends of a handshake agree, whatever each of them supports.
func TestHandshakeOfBothEnds(t *testing.T) {
	for _, protocols := range [][]string{nil, {"chat"}, {"y", "superchat"}} {
		for n := range 4 {
			offer, want := n&1 > 0, n&2 > 0
			key := EncodeKey([16]byte{1, 2, 3})
			raw := AppendRequest([]byte(getChat+"\r\nHost: a\r\n"), key, protocols, offer)
			var r httplite.Request
			if _, err := r.Parse(httplite.EndHeaders(raw), nil); err != nil {
				t.Fatal(err)
			}
			server, err := ReadHandshake(&r, &Options{Protocols: []string{"chat", "superchat"}, Deflate: want})
			if err != nil {
				t.Fatal(err)
			}
			var answer httplite.Response
			if _, err := answer.ParseHead(httplite.EndHeaders(server.AppendResponse(nil)), nil); err != nil {
				t.Fatal(err)
			}
			client, err := ReadAnswer(&answer, key, protocols, offer)
			if err != nil || client.Protocol != server.Protocol || client.Deflate != (offer && want) || server.Deflate != client.Deflate ||
				(server.Protocol == "") != (protocols == nil) {
				t.Errorf("%v, offered %v, wanted %v: %+v and %+v, %v", protocols, offer, want, server, client, err)
			}
		}
	}
}
