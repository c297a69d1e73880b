// Package ccomet parses and renders the texts of CComet's own dialect.
package ccomet

import (
	"slices"
	"strconv"

	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// Responses in CComet's dialect: callback('[…]'), JSON inside a JavaScript string
// in single quotes. A message is rendered once, as it stands there.

// appendQuoted appends text, valid UTF-8, as the inside of a JSON string inside a
// JavaScript string in single quotes. After JSON's escaping there are no control
// characters and no line ends, so the second layer need only escape quotes and
// backslashes.
func appendQuoted(dst, text []byte) []byte {
	at := len(dst)
	dst = jsontext.AppendEscaped(dst, text)
	more := 0
	for _, b := range dst[at:] {
		if b == '\\' || b == '\'' {
			more++
		}
	}
	if more == 0 {
		return dst
	}
	// Move each byte to its place, from the end on.
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
// stores it, and returns the length of that name.
func NameBuffer(channel []byte) (*bytebufferpool.ByteBuffer, uint8) {
	b := bytebufferpool.Get()
	b.B = append(append(b.B[:0], record.CCometMark), channel...)
	return b, uint8(len(b.B))
}

// AppendMessageHead appends a message up to its number, which the channel's home
// will give.
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

// appendMessage appends a message whose content AppendMessageHead has made.
// Numbers start at 1 in the server, and at 0 in the dialect.
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

// AppendArray appends a call of a callback with messages.
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

// AppendBeyond appends a call of a callback that says that the number for which a
// subscriber waits does not exist.
func AppendBeyond(dst, cb []byte) []byte { return AppendStatus(dst, string(cb), "403", "") }

// AppendStatus appends a call of a callback with one word for the result of a
// request, and the reason, if there is any.
func AppendStatus(dst []byte, cb, word, reason string) []byte {
	dst = append(append(append(dst, cb...), `('[{"type" : "`...), word...)
	if reason != "" {
		dst = append(dst, `", "reason" : "`...)
		dst = appendQuoted(dst, []byte(reason))
	}
	return append(dst, `"}]')`...)
}
