package web

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"ccomet/httplite"
)

// The body of a POST is either a form with parameters, or the content to publish. A body that
// is neither is refused, because ignoring it would lose a message silently. Batches have media
// types of their own (batch.go).
//
//   - A body whose Content-Type is that of a form is a form.
//   - A body of another Content-Type, or of none, is also a form if the query has no cname and
//     the body has parameter cname or content: many clients send forms without the
//     Content-Type.
//   - Any other body is the content, if the endpoint publishes and the type is one of rawTypes
//     or missing.

// rawTypes are the media types of bodies that are the content to publish.
var rawTypes = []string{"text/plain", "application/octet-stream", "application/json"}

// readBody stores the body of a POST as a form or as raw content. If the body is refused, it
// returns the HTTP status and the reason; else status 0. Bodies of other methods are ignored
// (RFC 9110 9.3.1).
func (x *exchange) readBody(e *endpoint) (status int, reason string) {
	body := x.req.Body()
	if x.req.Method() != httplite.POST || len(body) == 0 {
		return 0, ""
	}
	if coding := x.req.Header("Content-Encoding"); len(coding) > 0 && !bytes.EqualFold(coding, []byte("identity")) {
		return 415, fmt.Sprintf("Content-Encoding %.100q: send the body without one", coding)
	}
	contentType := x.req.Header("Content-Type")
	switch {
	case e.batch && typeAmong(batchTypes, contentType) < 0:
		return 415, fmt.Sprintf("%s: want Content-Type %s for lines, or %s for an array", typeName(contentType), batchTypes[0], batchTypes[len(batchTypes)-1])
	case e.batch:
		return x.takeRaw(contentType)
	case httplite.IsForm(contentType) || x.meansForm(e, body):
		x.form = body
	case !e.publishes:
		return 415, "the body is not a form: want application/x-www-form-urlencoded, not " + typeName(contentType)
	case !isRawType(contentType):
		return 415, fmt.Sprintf("Content-Type %s: want application/x-www-form-urlencoded for a form, or %s for a body that is the content",
			typeName(contentType), strings.Join(rawTypes, ", "))
	default:
		return x.takeRaw(contentType)
	}
	return 0, ""
}

// takeRaw stores a body that is not a form, unless its type names another charset than UTF-8: bytes of
// UTF-16 can be valid UTF-8, and would be published as other text.
func (x *exchange) takeRaw(contentType []byte) (status int, reason string) {
	if charset := charsetOf(contentType); !slices.ContainsFunc(charsets, func(known string) bool { return bytes.EqualFold(charset, []byte(known)) }) {
		return 415, fmt.Sprintf("charset %.100q: send the body as UTF-8", charset)
	}
	x.raw = x.req.Body()
	return 0, ""
}

// charsets are those of which every text is UTF-8; empty if the type names none.
var charsets = []string{"", "utf-8", "utf8", "us-ascii", "ascii"}

// charsetOf returns the parameter charset of a Content-Type, or nothing.
func charsetOf(contentType []byte) []byte {
	for part := range bytes.SplitSeq(contentType, []byte(";")) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(part), []byte("="))
		if bytes.EqualFold(name, []byte("charset")) {
			return bytes.Trim(value, `"`)
		}
	}
	return nil
}

// meansForm reports whether a body is a form although its Content-Type does not say so.
func (x *exchange) meansForm(e *endpoint, body []byte) bool {
	query := x.req.Query()
	if x.compat.EveryBodyIsForm {
		return !e.publishes || x.has(query, "content") || x.has(body, "cname") || x.has(body, "content")
	}
	return !x.has(query, "cname") && (x.has(body, "cname") || x.has(body, "content"))
}

// isRawType reports whether a body of this type is content. A missing type means arbitrary
// bytes (RFC 9110 8.3).
func isRawType(contentType []byte) bool {
	return len(mediaType(contentType)) == 0 || typeAmong(rawTypes, contentType) >= 0
}

// mediaType returns a Content-Type without its parameters.
func mediaType(contentType []byte) []byte {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	return bytes.TrimSpace(media)
}

// typeAmong returns the index of a media type in types, ignoring case, or -1.
func typeAmong(types []string, contentType []byte) int {
	media := mediaType(contentType)
	return slices.IndexFunc(types, func(t string) bool { return bytes.EqualFold(media, []byte(t)) })
}

func typeName(contentType []byte) string {
	if len(contentType) == 0 {
		return "a body without a Content-Type"
	}
	return fmt.Sprintf("%.100q", contentType)
}
