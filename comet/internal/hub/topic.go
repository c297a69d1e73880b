package hub

import "ccomet/comet/internal/record"

// Topic is a channel that a client subscribes to, from which place on, and the token for
// it.
type Topic struct {
	Cname, Token []byte
	Seq          int32
	Epoch        uint32 // epoch of Seq; record.EpochClosed, record.EpochDenied: the subscription is over
	Place        bool   // Seq comes from an event's id: a number that this life cannot have is of an earlier one
	Tell         bool   // the client asks for the epoch
}

// Over reports whether the client knows that nothing more will come.
func (to *Topic) Over() bool { return to.Epoch == record.EpochClosed || to.Epoch == record.EpochDenied }
