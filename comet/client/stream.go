package client

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"
)

// maxEvent is the most bytes of one event.
const maxEvent = 16 << 20

// eventStream reads server-sent events according to the HTML standard (9.2.6): lines end with CR, LF or
// both, and an empty line ends an event.
type eventStream struct {
	in     *bufio.Reader
	line   []byte // the line that is being read
	behind bool   // the line before ended with CR: if LF follows, it belongs to that end
	begun  bool   // the first line has been read; only that may begin with a byte order mark
	data   []byte // of the event: its lines, each followed by LF
	kind   []byte // the type of the event
	most   int    // the largest size of an event in bytes
	retry  func(time.Duration)
}

var byteOrderMark = []byte("\uFEFF")

// newEventStream reads in, and calls retry with the reconnection time when the server sets it.
func newEventStream(in io.Reader, retry func(time.Duration)) *eventStream {
	return &eventStream{in: bufio.NewReader(in), most: maxEvent, retry: retry}
}

// next returns the data of the next message, which is valid until the next call. Events of other
// types and events without data are skipped, and so is an incomplete event at the end of the
// stream.
func (s *eventStream) next() ([]byte, error) {
	s.data, s.kind = s.data[:0], s.kind[:0]
	for {
		if err := s.readLine(); err != nil {
			return nil, err
		}
		if len(s.line) > 0 {
			s.field()
			continue
		}
		data := bytes.TrimSuffix(s.data, []byte("\n"))
		if len(data) > 0 && (len(s.kind) == 0 || string(s.kind) == "message") {
			return data, nil
		}
		s.data, s.kind = s.data[:0], s.kind[:0]
	}
}

// readLine reads a line, without its end.
func (s *eventStream) readLine() error {
	s.line = s.line[:0]
	for {
		if s.in.Buffered() == 0 {
			if _, err := s.in.Peek(1); err != nil {
				return err
			}
		}
		piece, _ := s.in.Peek(s.in.Buffered())
		if s.behind && piece[0] == '\n' {
			_, _ = s.in.Discard(1)
			s.behind = false
			continue
		}
		s.behind = false
		end := bytes.IndexAny(piece, "\r\n")
		if end < 0 {
			end = len(piece)
		}
		if len(s.data)+len(s.line)+end > s.most {
			return fmt.Errorf("an event is longer than %d bytes", s.most)
		}
		s.line = append(s.line, piece[:end]...)
		if end == len(piece) {
			_, _ = s.in.Discard(end)
			continue
		}
		s.behind = piece[end] == '\r'
		_, _ = s.in.Discard(end + 1)
		if !s.begun {
			s.begun, s.line = true, bytes.TrimPrefix(s.line, byteOrderMark)
		}
		return nil
	}
}

// field handles a line that is not empty: a field, or a comment, which begins with a colon.
func (s *eventStream) field() {
	name, value, _ := bytes.Cut(s.line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		s.data = append(append(s.data, value...), '\n')
	case "event":
		s.kind = append(s.kind[:0], value...)
	case "retry":
		if wait, ok := parseRetry(string(value)); ok {
			s.retry(wait)
		}
	}
	// An id is the client's place in its channels, which also follows from the messages.
}
