// Package httplite is a minimal, strict HTTP/1.1 parser and response writer that does not allocate. It
// knows no sockets: feed it input, get a request or an error; ask it to append a response to a buffer.
//
// The types to know:
//
//   - Request: one request, parsed as its bytes come in. Parse says how many bytes it took, that it needs
//     more, or what is wrong.
//   - Error: what is wrong, as a Kind and the HTTP status to answer with. AppendError makes it a response.
//   - Limits: what a request may cost.
//   - Response and Body: the client's side. The head is parsed like a request's; the body is handed out
//     piece by piece as it comes, and never collected.
//   - Args, GetArg, Unescape: queries and forms, without copies.
//
// Responses are built by the Append functions; all append to a slice and return it.
//
// # Caveats
//
// Everything an accessor returns is a piece of the input: it is valid until those bytes change, and must be
// copied to be kept. A chunked body is decoded in place, so Parse writes to its input.
//
// Where the RFCs let a recipient be lenient, this one is not: bare LF, folded header lines, white space
// before a colon, more than one Content-Length, transfer codings other than chunked, user information in a
// target, and fragments are errors, because lenience about framing is how requests are smuggled past
// a proxy in front. One thing is let pass that the grammar does not know: in a query any printable
// ASCII, bytes beyond it, and escapes that are not whole, since browsers and old clients send them.
//
// What is refused and what is not, with the reasons, can be read in testdata/attacks; package attacks reads it.
//
// A request's whole body is collected by the caller before the request is complete; that is for small
// bodies. Trailers and chunk extensions are checked, bounded and dropped.
//
// A server that answers a CONNECT with anything but a tunnel must close the connection: what follows is meant for the
// tunnel, and Parse would take it for requests.
//
// Nothing here is safe for use by several goroutines at once, except the functions, and Limits while
// no goroutine writes to it.
package httplite
