package hub

import "ccomet/comet/internal/record"

// A subscriber's record has three fields whose meaning depends on what the record is for.
// These accessors say which one is meant; nothing else reads or writes the fields, but for
// the roster's links.
//
//	field    one channel              member of a bundle            head of a bundle
//	count    noops, or its session    next member                   noops
//	link     callback's name          head                          callback's name
//	Next     next in the roster       next in the roster            first member
//	prev     previous in the roster   previous, or its place (*)    1: the response has begun
//	Cursor   number it wants next     number it wants next          members still subscribed
//
// (*) while it is in no roster: the epoch of the place that the client resumes from.

// noops is the counter that the next noop of a connection carries. The client says where it
// starts.
func (sub *Subscriber) noops() int32     { return sub.count }
func (sub *Subscriber) SetNoops(n int32) { sub.count = n }
func (sub *Subscriber) countNoop()       { sub.count++ }

// session is the number of the session that a subscriber of CComet's dialect has.
func (sub *Subscriber) session() uint32          { return uint32(sub.count) }
func (sub *Subscriber) setSession(number uint32) { sub.count = int32(number) }

// nextMember is the member behind a member, 0 for none.
func (sub *Subscriber) nextMember() uint32 { return uint32(sub.count) }

// makeMember has a member belong to a head, in front of the member that was the first.
func (sub *Subscriber) makeMember(head, next uint32) {
	sub.Flags, sub.link, sub.count = sub.Flags|SubMember, head, int32(next)
}

// head is the head of the bundle that a member belongs to.
func (sub *Subscriber) head() uint32 { return sub.link }

// callback is the name of the function that a response calls, which the record of a
// connection has: one channel's, or the head's.
func (sub *Subscriber) callback() record.Name {
	return record.Name{At: sub.link, Len: sub.callbackLen}
}
func (sub *Subscriber) hasCallback() bool { return sub.callbackLen != 0 }
func (sub *Subscriber) setCallback(name record.Name) {
	sub.link, sub.callbackLen = name.At, name.Len
}

// firstMember is a head's first member.
func (sub *Subscriber) firstMember() uint32     { return sub.Next }
func (sub *Subscriber) setFirstMember(i uint32) { sub.Next = i }

// members counts a head's members that are still subscribed.
func (sub *Subscriber) members() int32     { return sub.Cursor }
func (sub *Subscriber) addMembers(n int32) { sub.Cursor += n }

// begun says whether the response that a head stands for has begun.
func (sub *Subscriber) begun() bool { return sub.prev != 0 }
func (sub *Subscriber) setBegun()   { sub.prev = 1 }

// place is the epoch of the place of a member that is in no roster: where its client
// resumes from, or why it has ended.
func (sub *Subscriber) place() uint32         { return sub.prev }
func (sub *Subscriber) setPlace(epoch uint32) { sub.prev = epoch }
