// Package websocket implements RFC 6455, and permessage-deflate (RFC 7692), for both ends of a connection, on bytes.
// It knows nothing of sockets: give it input, and it returns messages or an error; call it to append a frame to a
// buffer. Reading a frame allocates nothing.
//
// The types to know:
//
//   - ReadHandshake makes a Handshake from a request, or returns the HTTP status with which to refuse it. ReadAnswer
//     is the client's counterpart.
//   - Reader makes messages from input, for all connections of a loop. A connection within a message stores a
//     Partial: a Parser, which is 32 bytes of plain data, and the payload so far. Between two messages nothing is
//     stored.
//   - Parser, which Reader uses, returns the pieces of messages as they arrive, and never collects them.
//   - Rules say which end reads, whether compression was agreed on, and how large a message may be.
//   - Error is what is wrong, as a Kind and the close code with which to end the connection.
//   - AppendFrame and AppendMaskedFrame write a frame of a server and of a client, AppendClose the last one. Head is
//     for frames whose payload is written separately.
//   - Deflater and Inflater compress and decompress messages, each by itself (no context takeover). So a loop needs
//     only one of each, and a message for many clients is compressed once.
//
// # Caveats
//
// Payloads are unmasked in place, so Next writes to its input. What it returns is a slice of that: it is valid until
// those bytes change; copy it to keep it.
//
// A control frame is returned when it is complete. Until then the caller keeps its bytes, fewer than 14 + MaxControl.
// This package answers neither pings nor Close frames. Do not read what follows a Close frame. The caller must limit
// how many control frames a peer may send.
//
// Text is checked to be UTF-8 as it arrives; compressed text is checked when it is complete. A compressed message is
// collected as it arrives, then decompressed at once, to at most Rules.Message bytes. A byte of a compressed message
// that was made to be expensive takes some 0.1 µs of CPU time, several hundred times as long as a plain one. So with
// compression Rules.Message also bounds how long one message delays others.
//
// Nothing here is safe for use by several goroutines at once, except the functions, and Rules and Options while no
// goroutine writes to them.
package websocket
