package httplite

import (
	"strconv"
	"time"
)

// LastChunk ends a chunked body that has no trailers.
const LastChunk = "0\r\n\r\n"

// Continue is the complete interim response to send when Request.WantsContinue reports true.
const Continue = "HTTP/1.1 100 Continue\r\n\r\n"

// AppendStatus appends a status line, such as "HTTP/1.1 200 OK" and CRLF. A status without a known text gets an
// empty reason. A status outside 100 to 999 cannot be sent: 500 replaces it.
func AppendStatus(dst []byte, status int) []byte {
	if status < 100 || status > 999 {
		status = 500
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, StatusText(status)...)
	return append(dst, "\r\n"...)
}

// AppendHeader appends a header line. The caller must make sure that the name is a token. The value may come from
// anywhere: characters that it must not contain (CR, LF, other controls) become spaces, as RFC 9110 5.5 allows, so
// that no value can end the line.
func AppendHeader(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	at := len(dst)
	dst = append(dst, value...)
	clean(dst[at:])
	return append(dst, "\r\n"...)
}

// AppendHeaderBytes is AppendHeader for a value in bytes.
func AppendHeaderBytes(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	at := len(dst)
	dst = append(dst, value...)
	clean(dst[at:])
	return append(dst, "\r\n"...)
}

func clean(value []byte) {
	if validValue(value) {
		return
	}
	for i, c := range value {
		if class[c]&isValue == 0 {
			value[i] = ' '
		}
	}
}

// AppendHeaderInt appends a header line whose value is a decimal number, such as Content-Length.
func AppendHeaderInt(dst []byte, name string, v int64) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = strconv.AppendInt(dst, v, 10)
	return append(dst, "\r\n"...)
}

// AppendDate appends a Date header line for t, in the one format that may be sent (IMF-fixdate, RFC 9110 5.6.7).
func AppendDate(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n")
}

// EndHeaders appends the empty line that ends a head.
func EndHeaders(dst []byte) []byte { return append(dst, "\r\n"...) }

// AppendChunk appends payload as one chunk. For an empty payload it appends nothing, because an empty chunk would
// end the body (see LastChunk).
func AppendChunk(dst, payload []byte) []byte {
	if len(payload) == 0 {
		return dst
	}
	dst = AppendChunkHead(dst, len(payload))
	dst = append(dst, payload...)
	return append(dst, "\r\n"...)
}

// AppendChunkHead appends the size line of a chunk of size bytes, size > 0. The caller must append the data and
// CRLF.
func AppendChunkHead(dst []byte, size int) []byte {
	dst = strconv.AppendInt(dst, int64(size), 16)
	return append(dst, "\r\n"...)
}

// AppendError appends a complete response that says what was wrong and closes the connection.
func AppendError(dst []byte, e *Error) []byte {
	var scratch [128]byte
	text := append(e.appendText(scratch[:0]), '\n')
	dst = AppendStatus(dst, e.Status)
	dst = AppendHeader(dst, "Content-Type", "text/plain; charset=utf-8")
	dst = AppendHeader(dst, "X-Content-Type-Options", "nosniff")
	dst = AppendHeaderInt(dst, "Content-Length", int64(len(text)))
	dst = AppendHeader(dst, "Connection", "close")
	dst = EndHeaders(dst)
	return append(dst, text...)
}

// AppendRequestLine appends a request line, such as "GET /x HTTP/1.1" and CRLF. The caller must make sure that
// method and target are valid: AppendEscape makes any text valid in a target.
func AppendRequestLine(dst []byte, method, target string) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	return append(dst, " HTTP/1.1\r\n"...)
}
