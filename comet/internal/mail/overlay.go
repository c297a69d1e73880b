package mail

import "ccomet/reactor"

// A mail is 64 bytes, and three of its fields mean something else from kind to kind. These
// accessors say which meaning is meant. Nothing else reads or writes slot and aux; N is
// read and written by name only as the length of a run.
//
//	slot   Subscriber, Reply: what the answer is for, on Conn; Record, Round, Explanation, Index
//	N      Subscribers, Seconds, Listed, Via, Most, Partition
//	aux    LostFrom, Session, LeftOut, Tag, Rest, Place, AttachedEpoch
//
// Tag and Rest have Ref.Index as well; the length of Key is Ref.Gen.

// ReplyTo is a request that waits for an answer: its connection, and the number of its
// reply in that connection's pipeline.
type ReplyTo struct {
	Conn  reactor.Conn
	Reply uint32
}

// Answer is a mail to the subscriber or the request that this one is from.
func (m *Mail) Answer(kind Kind) Mail { return Mail{Kind: kind, Conn: m.Conn, slot: m.slot} }

// OfSubscriber is a mail that a subscriber of a connection has sent, and whose answer is for it.
func OfSubscriber(kind Kind, c reactor.Conn, subscriber uint32) Mail {
	return Mail{Kind: kind, Conn: c, slot: subscriber}
}

// Subscriber is the record of the subscriber that a mail is from or for.
func (m *Mail) Subscriber() uint32 { return m.slot }

// OfRequest is a mail that a request has sent, or the answer to one.
func OfRequest(kind Kind, to ReplyTo) Mail { return Mail{Kind: kind, Conn: to.Conn, slot: to.Reply} }

// ReplyTo is the request that a mail is from or for.
func (m *Mail) ReplyTo() ReplyTo { return ReplyTo{m.Conn, m.slot} }

// Reply is the number of that request's reply in the connection's pipeline.
func (m *Mail) Reply() uint32          { return m.slot }
func (m *Mail) SetReply(number uint32) { m.slot = number }

// FromRecord is a mail about the channels from a record on.
func FromRecord(kind Kind, record uint32) Mail { return Mail{Kind: kind, slot: record} }

// Record is a channel's record at its home.
func (m *Mail) Record() uint32     { return m.slot }
func (m *Mail) SetRecord(i uint32) { m.slot = i }

// OfRound is a mail of a round that goes through all loops.
func OfRound(kind Kind, round uint32) Mail { return Mail{Kind: kind, slot: round} }

// Round is the number of such a round.
func (m *Mail) Round() uint32 { return m.slot }

// OfExplanation is a mail that an explanation of a channel brings about.
func OfExplanation(kind Kind, number uint32) Mail { return Mail{Kind: kind, slot: number} }

// Explanation is the number of the explanation at the channel's home.
func (m *Mail) Explanation() uint32 { return m.slot }

// Left says that subscribers of a channel have left.
func Left(channel Ref, subscribers uint32) Mail {
	return Mail{Kind: Leave, Ref: channel, N: int32(subscribers)}
}

// Subscribers is how many have left, or how many a channel has.
func (m *Mail) Subscribers() uint32     { return uint32(m.N) }
func (m *Mail) SetSubscribers(n uint32) { m.N = int32(n) }

// Seconds is how long a channel is signed for, or until a publish is worth trying again.
func (m *Mail) Seconds() int32     { return m.N }
func (m *Mail) SetSeconds(n int32) { m.N = n }

// Listed is how many subscribers an explanation may list, or has.
func (m *Mail) Listed() int32     { return m.N }
func (m *Mail) SetListed(n int32) { m.N = n }

// Via is the loop that a probe has come by.
func (m *Mail) Via() uint8        { return uint8(m.N) }
func (m *Mail) SetVia(loop uint8) { m.N = int32(loop) }

// LostFrom is, with FlagLost, the number that the subscriber has asked for.
func (m *Mail) LostFrom() int32       { return m.aux }
func (m *Mail) SetLostFrom(seq int32) { m.aux = seq }

// Session is the number of a session.
func (m *Mail) Session() uint32          { return uint32(m.aux) }
func (m *Mail) SetSession(number uint32) { m.aux = int32(number) }

// LeftOut is how many subscribers RosterScanned does not list.
func (m *Mail) LeftOut() int     { return int(m.aux) }
func (m *Mail) SetLeftOut(n int) { m.aux = int32(n) }

// Epoch is the epoch of a channel where its record is not named: of the place that a
// subscriber asks for, or of the channel that a request was about.
func (m *Mail) Epoch() uint32         { return m.Ref.Gen }
func (m *Mail) SetEpoch(epoch uint32) { m.Ref.Gen = epoch }

// Most is how many messages of a history are wanted.
func (m *Mail) Most() int     { return int(m.N) }
func (m *Mail) SetMost(n int) { m.N = int32(n) }

// Tag is, with FlagTag, the state of a channel that a client has read already: an epoch and
// the next number. The epoch record.EpochOther stands for any state.
func (m *Mail) Tag() (epoch uint32, next int32) { return m.Ref.Index, m.aux }
func (m *Mail) SetTag(epoch uint32, next int32) {
	m.Ref.Index, m.aux, m.Flag = epoch, next, m.Flag|FlagTag
}

// Rest is how many messages of a history come behind those that HistoryRead has, and the
// number of the first of them.
func (m *Mail) Rest() (n int, from int32) { return int(m.Ref.Index), m.aux }
func (m *Mail) SetRest(n int, from int32) { m.Ref.Index, m.aux = uint32(n), from }

// Place is, with FlagBatch, where in its batch a message stands.
func (m *Mail) Place() uint32         { return uint32(m.aux) }
func (m *Mail) SetPlace(place uint32) { m.aux = int32(place) }

// OfPartition is a mail about all channels of a partition of a log beyond the loops, which is
// the index-th of its kind there.
func OfPartition(kind Kind, partition, index uint32) Mail {
	return Mail{Kind: kind, N: int32(partition), slot: index}
}

// Partition and Index are those of such a mail; Index, of Attached, is that of the last of
// them that its number has seen.
func (m *Mail) Partition() uint32     { return uint32(m.N) }
func (m *Mail) Index() uint32         { return m.slot }
func (m *Mail) SetIndex(index uint32) { m.slot = index }

// AttachedEpoch is the epoch of a channel that is attached to a log beyond the loops.
func (m *Mail) AttachedEpoch() uint32         { return uint32(m.aux) }
func (m *Mail) SetAttachedEpoch(epoch uint32) { m.aux = int32(epoch) }

// Key is the key of a message that is to be published; it stands between the name and the
// content, which Proposed is. That of a client begins with ClientKey.
func (m *Mail) Key() []byte      { return m.Buf.B[m.Nlen:][:m.Ref.Gen] }
func (m *Mail) Proposed() []byte { return m.Buf.B[m.Nlen:][m.Ref.Gen:] }
func (m *Mail) SetKeyLen(n int)  { m.Ref.Gen = uint32(n) }

// ClientKey is what the key of a client's message begins with, so that it is none of a
// backend's: no key that is sent has this byte, which is not UTF-8.
const ClientKey = 0xFF
