package hub

import "ccomet/comet/internal/record"

// want is a channel that a client subscribes to, from which place on, and what
// lets it.
type Topic struct {
	Cname, Token []byte
	Seq          int32
	Epoch        uint32 // of which seq is a number; epochClosed, epochDenied: it wants nothing more
	Place        bool   // seq comes from an id of this or an earlier life: it counts even where it cannot be
	Tell         bool   // it wants to be told the epoch
}

// over says whether the client has been told that there is nothing more to come.
func (to *Topic) Over() bool { return to.Epoch == record.EpochClosed || to.Epoch == record.EpochDenied }
