package httplite

import "strconv"

// Kind is a rule that a message broke. Its String is the constant's name, for logs and metrics.
type Kind uint8

// The rules, each with the status with which AppendError answers.
const (
	_ Kind = iota // zero: nothing is wrong

	BadRequestLine              // 400: not three parts with one space between them
	BadMethod                   // 400: the method is not a token
	BadTarget                   // 400: the request target has a byte or a form that is not allowed
	BadVersion                  // 400: not HTTP/digit.digit
	UnsupportedVersion          // 505: not HTTP/1.x
	BadStatusLine               // 400: a response's first line is malformed
	BareLF                      // 400: LF without CR before it
	BareCR                      // 400: CR without LF after it
	ObsFold                     // 400: a header line that begins with white space
	SpaceBeforeColon            // 400: white space between a header name and its colon
	BadHeaderName               // 400: empty, without a colon, or not a token
	BadHeaderValue              // 400: a control character other than HTAB
	BadHost                     // 400: the host has a byte or a form that is not allowed
	MissingHost                 // 400: HTTP/1.1 without Host
	DuplicateHost               // 400: more than one Host
	BadContentLength            // 400: not a number
	ConflictingContentLength    // 400: more than one, even if they are identical
	LengthAndChunked            // 400: Content-Length beside Transfer-Encoding
	BadTransferEncoding         // 400: in HTTP/1.0, empty, malformed, or chunked is not the last coding, or there twice
	UnsupportedTransferEncoding // 501: another coding before chunked
	BadExpect                   // 417: an expectation other than 100-continue
	BadChunk                    // 400: a chunk's size, or what follows its data, is malformed
	BadTrailer                  // 400: a trailer line breaks the rules of header lines
	LineTooLong                 // 414: over Limits.Line
	HeadTooLarge                // 431: over Limits.Head, in the head or in the trailers
	TooManyHeaders              // 431: over Limits.Headers
	BodyTooLarge                // 413: over Limits.Body
	ChunkExtTooLarge            // 413: chunk extensions and padding over Limits.Head in total

	numKinds
)

// Error is the error type of the parsers. Values without a Limit are shared: do not change them.
type Error struct {
	Kind   Kind
	Status int    // the HTTP status to answer with
	Reason string // one line of text, without the limit's number
	Limit  int    // the number of the limit that was exceeded; else 0
}

// Error returns one line of plain text, which names a limit that was exceeded and its number. It contains nothing
// that the client sent, so it may be sent to the client.
func (e *Error) Error() string {
	if e.Limit == 0 {
		return e.Reason
	}
	return string(e.appendText(nil))
}

// Is reports whether target is an *Error of the same Kind, with any limit, for errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}

func (e *Error) appendText(dst []byte) []byte {
	dst = append(dst, e.Reason...)
	if e.Limit == 0 {
		return dst
	}
	dst = append(dst, ": the limit is "...)
	dst = strconv.AppendInt(dst, int64(e.Limit), 10)
	if e.Kind == TooManyHeaders {
		return append(dst, " fields"...)
	}
	return append(dst, " bytes"...)
}

// String returns the constant's name, or "Kind(n)" for an unknown value.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// faults holds one Error for each kind, so that an error without a limit's number costs no allocation.
var faults = [numKinds]Error{
	BadRequestLine:              {Status: 400, Reason: "malformed request line"},
	BadMethod:                   {Status: 400, Reason: "malformed method"},
	BadTarget:                   {Status: 400, Reason: "malformed request target"},
	BadVersion:                  {Status: 400, Reason: "malformed HTTP version"},
	UnsupportedVersion:          {Status: 505, Reason: "only HTTP/1.x is spoken here"},
	BadStatusLine:               {Status: 400, Reason: "malformed status line"},
	BareLF:                      {Status: 400, Reason: "LF without CR"},
	BareCR:                      {Status: 400, Reason: "CR without LF"},
	ObsFold:                     {Status: 400, Reason: "header line begins with white space"},
	SpaceBeforeColon:            {Status: 400, Reason: "white space before the colon of a header"},
	BadHeaderName:               {Status: 400, Reason: "malformed header name"},
	BadHeaderValue:              {Status: 400, Reason: "control character in a header value"},
	BadHost:                     {Status: 400, Reason: "malformed host"},
	MissingHost:                 {Status: 400, Reason: "Host header is missing"},
	DuplicateHost:               {Status: 400, Reason: "more than one Host header"},
	BadContentLength:            {Status: 400, Reason: "malformed Content-Length"},
	ConflictingContentLength:    {Status: 400, Reason: "more than one Content-Length"},
	LengthAndChunked:            {Status: 400, Reason: "both Content-Length and Transfer-Encoding"},
	BadTransferEncoding:         {Status: 400, Reason: "malformed or misplaced Transfer-Encoding"},
	UnsupportedTransferEncoding: {Status: 501, Reason: "the only transfer coding spoken here is chunked"},
	BadExpect:                   {Status: 417, Reason: "the only expectation met here is 100-continue"},
	BadChunk:                    {Status: 400, Reason: "malformed chunk"},
	BadTrailer:                  {Status: 400, Reason: "malformed trailer"},
	LineTooLong:                 {Status: 414, Reason: "first line too long"},
	HeadTooLarge:                {Status: 431, Reason: "header too large"},
	TooManyHeaders:              {Status: 431, Reason: "too many header fields"},
	BodyTooLarge:                {Status: 413, Reason: "body too large"},
	ChunkExtTooLarge:            {Status: 413, Reason: "chunk extensions too large"},
}

func init() {
	for k := range faults {
		faults[k].Kind = Kind(k)
	}
}

var kindNames = [numKinds]string{
	BadRequestLine:              "BadRequestLine",
	BadMethod:                   "BadMethod",
	BadTarget:                   "BadTarget",
	BadVersion:                  "BadVersion",
	UnsupportedVersion:          "UnsupportedVersion",
	BadStatusLine:               "BadStatusLine",
	BareLF:                      "BareLF",
	BareCR:                      "BareCR",
	ObsFold:                     "ObsFold",
	SpaceBeforeColon:            "SpaceBeforeColon",
	BadHeaderName:               "BadHeaderName",
	BadHeaderValue:              "BadHeaderValue",
	BadHost:                     "BadHost",
	MissingHost:                 "MissingHost",
	DuplicateHost:               "DuplicateHost",
	BadContentLength:            "BadContentLength",
	ConflictingContentLength:    "ConflictingContentLength",
	LengthAndChunked:            "LengthAndChunked",
	BadTransferEncoding:         "BadTransferEncoding",
	UnsupportedTransferEncoding: "UnsupportedTransferEncoding",
	BadExpect:                   "BadExpect",
	BadChunk:                    "BadChunk",
	BadTrailer:                  "BadTrailer",
	LineTooLong:                 "LineTooLong",
	HeadTooLarge:                "HeadTooLarge",
	TooManyHeaders:              "TooManyHeaders",
	BodyTooLarge:                "BodyTooLarge",
	ChunkExtTooLarge:            "ChunkExtTooLarge",
}
