// Package msg stores messages as they were published, and renders their JSON. A message is
// immutable and shared by all loops.
package msg

import (
	"strconv"
	"unsafe"

	"ccomet/comet/internal/jsontext"
)

// Kind is the type of a message on the wire.
type Kind uint8

const (
	Data Kind = iota
	Broadcast
	Close
	Noop
	NextSeq
	Lost
	Error401
	Error429
	Error503
	JoinNotice // one more client has come: it has no number, and is not kept
)

var kindNames = [...]string{"data", "broadcast", "close", "noop", "next_seq", "lost", "401", "429", "503", "SIGN"}

// String returns the type as it is on the wire, or "Kind(n)" for an unknown value.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// KindNames returns the names of all kinds, by number.
func KindNames() []string { return kindNames[:] }

// Message is one message as it was published; each framing renders it. It is immutable, and
// all loops share it; it is not copied, and lies in a block (block.go). A history is a list
// of messages in the order of their numbers. The channel's home sets what follows a message
// when that is published. So a loop that was given a run of messages calls Next only within
// that run.
type Message struct {
	Seq   int32
	n     uint16 // bytes of the content, unless it is stored apart
	Kind  Kind
	place uint8 // offset in its block, in units
}

// apart is content that has memory of its own.
type apart struct {
	content []byte
	sharing *Sharing // nil: it belongs to one message
}

// Sharing counts the histories of one loop that keep the same content, which takes memory
// once for all of them. It belongs to that loop.
type Sharing struct {
	Kept int
	apart
}

// NewSharing returns content for messages to share. It does not copy it. It returns nil for
// empty content.
func NewSharing(content []byte) *Sharing {
	if len(content) == 0 {
		return nil
	}
	s := new(Sharing)
	s.apart = apart{content, s}
	return s
}

// Content returns the shared content, nil for a nil Sharing.
func (s *Sharing) Content() []byte {
	if s == nil {
		return nil
	}
	return s.content
}

// Message makes a message with the shared content.
func (s *Sharing) Message(k Kind, seq int32) *Message {
	if s == nil {
		return New(k, seq, nil)
	}
	return (&apartBlock{apart: &s.apart}).of(k, seq)
}

// New makes a message with a copy of content, in a block of its own.
func New(k Kind, seq int32, content []byte) *Message {
	if len(content) > MaxInside {
		return Of(k, seq, ExactCopy(content))
	}
	return newBlock(blockHead+room(len(content))).put(blockHead, k, seq, content)
}

// Of makes a message that keeps content without a copy.
func Of(k Kind, seq int32, content []byte) *Message {
	b := &own{apart: apart{content: content}}
	b.apartBlock.apart = &b.apart
	return b.of(k, seq)
}

func (b *apartBlock) of(k Kind, seq int32) *Message {
	b.Message = Message{Seq: seq, Kind: k, place: firstApart}
	return &b.Message
}

// ExactCopy copies b without spare capacity.
func ExactCopy(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }

// Content returns the content, JSON-escaped; in CComet's dialect it is everything before
// the number. If it is in the block, it keeps the message alive, and with it all messages
// published after it.
func (m *Message) Content() []byte {
	if apart := m.apart(); apart != nil {
		return apart.content
	}
	return m.inside()[:m.n:m.n]
}

// Len returns the bytes of the content.
func (m *Message) Len() int {
	if apart := m.apart(); apart != nil {
		return len(apart.content)
	}
	return int(m.n)
}

// Apart reports whether the content has memory of its own. Otherwise it is in the block.
func (m *Message) Apart() bool { return m.place == firstApart }

// Shared returns the count of histories that keep the content; nil: it belongs to this
// message.
func (m *Message) Shared() *Sharing {
	if apart := m.apart(); apart != nil {
		return apart.sharing
	}
	return nil
}

// Size returns the bytes of memory that the message takes in a block of its own, without
// content that it shares. Most of a short message is not its text.
func (m *Message) Size() int {
	switch apart := m.apart(); {
	case apart == nil:
		return sizeFor(blockHead + room(int(m.n)))
	case apart.sharing != nil:
		return int(unsafe.Sizeof(apartBlock{}))
	default:
		return int(unsafe.Sizeof(own{})) + cap(apart.content)
	}
}

// AppendTo appends a message as a JSON object.
func (m *Message) AppendTo(dst, cname []byte) []byte {
	return AppendObject(dst, m.Kind, cname, m.Seq, m.Content())
}

// After returns the next message of a run of which n are left, this one included. On the
// last one it does not call Next: the channel's home may be writing what that reads.
func (m *Message) After(n int32) *Message {
	if n <= 1 {
		return nil
	}
	return m.Next()
}

// AppendObject appends {"type":…,"cname":…,"seq":…,"content":…}. content must be
// JSON-escaped; cname is escaped here.
func AppendObject[T []byte | string](dst []byte, k Kind, cname []byte, seq int32, content T) []byte {
	dst = append(AppendObjectHead(dst, k, cname, seq), content...)
	return append(dst, ObjectTail...)
}

// AppendObjectHead appends an object up to its content. ObjectTail must follow the content.
func AppendObjectHead(dst []byte, k Kind, cname []byte, seq int32) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, kindNames[k]...)
	dst = append(dst, `","cname":"`...)
	dst = jsontext.AppendEscaped(dst, cname)
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendInt(dst, int64(seq), 10)
	return append(dst, `,"content":"`...)
}

const ObjectTail = `"}`

// ObjectRoom bounds the bytes around the content of one message, in any dialect, for a
// channel with that name.
func ObjectRoom(cname []byte) int { return 96 + 4*len(cname) }
