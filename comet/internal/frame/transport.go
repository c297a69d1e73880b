package frame

import (
	"strconv"

	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/msg"
	"ccomet/httplite/websocket"
)

// Transport is the way in which messages are sent to a subscriber. The order has no
// meaning: all that is known of a transport is in its row of transports.
type Transport uint8

const (
	Stream           Transport = iota // a line of JSON for each message
	Iframe                            // a script element for each message
	SSE                               // a server-sent event for each message
	Poll                              // one response, then the client asks again
	CComet                            // a poll in CComet's dialect
	WebSocket                         // a text frame for each message
	WebSocketDeflate                  // the same, with compression of what goes to many
	numTransports
)

// Row describes one transport. To add a transport, add a constant above and a row of
// transports; the endpoint that subscribes with it names it.
type Row struct {
	name        string // in figures
	ContentType string
	Side        uint8 // of its clients; default conn.Front

	// Poll: a response contains what there is and ends, and the client asks again.
	// Otherwise it is endless, in chunks with HTTP/1.1.
	Poll bool
	// Events: for a browser's EventSource, whose events say where to resume, and when.
	Events bool
	// Sessions: a subscriber has a name, and a session of that name at its channel's
	// home. It is sent only messages. Its channel may skip numbers.
	Sessions bool
	// Body appends messages for a subscriber with a session, Beyond that the number for
	// which it waits does not exist: as calls of its callback.
	Body   func(dst, callback []byte, msgs []*msg.Message, cname []byte) []byte
	Beyond func(dst, callback []byte) []byte
	// Sockets: a WebSocket. It has another head, channels come and go while it is open,
	// its noops are pings, and a frame ends it.
	Sockets bool
	// Deflate: the client accepts compressed messages.
	Deflate bool

	// payload appends one message of an endless response, Preface the beginning of such a
	// response; nil: nothing. A poll has neither.
	payload func(dst, object []byte, id EventID) []byte
	Preface func(h *Heads, dst []byte) []byte
}

var transports = [numTransports]Row{
	Stream: {name: "stream", ContentType: TypeJSON, payload: appendLine},
	Iframe: {name: "iframe", ContentType: typeHTML, payload: appendScript, Preface: (*Heads).appendIframeHead},
	SSE:    {name: "sse", ContentType: TypeSSE, Events: true, payload: appendEvent, Preface: (*Heads).appendRetryTime},
	Poll:   {name: "poll", ContentType: TypeJSON, Poll: true},
	CComet: {
		name: "ccomet", ContentType: TypeScript, Side: conn.CComet,
		Poll: true, Sessions: true, Body: ccomet.AppendArray, Beyond: ccomet.AppendBeyond,
	},

	WebSocket:        {name: "websocket", Sockets: true, payload: appendText},
	WebSocketDeflate: {name: "websocket_deflate", Sockets: true, Deflate: true, payload: appendText},
}

func (t Transport) Row() *Row { return &transports[t] }

// appendLine appends a line of JSON.
func appendLine(dst, object []byte, _ EventID) []byte {
	return append(append(dst, object...), '\n')
}

// appendScript appends a script element.
func appendScript(dst, object []byte, _ EventID) []byte {
	dst = append(dst, "<script>parent.icomet_cb("...)
	dst = appendForScript(dst, object)
	return append(dst, ");</script>\n"...)
}

// appendEvent appends a server-sent event.
func appendEvent(dst, object []byte, id EventID) []byte {
	if id.Retry > 0 {
		dst = appendRetry(dst, id.Retry)
	}
	if id.some {
		dst = append(append(dst, "id: "...), id.before...)
		dst = AppendPlace(dst, id.seq, id.epoch)
		dst = append(append(dst, id.after...), '\n')
	}
	dst = append(dst, "data: "...)
	dst = append(dst, object...)
	return append(dst, "\n\n"...)
}

// appendText appends a frame of a WebSocket.
func appendText(dst, object []byte, _ EventID) []byte {
	return websocket.AppendFrame(dst, websocket.Text, object)
}

// appendRetry appends the line of an event that tells a browser when to come back.
func appendRetry(dst []byte, ms int64) []byte {
	return append(strconv.AppendInt(append(dst, "retry: "...), ms, 10), '\n')
}

// Framing is the bytes around a message in an endless response: those of a transport, in
// chunks (HTTP/1.1) or bare (HTTP/1.0, and WebSockets). It indexes tables of Framings
// entries.
type Framing uint8

// Framings is the number of framings.
const Framings = 2 * int(numTransports)

// FramingOf returns the framing of a transport's responses.
func FramingOf(t Transport, http10 bool) Framing {
	f := Framing(2 * t)
	if http10 {
		f++
	}
	return f
}

func (f Framing) chunked() bool { return f%2 == 0 && !f.transport().Row().Sockets }

func (f Framing) transport() Transport { return Transport(f / 2) }

// Where subscribers are counted: at their transport, but a poll with a callback has one
// of its own.
const (
	JSONP      = numTransports
	NumCounted = JSONP + 1
)

// CountedNames returns the names of these counts in figures.
func CountedNames() (names [NumCounted]string) {
	for i := range transports {
		names[i] = transports[i].name
	}
	names[JSONP] = "jsonp"
	return names
}
