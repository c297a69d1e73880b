package hub

import "ccomet/comet/internal/record"

// Topic is a channel that a client subscribes to, from which place on, and the token that
// lets it.
type Topic struct {
	Cname, Token []byte
	Seq          int32
	Epoch        uint32 // of which seq is a number; record.EpochClosed, record.EpochDenied: the subscription is over
	Place        bool   // seq comes from an id of this or an earlier life: it counts even where it cannot be
	Tell         bool   // the client asks for the epoch
}

// Over says whether the client knows that there is nothing more to come.
func (to *Topic) Over() bool { return to.Epoch == record.EpochClosed || to.Epoch == record.EpochDenied }
