package websocket_test

import (
	"crypto/rand"
	"fmt"

	"ccomet/httplite"
	"ccomet/httplite/websocket"
)

// A server: the input is a request, and then a message whose end has not arrived.
func Example() {
	input := []byte("GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	input = websocket.AppendMaskedFrame(input, websocket.Ping, []byte("hello"), [4]byte{1, 2, 3, 4})
	input = websocket.AppendMaskedFrame(input, websocket.Text, []byte("κόσμε"), [4]byte{5, 6, 7, 8})
	later := input[len(input)-4:]
	input = input[:len(input)-4]

	var req httplite.Request
	n, err := req.Parse(input, nil)
	if err != nil || n == 0 {
		fmt.Println(n, err)
		return
	}
	handshake, err := websocket.ReadHandshake(&req, &websocket.Options{})
	if err != nil {
		fmt.Printf("%s", websocket.AppendRefusal(nil, err.(*websocket.HandshakeError)))
		return
	}
	output := httplite.EndHeaders(handshake.AppendResponse(nil))
	fmt.Printf("%s\n", output[:len("HTTP/1.1 101 Switching Protocols")])

	var reader websocket.Reader   // one for all connections
	var partial websocket.Partial // of this connection, while it is not Idle
	for _, input := range [][]byte{input[n:], later} {
		for {
			msg, n, err := reader.Next(&partial, input, nil)
			if err != nil {
				e := err.(*websocket.Error)
				fmt.Printf("%q\n", websocket.AppendClose(nil, e.Code, e.Error()))
				return
			}
			if input = input[n:]; msg.Op == 0 {
				break
			}
			fmt.Printf("%v %s\n", msg.Op, msg.Payload)
		}
		fmt.Println(len(input), "bytes are left, idle:", partial.Idle())
	}
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Ping hello
	// 0 bytes are left, idle: false
	// Text κόσμε
	// 0 bytes are left, idle: true
}

// A client masks its frames with an unpredictable key.
func ExampleAppendMaskedFrame() {
	var key [4]byte
	_, _ = rand.Read(key[:]) // never fails
	frame := websocket.AppendMaskedFrame(nil, websocket.Text, []byte("hello"), key)

	var reader websocket.Reader
	msg, n, err := reader.Next(&websocket.Partial{}, frame, nil)
	fmt.Printf("%v %s, %d bytes of %d, %v\n", msg.Op, msg.Payload, n, len(frame), err)
	// Output: Text hello, 11 bytes of 11, <nil>
}

// A message is compressed once, for all clients.
func ExampleDeflater() {
	var deflater websocket.Deflater
	message := []byte(`[{"id":1,"ok":true},{"id":2,"ok":true},{"id":3,"ok":true},{"id":4,"ok":true}]`)
	frame := deflater.AppendFrame(nil, websocket.Text, message, 0)
	fmt.Println("shorter:", len(frame) < len(message))

	var reader websocket.Reader
	msg, _, err := reader.Next(&websocket.Partial{}, frame, &websocket.Rules{Client: true, Deflate: true})
	fmt.Printf("%s %v\n", msg.Payload, err)
	// Output:
	// shorter: true
	// [{"id":1,"ok":true},{"id":2,"ok":true},{"id":3,"ok":true},{"id":4,"ok":true}] <nil>
}

// An error has a kind, a close code, and a text that may be sent to the peer.
func ExampleError() {
	var parser websocket.Parser
	_, _, err := parser.Next([]byte("\x81\xfe\x40\x00abcd"), &websocket.Rules{Message: 1000})
	e := err.(*websocket.Error)
	fmt.Println(e.Kind, e.Code, e)
	// Output: TooBig 1009 message too big: the limit is 1000 bytes
}

// A client sends a handshake, and checks the answer.
func ExampleReadAnswer() {
	key := websocket.EncodeKey([16]byte([]byte("the sample nonce"))) // in real use: 16 bytes from crypto/rand
	request := httplite.AppendRequestLine(nil, "GET", "/chat")
	request = httplite.AppendHeader(request, "Host", "example.com")
	request = websocket.AppendRequest(request, key, []string{"chat"}, true)
	request = httplite.EndHeaders(request)

	var req httplite.Request
	_, _ = req.Parse(request, nil)
	agreed, _ := websocket.ReadHandshake(&req, &websocket.Options{Protocols: []string{"chat"}, Deflate: true})
	answer := httplite.EndHeaders(agreed.AppendResponse(nil))

	var resp httplite.Response
	n, _ := resp.ParseHead(answer, nil)
	h, err := websocket.ReadAnswer(&resp, key, []string{"chat"}, true)
	fmt.Println(n == len(answer), h.Protocol, h.Deflate, err)
	// Output: true chat true <nil>
}
