// Package httplite is a minimal, strict HTTP/1.1 parser and response writer that does not allocate. It knows
// nothing of sockets: give it input, and it returns a request or an error; call it to append a response to a
// buffer.
//
// The types to know:
//
//   - Request: one request, parsed as its bytes arrive. Parse returns how many bytes the request took, that it
//     needs more, or what is wrong.
//   - Error: what is wrong, as a Kind and the HTTP status to answer with. AppendError makes it a response.
//   - Limits: bounds on the size of a request.
//   - Response and Body: the client's side. The head is parsed like a request's. The body is returned piece by
//     piece as it arrives, and never collected.
//   - Args, GetArg, Unescape: queries and forms, without copies.
//
// The Append functions build responses; each appends to a slice and returns it.
//
// # Caveats
//
// Everything that an accessor returns is a slice of the input. It is valid until those bytes change; copy it to
// keep it. A chunked body is decoded in place, so Parse writes to its input.
//
// This parser is strict where the RFCs allow a recipient to be lenient. These are errors: bare LF, folded header
// lines, white space before a colon, more than one Content-Length, transfer codings other than chunked, user
// information in a target, and fragments. Lenience about framing lets requests be smuggled past a proxy in front.
// There is one exception: a query may contain any printable ASCII, bytes beyond ASCII, and incomplete escapes,
// because browsers and old clients send them.
//
// testdata/attacks lists what is refused and what is not, with the reasons. Package attacks reads it.
//
// The caller collects the whole body of a request before the request is complete, which is for small bodies.
// Trailers and chunk extensions are checked, bounded and dropped.
//
// A server that answers a CONNECT with anything but a tunnel must close the connection: the bytes that follow are
// meant for the tunnel, and Parse would take them for requests.
//
// Nothing here is safe for use by several goroutines at once, except the functions, and Limits while no goroutine
// writes to it.
package httplite
