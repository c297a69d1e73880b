package hub

// Some fields of a subscriber's record have several meanings, by what the record is for. These
// accessors name them. Nothing else reads or writes the fields, except the links of a roster.
//
//	field    one channel              bundle's head              its other members
//	count    noops, or its session;   noops, or the bucket       next member; the last's: callback's name
//	         a WebSocket's bucket
//	link     callback's name          second member              head
//	Next     next in the roster; while it is in none: its join mail that is not sent yet
//	prev     previous in the roster; while a member is in none: the epoch of its place (*)
//
// (*) where the client resumes, or why the member has ended.

// noops is the counter in the next noop of a connection. The client sets its start.
func (sub *Subscriber) noops() int32     { return sub.count }
func (sub *Subscriber) SetNoops(n int32) { sub.count = n }
func (sub *Subscriber) countNoop()       { sub.count++ }

// bucket is the rate bucket of a WebSocket's client, heard when the client has last sent something
// (socket.go). Both concern the connection. heard is where a poll has the length of its callback.
func (sub *Subscriber) bucket() uint32     { return uint32(sub.count) }
func (sub *Subscriber) setBucket(b uint32) { sub.count = int32(b) }
func (sub *Subscriber) heard() uint8       { return sub.callbackLen }
func (sub *Subscriber) setHeard(at uint8)  { sub.callbackLen = at }

// session is the number of a subscriber's session.
func (sub *Subscriber) session() uint32          { return uint32(sub.count) }
func (sub *Subscriber) setSession(number uint32) { sub.count = int32(number) }

// nextMember returns the member after one that is not the head, 0 for none.
func (sub *Subscriber) nextMember() uint32 {
	if sub.Has(subLast) {
		return 0
	}
	return uint32(sub.count)
}

func (sub *Subscriber) setNextMember(i uint32) { sub.count = int32(i) }

// makeMember makes a subscriber a member of a head, before the member that was the second.
func (sub *Subscriber) makeMember(head, next uint32) {
	sub.Flags, sub.link, sub.count = sub.Flags|SubMember, head, int32(next)
	if next == 0 {
		sub.Flags |= subLast
	}
}

// head is the head of the bundle to which another member belongs.
func (sub *Subscriber) head() uint32     { return sub.link }
func (sub *Subscriber) setHead(i uint32) { sub.link = i }

// second is the member after the head.
func (sub *Subscriber) second() uint32     { return sub.link }
func (sub *Subscriber) setSecond(i uint32) { sub.link = i }

// hasCallback reports whether a response calls a function, whose name subscribers.callback returns.
// Call it on the record that the connection names.
func (sub *Subscriber) hasCallback() bool { return sub.callbackLen != 0 && sub.poll() }

// lastCallback is where the last member of a bundle stores the response's callback.
func (sub *Subscriber) lastCallback() uint32      { return uint32(sub.count) }
func (sub *Subscriber) setLastCallback(at uint32) { sub.count = int32(at) }

// place is the epoch of the place of a member that is in no roster: where its client
// resumes from, or why it has ended.
func (sub *Subscriber) place() uint32         { return sub.prev }
func (sub *Subscriber) setPlace(epoch uint32) { sub.prev = epoch }

// laterJoin is the join mail of a subscriber that is not sent yet, 0 for none.
func (sub *Subscriber) laterJoin() uint32 {
	if sub.Roster != 0 {
		return 0
	}
	return sub.Next
}

func (sub *Subscriber) setLaterJoin(at uint32) { sub.Next = at }

// takeLaterJoin returns it and removes it.
func (sub *Subscriber) takeLaterJoin() uint32 {
	at := sub.laterJoin()
	if at != 0 {
		sub.Next = 0
	}
	return at
}
