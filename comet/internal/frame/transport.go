package frame

import (
	"strconv"

	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/msg"
	"ccomet/httplite/websocket"
)

// Transport is the way in which a subscriber is sent messages. The order decides
// nothing: all that is known of a transport is its row of transports.
type Transport uint8

const (
	Stream           Transport = iota // a JSON line a message
	Iframe                            // a script element a message
	SSE                               // a server-sent event a message
	Poll                              // one response, then it asks again
	CComet                            // a poll in CComet's dialect
	WebSocket                         // a text frame a message
	WebSocketDeflate                  // the same, and what goes to many is compressed
	numTransports
)

// Row is all that one transport is. A new transport is a constant above and a row of
// transports; the endpoint that subscribes by it names it.
type Row struct {
	name        string // in figures
	ContentType string
	Side        uint8 // of its clients; conn.Front if it is left out

	// poll: a response has what there is and ends, and the client asks again. Else it
	// is endless, in chunks where HTTP/1.1 is spoken.
	Poll bool
	// events: for a browser's EventSource, whose events say where to resume, and when.
	Events bool
	// sessions: a subscriber has a name, and a session under it at its channel's home; it
	// is sent nothing but messages, of which its channel may leave out numbers.
	Sessions bool
	// Body appends what a subscriber with a session is sent of messages, and Beyond that
	// the number which it waits for is none: as calls of its callback.
	Body   func(dst, callback []byte, msgs []*msg.Message, cname []byte) []byte
	Beyond func(dst, callback []byte) []byte
	// sockets: a WebSocket. Its head is another, channels come and go on it while it is
	// open, pings are its noops, and what ends it is a frame.
	Sockets bool
	// deflate: the client inflates what is compressed.
	Deflate bool

	// payload appends one message of an endless response, and Preface what such a
	// response begins with; nil: nothing. A poll has neither.
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

// Framing is the bytes around a message in an endless response: those of a transport,
// in chunks (HTTP/1.1) or bare (HTTP/1.0; and WebSockets, which have none). It indexes
// tables of Framings entries.
type Framing uint8

// Framings is the number of framings.
const Framings = 2 * int(numTransports)

// FramingOf is the framing of a transport's responses.
func FramingOf(t Transport, http10 bool) Framing {
	f := Framing(2 * t)
	if http10 {
		f++
	}
	return f
}

func (f Framing) chunked() bool { return f%2 == 0 && !f.transport().Row().Sockets }

func (f Framing) transport() Transport { return Transport(f / 2) }

// Where subscribers are counted: at their transport, of which a poll with a callback
// is one of its own.
const (
	JSONP      = numTransports
	NumCounted = JSONP + 1
)

// CountedNames are the names under which figures report what is counted at NumCounted.
func CountedNames() (names [NumCounted]string) {
	for i := range transports {
		names[i] = transports[i].name
	}
	names[JSONP] = "jsonp"
	return names
}
