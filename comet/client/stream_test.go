package client

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// longest is the most bytes of an event that tests read.
const longest = 100_000

// readStream reads a stream whose input comes in pieces, and returns its messages.
func readStream(in io.Reader) (got []string, err error) {
	s := newEventStream(in, func(d time.Duration) { got = append(got, "retry "+d.String()) })
	s.most = longest
	for {
		data, err := s.next()
		if err != nil {
			return got, err
		}
		got = append(got, string(data))
	}
}

// Streams that the HTML standard allows (9.2.5, 9.2.6). The result does not depend on where the
// input is cut.
func TestEventStream(t *testing.T) {
	for _, c := range []struct {
		stream string
		want   []string
	}{
		{"data: a\n\ndata: b\n\n", []string{"a", "b"}},
		{"data: a\r\rdata: b\r\r", []string{"a", "b"}},
		{"data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		{"data: a\r\n\ndata: b\n\r\ndata: c\n\rdata: d\r\n\r", []string{"a", "b", "c", "d"}},
		{"data: a\r\ndata: b\rdata: c\ndata: d\n\n", []string{"a\nb\nc\nd"}},
		{"\uFEFFdata: a\n\n\uFEFFdata: b\n\ndata: \uFEFFc\n\n", []string{"a", "\uFEFFc"}},
		{"\uFEFF\uFEFFdata: a\n\ndata: b\n\n", []string{"b"}},
		{"\uFEFF\n\ndata: a\n\n", []string{"a"}},
		{": a comment\ndata: a\n:\n: another: data: x\ndata: b\n\n:\n\n", []string{"a\nb"}},
		{"data:a\n\ndata:  a\n\ndata:\ta\n\ndata:a: b\n\n", []string{"a", " a", "\ta", "a: b"}},
		{"data\n\ndata:\n\ndata: \n\n", nil}, // the standard has events with empty data; the server sends none
		{"data\ndata\n\n", []string{"\n"}},
		{"data: a\ndata:\n\n", []string{"a\n"}},
		{"data:\ndata: a\n\n", []string{"\na"}},
		{"data : a\n data: a\nDATA: a\ndat: a\ndataa: a\n\n", nil},
		{"event: message\ndata: a\n\nevent: other\ndata: b\n\nevent\ndata: c\n\nevent: other\nevent:\ndata: d\n\n", []string{"a", "c", "d"}},
		{"event: other\n\ndata: a\n\n", []string{"a"}},
		{"id: 1\x00\ndata: a\nid\n\nid: 2\n\nfoo\nfoo: bar\ndata: b\n\n", []string{"a", "b"}},
		{"retry: 50\ndata: a\n\nretry:60\n", []string{"retry 50ms", "a", "retry 60ms"}},
		{"retry: +5\nretry: -5\nretry: 5s\nretry: 5.0\nretry:  5\nretry:\nretry\nretry: 99999999999\nretry: 0x5\n\n", nil},
		{"retry: 007\n\n", []string{"retry 7ms"}},
		{"data: a\n\ndata: b\n", []string{"a"}},
		{"data: a\n\ndata: b", []string{"a"}},
		{"data: a\r", nil},
		{"data: a\r\r", []string{"a"}},
		{"data: a\x00b\u2028\u0085\v\f\n\n", []string{"a\x00b\u2028\u0085\v\f"}}, // none of these bytes ends a line
		{"", nil},
		{"\n\r\n\r\n\n", nil},
	} {
		for name, in := range map[string]io.Reader{"whole": strings.NewReader(c.stream), "byte by byte": iotest.OneByteReader(strings.NewReader(c.stream))} {
			if got, err := readStream(in); err != io.EOF || !slices.Equal(got, c.want) {
				t.Errorf("%q, %s: %q, %v, want %q", c.stream, name, got, err, c.want)
			}
		}
		for cut := range len(c.stream) {
			in := io.MultiReader(strings.NewReader(c.stream[:cut]), strings.NewReader(c.stream[cut:]))
			if got, err := readStream(in); err != io.EOF || !slices.Equal(got, c.want) {
				t.Errorf("%q, cut at %d: %q, %v, want %q", c.stream, cut, got, err, c.want)
			}
		}
	}
}

// The length of an event is limited, in all its parts. The length of a stream is not.
func TestEventStreamLimit(t *testing.T) {
	want := fmt.Sprintf("an event is longer than %d bytes", longest)
	for _, c := range []struct {
		name, event string
		tooLong     bool
	}{
		{"a line", strings.Repeat("x", longest+1), true},
		{"lines", strings.Repeat("data: xxx\n", longest/4+1), true},
		{"lines without data", strings.Repeat("data\n", longest+1), true},
		{"a comment", ":" + strings.Repeat("x", longest), true},
		{"comments", strings.Repeat(":"+strings.Repeat("x", 999)+"\n", longest/500) + "data: b\n\n", false},
		{"other fields", strings.Repeat("id: 7\n", longest) + "data: b\n\n", false},
		{"the longest", "data: " + strings.Repeat("b", longest-len("data: ")) + "\n\n", false},
	} {
		got, err := readStream(strings.NewReader("data: a\n\n" + c.event))
		if c.tooLong && (err == nil || err.Error() != want || len(got) != 1) || !c.tooLong && (err != io.EOF || len(got) != 2) {
			t.Errorf("%s: %.20q, %v", c.name, got, err)
		}
	}
}

// A reader waits no longer than its timer, which does not run between reads.
func TestImpatient(t *testing.T) {
	timer := time.AfterFunc(time.Hour, func() {})
	runs := func() bool { return timer.Stop() }
	in := impatient{timer: timer, most: time.Hour}
	in.Reader = readerFunc(func(p []byte) (int, error) {
		if !runs() {
			t.Error("it waits, and no timer runs")
		}
		timer.Reset(time.Hour)
		return len(p), nil
	})
	if n, err := in.Read(make([]byte, 10)); n != 10 || err != nil || runs() {
		t.Errorf("%d, %v; or a timer runs when nothing is waited for", n, err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzEventStream: the result does not depend on where the stream is cut, or on its line ends.
func FuzzEventStream(f *testing.F) {
	for _, stream := range []string{"data: a\r\n\r\ndata: b\n\n", "\uFEFFdata: a\r:\rretry: 5\r\r", "event: x\ndata\ndata\n\n", "id: 1\x00\ndata:a\n\n"} {
		f.Add([]byte(stream), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut uint8) {
		want, _ := readStream(bytes.NewReader(stream))
		at := min(int(cut), len(stream))
		for _, in := range []io.Reader{
			iotest.OneByteReader(bytes.NewReader(stream)), io.MultiReader(bytes.NewReader(stream[:at]), bytes.NewReader(stream[at:])),
			bytes.NewReader(bytes.ReplaceAll(bytes.ReplaceAll(bytes.ReplaceAll(stream, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n")), []byte("\n"), []byte("\r\n"))),
		} {
			if got, err := readStream(in); err != io.EOF || !slices.Equal(got, want) {
				t.Fatalf("%q: %q, %v, want %q", stream, got, err, want)
			}
		}
	})
}
