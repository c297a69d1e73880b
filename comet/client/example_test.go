package client_test

import (
	"context"
	"errors"
	"fmt"

	"ccomet/comet"
	"ccomet/comet/client"
)

// serve starts a server on two free ports.
func serve() *comet.Server {
	srv, err := comet.New(comet.Config{Front: []string{"127.0.0.1:0"}, Admin: []string{"127.0.0.1:0"}, Loops: 2})
	if err != nil {
		panic(err)
	}
	srv.Start()
	return srv
}

// A subscriber receives what is published after it has connected.
func ExampleSubscribe() {
	srv := serve()
	defer srv.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a backend
		publisher := client.Publisher{URL: "http://" + srv.AdminAddrs()[0]}
		for ctx.Err() == nil {
			if _, err := publisher.Publish(ctx, "news", "hello"); err != nil && ctx.Err() == nil {
				fmt.Println(err)
			}
		}
	}()
	for event, err := range client.Subscribe(ctx, "http://"+srv.FrontAddrs()[0], "news") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.Channel, event.Content)
		break
	}
	// Output:
	// news hello
}

// A subscriber resumes where another one has ended.
func ExampleSubscriber() {
	srv := serve()
	defer srv.Stop()
	publisher := client.Publisher{URL: "http://" + srv.AdminAddrs()[0]}
	ctx := context.Background()
	for _, content := range []string{"one", "two", "three"} {
		if _, err := publisher.Publish(ctx, "news", content); err != nil {
			fmt.Println(err)
		}
	}
	place := client.Place{Next: 1} // everything that the channel keeps
	for range 3 {
		subscriber := client.Subscriber{
			URL:      "http://" + srv.FrontAddrs()[0],
			Channels: []client.Channel{{Name: "news", From: place}},
		}
		for event, err := range subscriber.All(ctx) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(event.Seq, event.Content)
			place = event.Place
			break // to resume later
		}
	}
	// Output:
	// 1 one
	// 2 two
	// 3 three
}

// A publisher gets the number of each message, or an error.
func ExamplePublisher() {
	srv := serve()
	defer srv.Stop()
	publisher := client.Publisher{URL: "http://" + srv.AdminAddrs()[0]}
	results, err := publisher.PublishAll(context.Background(),
		client.Message{Channel: "news", Content: "one"},
		client.Message{Channel: "", Content: "to nobody"},
		client.Message{Channel: "news", Content: "two"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, result := range results {
		if bad, ok := errors.AsType[*client.StatusError](result.Err); ok {
			fmt.Println(bad.Status, bad.Reason)
			continue
		}
		fmt.Println(result.Seq, result.Err)
	}
	// Output:
	// 1 <nil>
	// 400 cname is missing
	// 2 <nil>
}
