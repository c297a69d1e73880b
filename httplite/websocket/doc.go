// Package websocket is RFC 6455, and permessage-deflate (RFC 7692), for both ends of a connection, as bytes. It knows no
// sockets: feed it input, get messages or an error; ask it to append a frame to a buffer. Reading a frame allocates
// nothing.
//
// The types to know:
//
//   - ReadHandshake makes a Handshake of a request, or says with which HTTP status to refuse it. ReadAnswer is the
//     client's side of it.
//   - Reader makes messages of input, for all connections of a loop. What must be kept of a connection within a
//     message is a Partial: a Parser, which is 32 bytes of plain data, and the payload so far. Between two messages
//     nothing is kept.
//   - Parser, below it, hands out the pieces of messages as they come, and never collects them.
//   - Rules say which end reads, whether compression was agreed on, and what a message may cost.
//   - Error is what is wrong, as a Kind and the close code to end the connection with.
//   - AppendFrame and AppendMaskedFrame write a frame of a server and of a client, AppendClose the last one. Head is
//     for frames whose payload is written apart.
//   - Deflater and Inflater compress and inflate messages, each by itself (no context takeover), so that one of each is
//     enough for a loop, and a message that goes to many is compressed once.
//
// # Caveats
//
// Payloads are unmasked where they lie, so Next writes to its input, and what it returns is a piece of that: it is
// valid until those bytes change, and must be copied to be kept.
//
// A control frame is handed out when it is whole; until then its bytes, fewer than 14 + MaxControl, stay with the caller.
// Neither pings nor Close frames are answered here. What follows a Close frame must not be read. The caller limits how
// many control frames a peer may send.
//
// Text is checked to be UTF-8 as it comes; compressed text is checked when it is whole. A compressed message is collected
// as it came, then inflated in one go, to at most Rules.Message bytes. A byte of a compressed message that was made to
// be expensive takes some 0.1 µs of processor time, several hundred times as long as a plain one. So with compression
// Rules.Message also bounds how long one message keeps others waiting.
//
// Nothing here is safe for use by several goroutines at once, except the functions, and Rules and Options while none
// writes to them.
package websocket
