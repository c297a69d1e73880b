// Package statefile has the format of the file in which channels outlive the process.
package statefile

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"
	"unsafe"

	"ccomet/comet/internal/msg"
)

// A state file is a line that people can read, followed by records:
//
//	ccomet-state 2 clean    (or dirty: the server that wrote it had not ended; or 02x02: nor had one that loaded that)
//	length of what follows the checksum (4 bytes), CRC-32C of that and the length (4), kind (1), content
//
//	head     when it was written (8: milliseconds of Unix time), and the secret if it was random
//	channel  dialect (1), next number (4), when its lease ends (8: the same; 0: none), messages that follow (4), epoch (4), name
//	message  kind (1), number (4), content
//	body     number (4), content, of the message behind it and others that share it
//	shared   kind (1), number (4), number of a body before it (4): a message
//	end      SHA-256 of all records before this one
//
// Numbers are big-endian. The checksums do not cover the line, so that one word in it can be
// changed in place: it must be exactly one of these lines. A file of version 1 can still be read.
// It has channels of another kind, without epochs, and messages as JSON.
const (
	currentVersion = 2
	firstVersion   = 1
	magic          = "ccomet-state "
)

const (
	recordHead         = 'h'
	recordFirstChannel = 'c' // of version 1
	recordChannel      = 'C'
	recordFirstMessage = 'm' // of version 1
	recordMessage      = 'M'
	recordBody         = 'b'
	recordShared       = 's'
	recordEnd          = 'e'
)

const (
	frameLen        = 8
	firstChannelLen = 1 + 4 + 8 + 4
	channelLen      = firstChannelLen + 4
	messageLen      = 1 + 4
	bodyLen         = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// firstLine returns the first line of a file.
func firstLine(version, gaps int) string {
	return fmt.Sprintf("%s%d %s\n", magic, version, Word(gaps))
}

// LineLen is the length of that line, which is always the same.
var LineLen = len(firstLine(currentVersion, 0))

// Word returns the line's last word, which always has the same length: how many gaps a server that
// loads the file must leave. With one byte changed it is invalid.
func Word(gaps int) string {
	switch gaps {
	case 0:
		return "clean"
	case 1:
		return "dirty"
	}
	return fmt.Sprintf("%02dx%02d", gaps, gaps)
}

// Head is what a file says about itself.
type Head struct {
	Gaps    int // how many times StateGap; 0: it was written when the server ended
	Written time.Time
	Secret  []byte // empty: it is configured
}

// Channel is a channel in a file. Its name has the mark of its dialect.
type Channel struct {
	Name    []byte
	Next    int32
	Lease   int64 // milliseconds of Unix time; 0: none
	N       uint32
	Epoch   uint32
	Dialect uint8
}

// Writer writes a file. It keeps the first error, and writes nothing after it.
type Writer struct {
	out    *bufio.Writer
	sum    hash.Hash
	buf    []byte
	Err    error
	bodies map[*byte]uint32 // numbers of the bodies in the file
}

func NewWriter(out io.Writer, head Head) *Writer {
	w := &Writer{out: bufio.NewWriterSize(out, 64<<10), sum: sha256.New(), bodies: map[*byte]uint32{}}
	_, w.Err = w.out.WriteString(firstLine(currentVersion, head.Gaps))
	w.begin(recordHead)
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(head.Written.UnixMilli()))
	w.buf = append(w.buf, head.Secret...)
	w.end()
	return w
}

func (w *Writer) begin(kind byte) {
	w.buf = append(append(w.buf[:0], "        "[:frameLen]...), kind)
}

func (w *Writer) end() {
	binary.BigEndian.PutUint32(w.buf, uint32(len(w.buf)-frameLen))
	binary.BigEndian.PutUint32(w.buf[4:], recordSum(w.buf[:4], w.buf[frameLen:]))
	w.sum.Write(w.buf)
	if w.Err == nil {
		_, w.Err = w.out.Write(w.buf)
	}
}

func recordSum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, length), castagnoli, payload)
}

func (w *Writer) Channel(c *Channel) {
	w.begin(recordChannel)
	w.buf = append(w.buf, c.Dialect)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(c.Next))
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(c.Lease))
	w.buf = binary.BigEndian.AppendUint32(w.buf, c.N)
	w.buf = binary.BigEndian.AppendUint32(w.buf, c.Epoch)
	w.buf = append(w.buf, c.Name...)
	w.end()
}

func (w *Writer) Message(k msg.Kind, seq int32, content []byte) {
	w.beginMessage(recordMessage, k, seq)
	w.buf = append(w.buf, content...)
	w.end()
}

// Shared writes a message with content that others share, which is written once.
func (w *Writer) Shared(k msg.Kind, seq int32, content []byte) {
	body, known := w.bodies[unsafe.SliceData(content)]
	if !known {
		body = uint32(len(w.bodies))
		w.bodies[unsafe.SliceData(content)] = body
		w.begin(recordBody)
		w.buf = binary.BigEndian.AppendUint32(w.buf, body)
		w.buf = append(w.buf, content...)
		w.end()
	}
	w.beginMessage(recordShared, k, seq)
	w.buf = binary.BigEndian.AppendUint32(w.buf, body)
	w.end()
}

func (w *Writer) beginMessage(record byte, k msg.Kind, seq int32) {
	w.begin(record)
	w.buf = append(w.buf, byte(k))
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(seq))
}

// Finish writes the end, and returns what has gone wrong.
func (w *Writer) Finish() error {
	sum := w.sum.Sum(nil)
	w.begin(recordEnd)
	w.buf = append(w.buf, sum...)
	w.end()
	return errors.Join(w.Err, w.out.Flush())
}

// MaxGaps bounds the gaps of a file, because numbers must not wrap. Beyond it the last gap is left
// again and again, each time in another epoch.
const MaxGaps = 99
