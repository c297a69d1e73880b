package mail

import "ccomet/reactor"

// A mail is 64 bytes, and three of its fields have another meaning in each kind. These accessors
// name the meaning. Nothing else reads or writes slot and aux. N is read and written directly
// only as the length of a run.
//
//	slot   Subscriber, Reply: what the answer is for, on Conn; Record, Round, Explanation, Index
//	N      Subscribers, Seconds, Listed, Via, Most, Partition
//	aux    LostFrom, Session, LeftOut, Tag, Rest, Place, AttachedEpoch
//
// Tag and Rest also use Ref.Index; Ref.Gen is the length of Key.

// ReplyTo identifies a request that waits for an answer: its connection, and the number of its
// reply in that connection's pipeline.
type ReplyTo struct {
	Conn  reactor.Conn
	Reply uint32
}

// Answer returns a mail to the subscriber or the request that has sent this one.
func (m *Mail) Answer(kind Kind) Mail { return Mail{Kind: kind, Conn: m.Conn, slot: m.slot} }

// OfSubscriber returns a mail from a subscriber, which will get the answer.
func OfSubscriber(kind Kind, c reactor.Conn, subscriber uint32) Mail {
	return Mail{Kind: kind, Conn: c, slot: subscriber}
}

// Subscriber is the record of the subscriber that sends or gets a mail.
func (m *Mail) Subscriber() uint32 { return m.slot }

// OfRequest returns a mail from a request, or the answer to one.
func OfRequest(kind Kind, to ReplyTo) Mail { return Mail{Kind: kind, Conn: to.Conn, slot: to.Reply} }

// ReplyTo is the request that sends or gets a mail.
func (m *Mail) ReplyTo() ReplyTo { return ReplyTo{m.Conn, m.slot} }

// Reply is the number of that request's reply in the connection's pipeline.
func (m *Mail) Reply() uint32          { return m.slot }
func (m *Mail) SetReply(number uint32) { m.slot = number }

// FromRecord returns a mail about the channels from a record on.
func FromRecord(kind Kind, record uint32) Mail { return Mail{Kind: kind, slot: record} }

// Record is a channel's record at its home.
func (m *Mail) Record() uint32     { return m.slot }
func (m *Mail) SetRecord(i uint32) { m.slot = i }

// OfRound returns a mail of a round through all loops.
func OfRound(kind Kind, round uint32) Mail { return Mail{Kind: kind, slot: round} }

// Round is the number of that round.
func (m *Mail) Round() uint32 { return m.slot }

// OfExplanation returns a mail for an explanation of a channel.
func OfExplanation(kind Kind, number uint32) Mail { return Mail{Kind: kind, slot: number} }

// Explanation is the number of the explanation at the channel's home.
func (m *Mail) Explanation() uint32 { return m.slot }

// Left returns the mail that subscribers of a channel have left.
func Left(channel Ref, subscribers uint32) Mail {
	return Mail{Kind: Leave, Ref: channel, N: int32(subscribers)}
}

// Subscribers is how many have left, or how many a channel has.
func (m *Mail) Subscribers() uint32     { return uint32(m.N) }
func (m *Mail) SetSubscribers(n uint32) { m.N = int32(n) }

// Seconds is the lease for which a channel is signed, or the time until a publish is worth trying
// again.
func (m *Mail) Seconds() int32     { return m.N }
func (m *Mail) SetSeconds(n int32) { m.N = n }

// Listed is how many subscribers an explanation may list, or lists.
func (m *Mail) Listed() int32     { return m.N }
func (m *Mail) SetListed(n int32) { m.N = n }

// Via is the loop through which a probe has come.
func (m *Mail) Via() uint8        { return uint8(m.N) }
func (m *Mail) SetVia(loop uint8) { m.N = int32(loop) }

// LostFrom is, with FlagLost, the number for which the subscriber has asked.
func (m *Mail) LostFrom() int32       { return m.aux }
func (m *Mail) SetLostFrom(seq int32) { m.aux = seq }

// Session is the number of a session.
func (m *Mail) Session() uint32          { return uint32(m.aux) }
func (m *Mail) SetSession(number uint32) { m.aux = int32(number) }

// LeftOut is how many subscribers RosterScanned does not list.
func (m *Mail) LeftOut() int     { return int(m.aux) }
func (m *Mail) SetLeftOut(n int) { m.aux = int32(n) }

// Epoch is the epoch of a channel whose record is not named: of the place for which a subscriber
// asks, or of the channel of a request.
func (m *Mail) Epoch() uint32         { return m.Ref.Gen }
func (m *Mail) SetEpoch(epoch uint32) { m.Ref.Gen = epoch }

// Most is how many messages of a history are wanted, at most.
func (m *Mail) Most() int     { return int(m.N) }
func (m *Mail) SetMost(n int) { m.N = int32(n) }

// Tag is, with FlagTag, the state of a channel that a client has already read: an epoch and the
// next number. The epoch record.EpochOther stands for any state.
func (m *Mail) Tag() (epoch uint32, next int32) { return m.Ref.Index, m.aux }
func (m *Mail) SetTag(epoch uint32, next int32) {
	m.Ref.Index, m.aux, m.Flag = epoch, next, m.Flag|FlagTag
}

// Rest is how many messages of a history follow those in HistoryRead, and the number of the first
// of them.
func (m *Mail) Rest() (n int, from int32) { return int(m.Ref.Index), m.aux }
func (m *Mail) SetRest(n int, from int32) { m.Ref.Index, m.aux = uint32(n), from }

// Place is, with FlagBatch, the position of a message in its batch.
func (m *Mail) Place() uint32         { return uint32(m.aux) }
func (m *Mail) SetPlace(place uint32) { m.aux = int32(place) }

// OfPartition returns a mail about all channels of a partition of a shared log. It is
// the index-th of its kind there.
func OfPartition(kind Kind, partition, index uint32) Mail {
	return Mail{Kind: kind, N: int32(partition), slot: index}
}

// Partition and Index are those of such a mail. In Attached, Index is that of the last such mail
// that the number takes into account.
func (m *Mail) Partition() uint32     { return uint32(m.N) }
func (m *Mail) Index() uint32         { return m.slot }
func (m *Mail) SetIndex(index uint32) { m.slot = index }

// AttachedEpoch is the epoch of a channel that was attached to a shared log.
func (m *Mail) AttachedEpoch() uint32         { return uint32(m.aux) }
func (m *Mail) SetAttachedEpoch(epoch uint32) { m.aux = int32(epoch) }

// Key is the key of a message to publish. It stands between the name and the content, which
// Proposed returns. The key of a client begins with ClientKey.
func (m *Mail) Key() []byte      { return m.Buf.B[m.Nlen:][:m.Ref.Gen] }
func (m *Mail) Proposed() []byte { return m.Buf.B[m.Nlen:][m.Ref.Gen:] }
func (m *Mail) SetKeyLen(n int)  { m.Ref.Gen = uint32(n) }

// ClientKey begins the key of a client's message, so that it differs from any backend's: no key
// that is sent has this byte, which is not UTF-8.
const ClientKey = 0xFF
