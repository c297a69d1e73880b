package comet

import "strconv"

// transport is how a client wants to be told. The order says nothing.
type transport uint8

const (
	transportStream transport = iota // a JSON line a message
	transportIframe                  // a script element a message
	transportSSE                     // a server-sent event a message
	transportPoll                    // one response, then it asks again
	transportCComet                  // a poll in CComet's dialect
	numTransports
)

// transportRow says all that one transport is: a new one is a row of transports.
type transportRow struct {
	name        string // in figures
	contentType string

	// poll: a response has what there is and ends, and the client asks again. Else it
	// is endless, in chunks where HTTP/1.1 is spoken.
	poll bool
	// events: for a browser's EventSource, whose events say where to resume, and when.
	events bool
	// sessions: a subscriber has a name, and a seat under it at its channel's home; it
	// is told nothing but messages, of which its channel may leave out numbers.
	sessions bool

	// payload appends one message of an endless response, and preface what such a
	// response begins with; nil: nothing.
	payload func(dst, object []byte, id eventID) []byte
	preface func(h *heads, dst []byte) []byte
}

var transports = [numTransports]transportRow{
	transportStream: {name: "stream", contentType: typeJSON, payload: appendLine},
	transportIframe: {name: "iframe", contentType: typeHTML, payload: appendScript, preface: (*heads).appendIframeHead},
	transportSSE:    {name: "sse", contentType: typeSSE, events: true, payload: appendEvent, preface: (*heads).appendRetryTime},
	transportPoll:   {name: "poll", contentType: typeJSON, poll: true},
	transportCComet: {name: "ccomet", contentType: typeScript, poll: true, sessions: true},
}

func (t transport) row() *transportRow { return &transports[t] }

// appendLine appends a line of JSON.
func appendLine(dst, object []byte, _ eventID) []byte {
	return append(append(dst, object...), '\n')
}

// appendScript appends a script element.
func appendScript(dst, object []byte, _ eventID) []byte {
	dst = append(dst, "<script>parent.icomet_cb("...)
	dst = appendForScript(dst, object)
	return append(dst, ");</script>\n"...)
}

// appendEvent appends a server-sent event.
func appendEvent(dst, object []byte, id eventID) []byte {
	if id.retry > 0 {
		dst = appendRetry(dst, id.retry)
	}
	if id.some {
		dst = append(append(dst, "id: "...), id.before...)
		dst = appendPlace(dst, id.seq, id.epoch)
		dst = append(append(dst, id.after...), '\n')
	}
	dst = append(dst, "data: "...)
	dst = append(dst, object...)
	return append(dst, "\n\n"...)
}

// appendRetry appends the line of an event that tells a browser when to come back.
func appendRetry(dst []byte, ms int64) []byte {
	return append(strconv.AppendInt(append(dst, "retry: "...), ms, 10), '\n')
}

const framings = 2 * int(numTransports)

func (f framing) chunked() bool { return f%2 == 0 }

func (f framing) transport() transport { return transport(f / 2) }

// framing is the bytes round a message in an endless response: a transport,
// in chunks (HTTP/1.1) or bare (HTTP/1.0).
type framing uint8

// Where subscribers are counted: at their transport, of which a poll with a callback
// is one of its own.
const (
	listenJSONP = numTransports
	numListens  = listenJSONP + 1
)

// listenNames are those of figures.
func listenNames() (names [numListens]string) {
	for i := range transports {
		names[i] = transports[i].name
	}
	names[listenJSONP] = "jsonp"
	return names
}
