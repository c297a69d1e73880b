package comet

// want is a channel that a client subscribes to, from which place on, and what
// lets it.
type want struct {
	cname, token []byte
	seq          int32
	epoch        uint32 // of which seq is a number; epochClosed, epochDenied: it wants nothing more
	place        bool   // seq comes from an id of this or an earlier life: it counts even where it cannot be
	tell         bool   // it wants to be told the epoch
}

// over says whether the client has been told that there is nothing more to come.
func (to *want) over() bool { return to.epoch == epochClosed || to.epoch == epochDenied }
