package comet

import (
	"slices"
	"strconv"

	"github.com/valyala/bytebufferpool"
)

// What is sent in CComet's dialect: callback('[…]'), JSON inside a JavaScript
// string in single quotes. A message is rendered once, as it stands there.

// appendQuoted appends text, valid UTF-8, as the inside of a JSON string that is
// inside a JavaScript string in single quotes. What JSON's escaping leaves has no
// control characters and no line ends, so quotes and backslashes are all that
// the second layer must see to.
func appendQuoted(dst, text []byte) []byte {
	at := len(dst)
	dst = appendEscaped(dst, text)
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

// ccometBuffer borrows a buffer that begins with a channel's name as its home
// knows it, and tells that name's length.
func ccometBuffer(channel []byte) (*bytebufferpool.ByteBuffer, uint8) {
	b := bytebufferpool.Get()
	b.B = append(append(b.B[:0], ccometMark), channel...)
	return b, uint8(len(b.B))
}

// appendCCometHead appends a message up to its number, which the channel's home
// gives it.
func appendCCometHead(dst []byte, sign bool, q *ccometQuery) []byte {
	if sign {
		dst = append(dst, `{ "type":"SIGN","msg":"SIGN`...)
	} else {
		dst = append(dst, `{ "type":"MSG","msg":"`...)
		dst = appendQuoted(dst, q.msg)
	}
	dst = append(dst, `","sname":"`...)
	dst = appendQuoted(dst, q.sname)
	return append(dst, `","seqid":"`...)
}

// appendCCometMessage appends a message, whose content appendCCometHead has made.
// Numbers count from 1, as all do here, and from 0 in the dialect.
func appendCCometMessage(dst []byte, msg *message, cname []byte) []byte {
	return appendCCometTail(append(dst, msg.content...), cname, msg.seq)
}

// appendCCometTail appends a message from its number on.
func appendCCometTail(dst, cname []byte, seq int32) []byte {
	dst = strconv.AppendInt(dst, int64(seq-1), 10)
	dst = append(dst, `","channel":"`...)
	dst = appendQuoted(dst, cname[1:])
	return append(dst, objectTail...)
}

// appendCCometArray appends the call of a callback with messages.
func appendCCometArray(dst, cb []byte, msgs []*message, cname []byte) []byte {
	dst = append(append(dst, cb...), "('["...)
	for n, msg := range msgs {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendCCometMessage(dst, msg, cname)
	}
	return append(dst, "]')"...)
}

// appendCCometStatus appends the call of a callback with one word on how a
// request went, and why, if there is anything to say.
func appendCCometStatus(dst []byte, cb, word, reason string) []byte {
	dst = append(append(append(dst, cb...), `('[{"type" : "`...), word...)
	if reason != "" {
		dst = append(dst, `", "reason" : "`...)
		dst = appendQuoted(dst, []byte(reason))
	}
	return append(dst, `"}]')`...)
}
