// Package msg stores messages as they were published, and renders their JSON. A message is
// immutable and shared by all loops.
package msg

import (
	"strconv"
	"unicode/utf8"
	"unsafe"
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
	dst = AppendEscaped(dst, cname)
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendInt(dst, int64(seq), 10)
	return append(dst, `,"content":"`...)
}

const ObjectTail = `"}`

// ObjectRoom bounds the bytes around the content of one message, in any dialect, for a
// channel with that name.
func ObjectRoom(cname []byte) int { return 96 + 4*len(cname) }

const hexDigits = "0123456789abcdef"

// AppendEscaped appends s, valid UTF-8, as the inside of a JSON string that is also a
// JavaScript string: U+2028 and U+2029 are escaped for older readers of JSONP.
func AppendEscaped(dst, s []byte) []byte {
	done := 0
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' && b != 0xE2 {
			continue
		}
		if b == 0xE2 {
			if isLineSeparator(s[i:]) {
				dst = append(dst, s[done:i]...)
				dst = append(dst, `\u202`...)
				dst = append(dst, '8'+s[i+2]-0xA8)
				i += 2
				done = i + 1
			}
			continue
		}
		dst = append(dst, s[done:i]...)
		done = i + 1
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
		}
	}
	return append(dst, s[done:]...)
}

// isLineSeparator reports whether s begins with U+2028 or U+2029.
func isLineSeparator(s []byte) bool {
	return len(s) >= 3 && s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9)
}

// AppendChecked appends s, which should be the inside of a JSON string (RFC 8259 section
// 7). If it is not, ok is false and bad is the index of the error. Escaped surrogates must
// come in pairs: half of one is no character. U+2028 and U+2029 are escaped.
func AppendChecked(dst, s []byte) (out []byte, bad int, ok bool) {
	for i := 0; i < len(s); {
		switch b := s[i]; {
		case b < ' ' || b == '"':
			return dst, i, false
		case b == '\\':
			n := escapeLen(s[i:])
			if n == 0 {
				return dst, i, false
			}
			dst = append(dst, s[i:i+n]...)
			i += n
		case b == 0xE2 && isLineSeparator(s[i:]):
			dst = append(dst, `\u202`...)
			dst = append(dst, '8'+s[i+2]-0xA8)
			i += 3
		case b < utf8.RuneSelf:
			dst = append(dst, b)
			i++
		default:
			r, n := utf8.DecodeRune(s[i:])
			if r == utf8.RuneError && n == 1 {
				return dst, i, false
			}
			dst = append(dst, s[i:i+n]...)
			i += n
		}
	}
	return dst, 0, true
}

// escapeLen returns the length of the escape at the start of s, 0 if it is invalid. A
// surrogate pair is one escape.
func escapeLen(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		switch unit := codeUnit(s); {
		case unit < 0:
			return 0
		case unit < 0xD800 || unit > 0xDFFF:
			return 6
		case unit <= 0xDBFF:
			if low := codeUnit(s[6:]); low >= 0xDC00 && low <= 0xDFFF {
				return 12
			}
		}
	}
	return 0
}

// codeUnit returns the value of the \uXXXX at the start of s, or -1.
func codeUnit(s []byte) int {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	v, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(v)
}
