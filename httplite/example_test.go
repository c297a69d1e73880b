package httplite_test

import (
	"errors"
	"fmt"
	"strings"

	"ccomet/httplite"
)

// One turn of a server: parse what has arrived, append an answer for each
// request, keep the rest.
func Example() {
	input := []byte("GET /hello?name=w%6frld HTTP/1.1\r\nHost: example.com\r\n\r\nGET /next HT")
	var output []byte
	var req httplite.Request
	for {
		n, err := req.Parse(input, nil)
		if bad := (*httplite.Error)(nil); errors.As(err, &bad) {
			output = httplite.AppendError(output, bad) // and close
			break
		}
		if n == 0 {
			break // wait for more
		}
		name, _ := httplite.GetArg(req.Query(), "name")
		body := httplite.AppendUnescape([]byte("hello, "), name)
		output = httplite.AppendStatus(output, 200)
		output = httplite.AppendHeader(output, "Content-Type", "text/plain")
		output = httplite.AppendHeaderInt(output, "Content-Length", int64(len(body)))
		output = httplite.EndHeaders(output)
		output = append(output, body...)
		input = input[n:]
	}
	fmt.Println(strings.ReplaceAll(string(output), "\r\n", "\n"))
	fmt.Printf("left: %q\n", input)
	// Output:
	// HTTP/1.1 200 OK
	// Content-Type: text/plain
	// Content-Length: 12
	//
	// hello, world
	// left: "GET /next HT"
}

// A client reads a stream without collecting it.
func ExampleResponse() {
	input := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n")
	var resp httplite.Response
	n, err := resp.ParseHead(input, nil)
	if n == 0 || err != nil {
		return
	}
	input = input[n:]
	body := resp.Framing(httplite.GET)
	for {
		payload, n, done, err := body.Next(input)
		fmt.Printf("%s", payload)
		if done || n == 0 || err != nil {
			break
		}
		input = input[n:]
	}
	// Output: hello, world
}

func ExampleArgs() {
	args := httplite.ParseArgs([]byte("room=a%20b&quiet&seq=7"))
	for {
		key, value, ok := args.Next()
		if !ok {
			break
		}
		fmt.Printf("%s %q %v\n", key, value, value != nil)
	}
	// Output:
	// room "a%20b" true
	// quiet "" false
	// seq "7" true
}
