// Package client is a Go client of a comet server: it subscribes to channels and publishes
// to them.
//
//	for event, err := range client.Subscribe(ctx, "http://127.0.0.1:8100", "news") {
//		if err != nil {
//			return err // for good: what may pass is tried again
//		}
//		fmt.Println(event.Channel, event.Seq, event.Content)
//	}
//
// The types to know:
//
//   - [Subscriber] receives. It reconnects by itself and goes on where it was, so that each
//     message comes once and in the order of its channel; where messages are gone for good,
//     an event says which. [Subscribe] is a Subscriber with its defaults.
//   - [Publisher] publishes, each message once: what had no answer is sent again with the same
//     key. Messages of many goroutines share requests.
//   - [Place] is where a subscriber has come to in a channel, to be kept and gone on from later.
//
// A subscriber uses the front side of the server, as a WebSocket or as server-sent events; a
// publisher its admin side. The wire is described in ../PROTOCOL.md.
//
// Caveats:
//
//   - A message that was published while no subscriber waited is there only as long as its
//     channel keeps it: a [Lost] event tells of what is not.
//   - A Publisher remembers nothing: what it has not published when the process ends is gone.
package client
