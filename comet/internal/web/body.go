package web

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"ccomet/httplite"
)

// A POST's body is a form, with parameters, or what is published itself, as it is. What
// is neither is refused: a body that is ignored would be lost in silence. A batch has a type
// of its own (batch.go).
//
//   - A body whose type says so is a form.
//   - So is one of another type, or of none, that has the parameters which the query lacks:
//     many clients send forms without saying that they do.
//   - Any other is the content, where content is published, if its type is one of rawTypes,
//     or none.

// rawTypes are the types of bodies that are content.
var rawTypes = []string{"text/plain", "application/octet-stream", "application/json"}

// readBody notes what the body of a POST is, and says why it cannot be taken, with a status;
// 0 if it can be. Any other request's body has no meaning (RFC 9110 9.3.1).
func (x *exchange) readBody(e *endpoint) (status int, reason string) {
	body := x.req.Body()
	if x.req.Method() != httplite.POST || len(body) == 0 {
		return 0, ""
	}
	if coding := x.req.Header("Content-Encoding"); len(coding) > 0 && !bytes.EqualFold(coding, []byte("identity")) {
		return 415, fmt.Sprintf("Content-Encoding %.100q: want a body without any", coding)
	}
	contentType := x.req.Header("Content-Type")
	switch {
	case e.batch && typeAmong(batchTypes, contentType) < 0:
		return 415, fmt.Sprintf("%s: want Content-Type %s for lines, or %s for an array", typeName(contentType), batchTypes[0], batchTypes[len(batchTypes)-1])
	case e.batch:
		x.raw = body
	case httplite.IsForm(contentType) || x.meansForm(e, body):
		x.form = body
	case !e.publishes:
		return 415, "the body is no form: want application/x-www-form-urlencoded, not " + typeName(contentType)
	case !isRawType(contentType):
		return 415, fmt.Sprintf("Content-Type %s: want application/x-www-form-urlencoded for a form, or %s for a body that is the content",
			typeName(contentType), strings.Join(rawTypes, ", "))
	default:
		x.raw = body
	}
	return 0, ""
}

// meansForm says whether a body is a form although its type does not say so.
func (x *exchange) meansForm(e *endpoint, body []byte) bool {
	query := x.req.Query()
	if x.compat.EveryBodyIsForm {
		return !e.publishes || x.has(query, "content") || x.has(body, "cname") || x.has(body, "content")
	}
	return !x.has(query, "cname") && (x.has(body, "cname") || x.has(body, "content"))
}

// isRawType says whether a body of this type is content. One without a type is bytes (RFC
// 9110 8.3).
func isRawType(contentType []byte) bool {
	return len(mediaType(contentType)) == 0 || typeAmong(rawTypes, contentType) >= 0
}

// mediaType is a Content-Type without its parameters.
func mediaType(contentType []byte) []byte {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	return bytes.TrimSpace(media)
}

// typeAmong is where in a list of types one is, letters in either case; -1: it is none of them.
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
