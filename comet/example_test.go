package comet_test

import (
	"bufio"
	"fmt"
	"net/http"

	"ccomet/comet"
)

// A client waits on a channel, a backend publishes on it.
func Example() {
	srv, err := comet.New(comet.Config{Front: []string{"127.0.0.1:0"}, Admin: []string{"127.0.0.1:0"}, Loops: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Start()

	stream, err := http.Get("http://" + srv.FrontAddrs()[0] + "/stream?cname=news")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	lines.Scan() // the channel's next number
	fmt.Println(lines.Text())

	pushed, err := http.Get("http://" + srv.AdminAddrs()[0] + "/push?cname=news&content=hello")
	if err != nil {
		fmt.Println(err)
		return
	}
	pushed.Body.Close()
	lines.Scan()
	fmt.Println(lines.Text())

	srv.Stop()
	fmt.Println(srv.Wait())
	// Output:
	// {"type":"next_seq","cname":"news","seq":1,"content":""}
	// {"type":"data","cname":"news","seq":1,"content":"hello"}
	// <nil>
}
