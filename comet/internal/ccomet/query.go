package ccomet

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"ccomet/comet/internal/record"
	"ccomet/httplite"
)

// Query is the parameters of a request in CComet's dialect. A missing parameter is
// nil; others are decoded, and valid while the request is served.
//
// The dialect's client puts user input into the address without escapes: names, in
// which it writes "<" and ">" as "&lt;" and "&gt;", and the message. The message
// comes last, except for "&time=" and what a JSONP library appends.
type Query struct {
	Channel, Sname, Seqid, Msg, Callback []byte

	Room []byte // memory for decoded parameters
}

// Read parses a request's query.
func (q *Query) Read(query []byte) {
	*q = Query{Room: q.Room[:0]}
	head, msg, tail := cutMessage(query)
	q.readPiece(head)
	q.readPiece(tail)
	if msg != nil {
		q.Msg = q.decode(msg)
	}
}

// cutMessage cuts the message out of a query. It extends from the first "msg=" to
// the last "&time=" after it. If that leaves no callback, as in a request that was
// not made by the client, it extends to the last "&callback=".
func cutMessage(query []byte) (head, msg, tail []byte) {
	key := []byte("msg=")
	at := 0
	if !bytes.HasPrefix(query, key) {
		if at = bytes.Index(query, []byte("&msg=")) + 1; at == 0 {
			return query, nil, nil
		}
	}
	head, msg = query[:at], query[at+len(key):]
	end := bytes.LastIndex(msg, []byte("&time="))
	if end < 0 {
		end = len(msg)
	}
	callback := []byte("callback=")
	if !bytes.HasPrefix(head, callback) && !bytes.Contains(head, []byte("&callback=")) && !bytes.Contains(msg[end:], []byte("&callback=")) {
		if i := bytes.LastIndex(msg[:end], []byte("&callback=")); i >= 0 {
			end = i
		}
	}
	return head, msg[:end], msg[end:]
}

// readPiece parses the parameters in a piece of a query. If there are two with the
// same name, the first counts.
func (q *Query) readPiece(raw []byte) {
	for len(raw) > 0 {
		end := pieceEnd(raw)
		key, value, ok := bytes.Cut(raw[:end], []byte("="))
		raw = raw[min(end+1, len(raw)):]
		if !ok {
			continue
		}
		var to *[]byte
		switch string(key) {
		case "channel":
			to = &q.Channel
		case "sname":
			to = &q.Sname
		case "seqid":
			to = &q.Seqid
		case "callback":
			to = &q.Callback
		}
		if to != nil && *to == nil {
			*to = q.decode(value)
		}
	}
}

// pieceEnd returns where the first parameter of a query ends: at an "&" that does
// not begin one of the client's own escapes.
func pieceEnd(raw []byte) int {
	for at := 0; ; at++ {
		i := bytes.IndexByte(raw[at:], '&')
		if i < 0 {
			return len(raw)
		}
		at += i
		if rest := raw[at+1:]; !bytes.HasPrefix(rest, []byte("lt;")) && !bytes.HasPrefix(rest, []byte("gt;")) {
			return at
		}
	}
}

// decode decodes a parameter. It decodes escapes of whole characters. Anything
// else that looks like an escape was typed by a user, and stays.
func (q *Query) decode(src []byte) []byte {
	at := len(q.Room)
	for i := 0; i < len(src); {
		b := src[i]
		switch {
		case b == '+':
			q.Room = append(q.Room, ' ')
			i++
		case b == '%':
			var character [utf8.UTFMax]byte
			n := escapedCharacter(&character, src[i:])
			if n == 0 {
				q.Room = append(q.Room, b)
				i++
			}
			q.Room = append(q.Room, character[:n]...)
			i += 3 * n
		case b < utf8.RuneSelf:
			q.Room = append(q.Room, b)
			i++
		default:
			// Raw bytes come from old browsers, not always as UTF-8: nothing else
			// may be passed on.
			r, n := utf8.DecodeRune(src[i:])
			q.Room = utf8.AppendRune(q.Room, r)
			i += n
		}
	}
	if len(q.Room) == at {
		return []byte{} // empty, but not missing
	}
	return q.Room[at:len(q.Room):len(q.Room)]
}

// escapedCharacter decodes the escaped character at the start of src, and returns
// its length in bytes; 0: there is none.
func escapedCharacter(dst *[utf8.UTFMax]byte, src []byte) int {
	for n := range dst {
		if len(src) < 3*n+3 || src[3*n] != '%' {
			return 0
		}
		if len(httplite.AppendUnescape(dst[n:n], src[3*n:3*n+3])) != 1 {
			return 0
		}
		if utf8.FullRune(dst[:n+1]) {
			if r, size := utf8.DecodeRune(dst[:n+1]); r == utf8.RuneError && size <= 1 {
				return 0
			}
			return n + 1
		}
	}
	return 0
}

// CheckNames checks the names, which every request must have.
func (q *Query) CheckNames() error {
	if len(q.Channel) == 0 || len(q.Sname) == 0 {
		return ErrParams
	}
	if err := record.CheckCCometName("channel", q.Channel, record.MaxCCometName); err != nil {
		return err
	}
	return record.CheckCCometName("sname", q.Sname, record.MaxName)
}

// ErrParams is the dialect's error for a parameter that is missing or not a
// number.
var ErrParams = errors.New("error params")
