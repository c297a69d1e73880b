package client

import "fmt"

// Event is one thing that a subscriber is told.
type Event struct {
	Kind    Kind
	Channel string
	// Seq is the number of the message in its channel: they rise by one, and wrap as 32-bit
	// integers. Of Lost it is the number of the first message that is still kept.
	Seq int32
	// Content is the message. Of Refused it is the server's reason.
	Content string
	// First and Last are of Lost: the messages from First to Last are gone. Where Unknown is
	// set, all that is known is that some from First on are: the channel has begun anew
	// meanwhile, and all that it keeps comes next.
	First, Last int32
	Unknown     bool
	// Place is where to go on from behind this event.
	Place Place
}

// Kind says what an Event is.
type Kind uint8

const (
	Data      Kind = iota // a message to the channel
	Broadcast             // a message to all channels
	Lost                  // messages of the channel are gone
	Closed                // the channel was closed: nothing more comes of it
	Refused               // the server refuses the channel for good: nothing comes of it
)

func (k Kind) String() string {
	return [...]string{"data", "broadcast", "lost", "closed", "refused"}[k]
}

// Place is where a subscriber is in a channel. The zero Place is the end: only messages from
// now on. Place{Next: 1} is the beginning: all that the channel keeps.
type Place struct {
	Next  int32  // the number of the message that comes next
	Epoch string // the life of the channel that this number is of, as the server told it; "": not known
}

// Channel is a channel that is subscribed to.
type Channel struct {
	Name  string // 1 to 255 bytes of UTF-8
	Token string // that /sign gave, where the server asks for tokens
	From  Place
}

// StatusError is an answer of the server that trying again does not change.
type StatusError struct {
	Status int    // of HTTP, or that of one message of a batch
	Reason string // the server's words, one line
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answers %d: %s", e.Status, e.Reason)
}
