package client

import "fmt"

// Event is one event of a subscription.
type Event struct {
	Kind    Kind
	Channel string
	// Seq is the number of the message in its channel. Numbers rise by one, and wrap around
	// as 32-bit integers. For Lost it is the number of the first message that is still kept.
	Seq int32
	// Content is the message. For Refused it is the server's reason.
	Content string
	// First and Last are set for Lost: the messages from First to Last are lost. If Unknown
	// is set, it is only known that some messages from First on are lost: the channel has
	// started anew meanwhile, and everything that it keeps follows.
	First, Last int32
	Unknown     bool
	// Place is where to resume after this event.
	Place Place
}

// Kind is the kind of an Event.
type Kind uint8

const (
	Data      Kind = iota // a message to the channel
	Broadcast             // a message to all channels
	Lost                  // messages of the channel are lost
	Closed                // the channel was closed: no more events come from it
	Refused               // the server refuses the channel for good: no events come from it
)

func (k Kind) String() string {
	return [...]string{"data", "broadcast", "lost", "closed", "refused"}[k]
}

// Place is the position of a subscriber in a channel. The zero Place is the end: only
// messages from now on. Place{Next: 1} is the beginning: everything that the channel keeps.
type Place struct {
	Next  int32  // the number of the next message
	Epoch string // the life of the channel to which this number belongs, as the server has sent it; "": not known
}

// Channel is a channel to subscribe to.
type Channel struct {
	Name  string // 1 to 255 bytes of UTF-8
	Token string // from /sign, if the server requires tokens
	From  Place
}

// StatusError is an answer of the server that a retry does not change.
type StatusError struct {
	Status int    // HTTP status, or that of one message in a batch
	Reason string // the server's reason, one line
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answers %d: %s", e.Status, e.Reason)
}
