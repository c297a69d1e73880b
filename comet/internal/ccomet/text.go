// Package ccomet is CComet's own dialect, as bytes: its queries and its texts.
package ccomet

import (
	"slices"
	"strconv"

	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// What is sent in CComet's dialect: callback('[…]'), JSON inside a JavaScript
// string in single quotes. A message is rendered once, as it stands there.

// appendQuoted appends text, valid UTF-8, as the inside of a JSON string that is
// inside a JavaScript string in single quotes. What JSON's escaping leaves has no
// control characters and no line ends, so quotes and backslashes are all that
// the second layer must see to.
func appendQuoted(dst, text []byte) []byte {
	at := len(dst)
	dst = msg.AppendEscaped(dst, text)
	more := 0
	for _, b := range dst[at:] {
		if b == '\\' || b == '\'' {
			more++
		}
	}
	if more == 0 {
		return dst
	}
	// From the end on, each byte goes where it belongs.
	from := len(dst) - 1
	dst = slices.Grow(dst, more)[:len(dst)+more]
	for to := len(dst) - 1; to > from; from-- {
		b := dst[from]
		dst[to] = b
		to--
		if b == '\\' || b == '\'' {
			dst[to] = '\\'
			to--
		}
	}
	return dst
}

// NameBuffer borrows a buffer that begins with a channel's name as its home
// knows it, and returns that name's length.
func NameBuffer(channel []byte) (*bytebufferpool.ByteBuffer, uint8) {
	b := bytebufferpool.Get()
	b.B = append(append(b.B[:0], record.CCometMark), channel...)
	return b, uint8(len(b.B))
}

// AppendMessageHead appends a message up to its number, which the channel's home
// gives it.
func AppendMessageHead(dst []byte, sign bool, q *Query) []byte {
	if sign {
		dst = append(dst, `{ "type":"SIGN","msg":"SIGN`...)
	} else {
		dst = append(dst, `{ "type":"MSG","msg":"`...)
		dst = appendQuoted(dst, q.Msg)
	}
	dst = append(dst, `","sname":"`...)
	dst = appendQuoted(dst, q.Sname)
	return append(dst, `","seqid":"`...)
}

// appendMessage appends a message, whose content AppendMessageHead has made.
// Numbers begin with 1 in the server, and with 0 in the dialect.
func appendMessage(dst []byte, message *msg.Message, cname []byte) []byte {
	return AppendMessageTail(append(dst, message.Content()...), cname, message.Seq)
}

// AppendMessageTail appends a message from its number on.
func AppendMessageTail(dst, cname []byte, seq int32) []byte {
	dst = strconv.AppendInt(dst, int64(seq-1), 10)
	dst = append(dst, `","channel":"`...)
	dst = appendQuoted(dst, cname[1:])
	return append(dst, msg.ObjectTail...)
}

// AppendArray appends the call of a callback with messages.
func AppendArray(dst, cb []byte, msgs []*msg.Message, cname []byte) []byte {
	dst = append(append(dst, cb...), "('["...)
	for n, message := range msgs {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendMessage(dst, message, cname)
	}
	return append(dst, "]')"...)
}

// AppendBeyond appends the call of a callback that says that the number which a
// subscriber waits for is none.
func AppendBeyond(dst, cb []byte) []byte { return AppendStatus(dst, string(cb), "403", "") }

// AppendStatus appends the call of a callback with one word on how a
// request went, and why, if there is anything to say.
func AppendStatus(dst []byte, cb, word, reason string) []byte {
	dst = append(append(append(dst, cb...), `('[{"type" : "`...), word...)
	if reason != "" {
		dst = append(dst, `", "reason" : "`...)
		dst = appendQuoted(dst, []byte(reason))
	}
	return append(dst, `"}]')`...)
}
