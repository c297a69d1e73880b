package hub

// A subscriber's record has fields whose meaning depends on what the record is for.
// These accessors say which one is meant; nothing else reads or writes the fields, but for
// the roster's links.
//
//	field    one channel              bundle's head              its other members
//	count    noops, or its session;   noops, or the bucket       next member; the last's: callback's name
//	         a WebSocket's bucket
//	link     callback's name          second member              head
//	Next     next in the roster; while it is in none: its question that is yet to be asked
//	prev     previous in the roster; while a member is in none: the epoch of its place (*)
//
// (*) from where the client resumes, or why the member has ended.

// noops is the counter that the next noop of a connection carries. The client says where it
// starts.
func (sub *Subscriber) noops() int32     { return sub.count }
func (sub *Subscriber) SetNoops(n int32) { sub.count = n }
func (sub *Subscriber) countNoop()       { sub.count++ }

// bucket is what a WebSocket's client may send now, heard when it has last sent something
// (socket.go). Both are of the connection; heard stands where a poll has its callback's length.
func (sub *Subscriber) bucket() uint32     { return uint32(sub.count) }
func (sub *Subscriber) setBucket(b uint32) { sub.count = int32(b) }
func (sub *Subscriber) heard() uint8       { return sub.callbackLen }
func (sub *Subscriber) setHeard(at uint8)  { sub.callbackLen = at }

// session is the number of the session that a subscriber has.
func (sub *Subscriber) session() uint32          { return uint32(sub.count) }
func (sub *Subscriber) setSession(number uint32) { sub.count = int32(number) }

// nextMember is the member behind one that is not the head, 0 for none.
func (sub *Subscriber) nextMember() uint32 {
	if sub.Has(subLast) {
		return 0
	}
	return uint32(sub.count)
}

func (sub *Subscriber) setNextMember(i uint32) { sub.count = int32(i) }

// makeMember has a member belong to a head, in front of the one that was the second.
func (sub *Subscriber) makeMember(head, next uint32) {
	sub.Flags, sub.link, sub.count = sub.Flags|SubMember, head, int32(next)
	if next == 0 {
		sub.Flags |= subLast
	}
}

// head is the head of the bundle that another member belongs to.
func (sub *Subscriber) head() uint32     { return sub.link }
func (sub *Subscriber) setHead(i uint32) { sub.link = i }

// second is the member behind the head.
func (sub *Subscriber) second() uint32     { return sub.link }
func (sub *Subscriber) setSecond(i uint32) { sub.link = i }

// hasCallback says whether a response calls a function, of which subscribers.callback is the name.
// The record that a connection names has it.
func (sub *Subscriber) hasCallback() bool { return sub.callbackLen != 0 && sub.poll() }

// lastCallback is where the response's callback is kept, for the last member of a bundle.
func (sub *Subscriber) lastCallback() uint32      { return uint32(sub.count) }
func (sub *Subscriber) setLastCallback(at uint32) { sub.count = int32(at) }

// place is the epoch of the place of a member that is in no roster: where its client
// resumes from, or why it has ended.
func (sub *Subscriber) place() uint32         { return sub.prev }
func (sub *Subscriber) setPlace(epoch uint32) { sub.prev = epoch }

// laterJoin is the question that a subscriber's channel is yet to be asked, 0 for none.
func (sub *Subscriber) laterJoin() uint32 {
	if sub.Roster != 0 {
		return 0
	}
	return sub.Next
}

func (sub *Subscriber) setLaterJoin(at uint32) { sub.Next = at }

// takeLaterJoin takes it off.
func (sub *Subscriber) takeLaterJoin() uint32 {
	at := sub.laterJoin()
	if at != 0 {
		sub.Next = 0
	}
	return at
}
