package statefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

var noon = time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC)

// copied writes the content of a file again: the result must be the same.
type copied struct{ w *Writer }

func (c copied) Channel(ch *Channel)                                    { c.w.Channel(ch) }
func (c copied) Message(k msg.Kind, seq int32, content []byte)          { c.w.Message(k, seq, content) }
func (c copied) Shared(k msg.Kind, seq int32, content []byte, _ uint32) { c.w.Shared(k, seq, content) }

func readBytes(file []byte, take Taker) (Head, error) {
	return Read(bytes.NewReader(file), int64(len(file)), take)
}

// copyState reads a file and writes it again.
func copyState(file []byte) ([]byte, error) {
	head, err := readBytes(file, Nobody{})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := NewWriter(&out, head)
	if _, err := readBytes(file, copied{w}); err != nil {
		return nil, err
	}
	err = w.Finish()
	return out.Bytes(), err
}

// sampleState is a small file with some of everything.
func sampleState(gaps int) []byte {
	var out bytes.Buffer
	w := NewWriter(&out, Head{Gaps: gaps, Written: noon, Secret: []byte("s3cret")})
	w.Channel(&Channel{Name: []byte("a"), Next: 4, Lease: noon.UnixMilli(), N: 2, Epoch: 77})
	w.Message(msg.Data, 2, []byte("x"))
	y := []byte("y")
	w.Shared(msg.Broadcast, 3, y)
	w.Channel(&Channel{Name: []byte("b"), Next: 8, N: 1, Epoch: 78})
	w.Shared(msg.Broadcast, 7, y)
	w.Channel(&Channel{Name: []byte("\x01ü"), Next: -5, Epoch: record.EpochFirst, Dialect: record.DialectCComet})
	_ = w.Finish()
	return out.Bytes()
}

// TestDamagedStateIsRefused: every byte changed in several ways, every length, and
// bytes after the end.
func TestDamagedStateIsRefused(t *testing.T) {
	for _, gaps := range []int{0, 1, 2, MaxGaps} {
		file := sampleState(gaps)
		if again, err := copyState(file); err != nil || !bytes.Equal(again, file) {
			t.Fatalf("a good file: %v\n%q\n%q", err, again, file)
		}
		refused := func(what string, bad []byte) {
			t.Helper()
			if _, err := readBytes(bad, Nobody{}); err == nil || !errors.As(err, new(*Error)) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for at := range file {
			for _, flip := range []byte{1, 0x80, 0xFF, 0x20} {
				bad := bytes.Clone(file)
				bad[at] ^= flip
				refused(fmt.Sprintf("byte %d changed by %#x", at, flip), bad)
			}
			refused(fmt.Sprintf("cut at %d", at), file[:at])
		}
		refused("more behind the end", append(bytes.Clone(file), 0))
		refused("twice", append(bytes.Clone(file), file...))
	}
}

// TestForeignStateIsNamed: the error says in words what is wrong.
func TestForeignStateIsNamed(t *testing.T) {
	good := string(sampleState(0))
	for _, c := range []struct{ file, want string }{
		{"", "no state file"},
		{"#!/bin/sh\necho hello world and so on\n", "no state file"},
		{strings.Replace(good, "state 2", "state 3", 1), `it is of version "3", and this server reads versions 1 to 2`},
		{strings.Replace(good, "state 2 ", "state 17 ", 1), `it is of version "17"`},
		{strings.Replace(good, "clean", "clear", 1), "first line is damaged"},
		{good[:len(good)-10], "at byte"},
		{good[:len(good)-41], "the file is cut short"},
	} {
		_, err := readBytes([]byte(c.file), Nobody{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, want %q", c.file, err, c.want)
		}
	}
}

// seal makes a file with valid checksums from records, each a kind and its
// content.
func seal(records ...string) []byte {
	var out bytes.Buffer
	w := NewWriter(&out, Head{Written: noon})
	for _, r := range records {
		w.begin(r[0])
		w.buf = append(w.buf, r[1:]...)
		w.end()
	}
	_ = w.Finish()
	return out.Bytes()
}

// chan1 is the content of a channel's record.
func chan1(dialect byte, next int32, n uint32, name string) string {
	b := []byte{recordChannel, dialect}
	b = binary.BigEndian.AppendUint32(b, uint32(next))
	b = binary.BigEndian.AppendUint64(b, 0)
	b = binary.BigEndian.AppendUint32(b, n)
	b = binary.BigEndian.AppendUint32(b, record.EpochLeast)
	return string(b) + name
}

func msg1(k byte, seq int32) string {
	return string(binary.BigEndian.AppendUint32([]byte{recordMessage, k}, uint32(seq))) + "{}"
}

func body1(n uint32, content string) string {
	return string(binary.BigEndian.AppendUint32([]byte{recordBody}, n)) + content
}

func share1(seq int32, body uint32) string {
	b := binary.BigEndian.AppendUint32([]byte{recordShared, byte(msg.Broadcast)}, uint32(seq))
	return string(binary.BigEndian.AppendUint32(b, body))
}

// TestStateThatMakesNoSense: valid checksums alone do not make a file valid.
func TestStateThatMakesNoSense(t *testing.T) {
	two := chan1(0, 3, 2, "a")
	for _, c := range []struct {
		what    string
		records []string
		good    bool
	}{
		{"nothing", nil, true},
		{"two messages", []string{two, msg1(0, 1), msg1(1, 2)}, true},
		{"a gap", []string{two, msg1(0, -7), msg1(1, 2)}, true},
		{"numbers that wrap", []string{chan1(0, -1<<31, 2, "a"), msg1(0, 1<<31-2), msg1(0, 1<<31-1)}, true},
		{"the same twice", []string{two, msg1(0, 1), msg1(1, 1)}, false},
		{"out of order", []string{two, msg1(0, 2), msg1(1, 1)}, false},
		{"the next one", []string{two, msg1(0, 1), msg1(1, 3)}, false},
		{"too few", []string{two, msg1(0, 1)}, false},
		{"too few before another", []string{two, msg1(0, 1), two, msg1(0, 1), msg1(0, 2)}, false},
		{"too many", []string{two, msg1(0, 0), msg1(0, 1), msg1(0, 2)}, false},
		{"a message of nobody", []string{msg1(0, 1)}, false},
		{"another head", []string{string(rune(recordHead)) + "12345678"}, false},
		{"a kind of record that is none", []string{"x12345678"}, false},
		{"a close", []string{chan1(0, 3, 1, "a"), msg1(byte(msg.Close), 2)}, false},
		{"an empty message", []string{chan1(0, 3, 1, "a"), msg1(0, 2)[:6]}, true},
		{"a message without a number", []string{chan1(0, 3, 1, "a"), msg1(0, 2)[:5]}, false},
		{"a content that is shared", []string{two, body1(0, "x"), share1(1, 0), share1(2, 0)}, true},
		{"two that are", []string{two, body1(0, "x"), share1(1, 0), body1(1, "x"), share1(2, 1)}, true},
		{"a content that has not come", []string{two, body1(0, "x"), share1(1, 0), share1(2, 1)}, false},
		{"none that is shared", []string{two, share1(1, 0), share1(2, 0)}, false},
		{"a content that nobody has", []string{two, body1(0, "x"), msg1(0, 1), msg1(0, 2)}, false},
		{"a content that nobody has, at the end", []string{two, msg1(0, 1), msg1(0, 2), body1(0, "x")}, false},
		{"two contents for one", []string{two, body1(0, "x"), body1(1, "y"), share1(1, 1), share1(2, 0)}, false},
		{"an empty content", []string{two, body1(0, ""), share1(1, 0), share1(2, 0)}, false},
		{"a content with a number of its own", []string{two, body1(7, "x"), share1(1, 7), share1(2, 7)}, false},
		{"no name of CComet's dialect", []string{chan1(2, 3, 0, "\x01")}, false},
		{"a bad name", []string{chan1(0, 3, 0, "a\nb")}, false},
		{"a name that is no text", []string{chan1(0, 3, 0, "\xff")}, false},
		{"a long name", []string{chan1(0, 3, 0, strings.Repeat("x", 256))}, false},
		{"a mark alone", []string{chan1(1, 3, 0, "\x01")}, false},
		{"a mark without its kind", []string{chan1(0, 3, 0, "\x01a")}, false},
		{"a kind without its mark", []string{chan1(2, 3, 0, "a")}, false},
		{"a kind that is none", []string{chan1(3, 3, 0, "\x01a")}, false},
		{"the longest of CComet's", []string{chan1(2, 3, 0, "\x01"+strings.Repeat("x", record.MaxCCometName))}, true},
		{"longer than that", []string{chan1(2, 3, 0, "\x01"+strings.Repeat("x", record.MaxCCometName+1))}, false},
	} {
		if _, err := readBytes(seal(c.records...), Nobody{}); (err == nil) != c.good {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestStateOnAFullDisk: an error of the disk is not lost.
func TestStateOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	w := NewWriter(full, Head{Written: time.Now()})
	for n := range 100 {
		w.Message(msg.Data, int32(n), make([]byte, 10000))
	}
	if w.Err == nil {
		t.Error("no error before the end")
	}
	if err := w.Finish(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

// FuzzState reads any input, as it is and with valid checksums; an accepted file
// is the same when it is written again.
func FuzzState(f *testing.F) {
	f.Add(sampleState(0))
	f.Add(sampleState(1))
	first, err := os.ReadFile("testdata/version1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first)
	f.Add([]byte(chan1(0, 3, 2, "a") + "\x00\xff" + msg1(0, 1) + "\x00\xff" + msg1(1, 2)))
	f.Fuzz(func(t *testing.T, text []byte) {
		var records []string
		for _, r := range bytes.Split(text, []byte{0, 0xFF}) {
			if len(r) > 0 {
				records = append(records, string(r))
			}
		}
		for _, file := range [][]byte{text, seal(records...)} {
			again, err := copyState(file)
			if err == nil && bytes.HasPrefix(file, []byte(firstLine(firstVersion, 0)[:len(magic)+1])) {
				file = again // of the current version
				again, err = copyState(file)
			}
			if err == nil && !slices.Equal(again, file) {
				t.Errorf("%q becomes %q", file, again)
			}
		}
	})
}
