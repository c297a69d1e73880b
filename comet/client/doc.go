// Package client is a Go client of a comet server: it subscribes to channels and publishes to
// them.
//
//	for event, err := range client.Subscribe(ctx, "http://127.0.0.1:8100", "news") {
//		if err != nil {
//			return err // permanent: temporary errors are retried
//		}
//		if event.Kind == client.Data {
//			fmt.Println(event.Channel, event.Seq, event.Content)
//		}
//	}
//
// Other kinds of events tell that messages are lost, or that a channel is closed or refused.
//
// The types to know:
//
//   - [Subscriber] receives. It reconnects by itself and resumes at its place, so that each
//     message comes once and in the order of its channel. If messages are lost for good, an
//     event says which. [Subscribe] is a Subscriber with default settings.
//   - [Publisher] publishes each message once: a message without an answer is sent again with
//     the same key. Messages of many goroutines share requests.
//   - [Place] is the position of a subscriber in a channel. Store it to resume there later.
//
// A subscriber uses the front side of the server, over a WebSocket or server-sent events; a
// publisher uses the admin side. ../PROTOCOL.md describes the protocol.
//
// Caveats:
//
//   - A message that was published while a subscriber was not connected is available only as
//     long as its channel keeps it. A [Lost] event reports those that are not.
//   - A Publisher stores nothing: messages that are not published when the process ends are
//     lost.
package client
