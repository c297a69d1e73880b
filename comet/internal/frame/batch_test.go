package frame

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// rendered returns a batch with a preface, messages from number 5 on, and a broadcast.
func rendered(f Framing) *Batch {
	b := new(Batch)
	b.Reset(f, record.EpochLeast)
	b.AppendPreface(msg.AppendObject(nil, msg.NextSeq, []byte("room"), 5, ""), 4)
	for n := range int32(4) {
		b.Append(msg.New(msg.Data, 5+n, bytes.Repeat([]byte("<&"), int(n*n*n)*10)), []byte("room"))
	}
	b.Append(msg.New(msg.Broadcast, 9, []byte("to all")), []byte("room"))
	return b
}

// body returns the body of a response that consists of these bytes and a last chunk, as
// net/http reads it.
func body(t *testing.T, chunks []byte) string {
	t.Helper()
	head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head+string(chunks)+string(LastChunk))), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%v in %q", err, chunks)
	}
	return string(text)
}

// TestChunks: a framing in chunks has the same bytes as the bare one, with a chunk for each
// object.
func TestChunks(t *testing.T) {
	for _, transport := range []Transport{Stream, Iframe, SSE} {
		chunked, bare := rendered(FramingOf(transport, false)), rendered(FramingOf(transport, true))
		if got, want := body(t, chunked.Buf), string(bare.Buf); got != want {
			t.Errorf("%s: in chunks %q, bare %q", transport.Row().name, got, want)
		}
		for from := -1; from < len(chunked.Ends); from++ {
			if got, want := body(t, chunked.Buf[chunked.Start(from):]), string(bare.Buf[bare.Start(from):]); got != want {
				t.Errorf("%s, from message %d: in chunks %q, bare %q", transport.Row().name, from, got, want)
			}
		}
	}
}

// TestRest: wherever a write ends, what is written next continues there, and is followed by
// the messages that it does not finish.
func TestRest(t *testing.T) {
	for f := range Framing(Framings) {
		if f.transport().Row().payload == nil {
			continue // a poll: it has no batches
		}
		b := rendered(f)
		var cut *reactor.Frame
		for pos := range b.Buf {
			frame, at, through := b.Rest(pos, cut)
			if got := string(b.Buf[:pos]) + string(frame.Bytes[at:]) + string(b.Buf[b.Start(through):]); pos >= b.Head && got != string(b.Buf) {
				t.Fatalf("%s, cut after %d bytes: %q", f.transport().Row().name, pos, got)
			}
			if through == 0 && string(b.Buf[:pos])+string(frame.Bytes[at:]) != string(b.Buf[:b.Head]) {
				t.Fatalf("%s, cut after %d bytes of the preface: %q", f.transport().Row().name, pos, frame.Bytes)
			}
			if cut != nil && bytes.Equal(cut.Bytes, frame.Bytes) && cut != frame {
				t.Fatalf("%s, cut after %d bytes: the same message is copied again", f.transport().Row().name, pos)
			}
			if through > 0 {
				cut = frame
			}
		}
	}
}

// TestEpochIsTold: an object that must contain the epoch does, and the batch says how many
// messages a client must have to know it.
func TestEpochIsTold(t *testing.T) {
	epoch := fmt.Sprintf(`"epoch":"%s"`, record.AppendEpoch(nil, record.EpochLeast))
	for told := -1; told < 3; told++ { // -1: in no object; 0: in the preface; 2: in the second message
		b := new(Batch)
		b.Reset(FramingOf(Stream, true), record.EpochLeast)
		b.Tell = told == 0
		b.AppendPreface([]byte(`{"type":"noop"}`), 0)
		for n := range 3 {
			b.Tell = b.Tell || told == n+1
			b.Append(msg.New(msg.Data, int32(n+1), nil), []byte("room"))
		}
		for messages := range 4 {
			text := string(b.Buf[:b.Head])
			if messages > 0 {
				text = string(b.Buf[:b.Ends[messages-1]])
			}
			if got, want := b.WasTold(messages), strings.Contains(text, epoch); got != want {
				t.Errorf("told in object %d: after %d messages, %v, want %v: %q", told, messages, got, want, text)
			}
		}
	}
}

// TestAppendForScript: no "<" is left, which might end the script element.
func TestAppendForScript(t *testing.T) {
	for text, want := range map[string]string{
		``: ``, `{}`: `{}`, `"<"`: `"\u003c"`, `"</script><!--"`: `"\u003c/script>\u003c!--"`,
	} {
		if got := string(appendForScript(nil, []byte(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestAppendPlace: the places of an event's id.
func TestAppendPlace(t *testing.T) {
	for _, c := range []struct {
		seq   int32
		epoch uint32
		want  string
	}{
		{7, record.EpochNone, "7"},
		{7, record.EpochLeast, "7.0000005"},
		{7, record.EpochClosed, "closed"},
		{7, record.EpochDenied, "denied"},
	} {
		if got := string(AppendPlace(nil, c.seq, c.epoch)); got != c.want {
			t.Errorf("number %d, epoch %d: %q, want %q", c.seq, c.epoch, got, c.want)
		}
	}
}
