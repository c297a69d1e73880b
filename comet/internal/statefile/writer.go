// Package statefile has the format of the file that channels outlive the process in.
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

// A state file is a line that people can read, and records behind it:
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
// Numbers are big-endian. The line stands outside the checksums, so that one word
// in it can be changed in place: it must be one of these lines, to the byte. A file of
// version 1, which is read still, has channels of another kind, without epochs, and
// messages as JSON.
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

// Line is the first line of a file.
func Line(version, gaps int) string {
	return fmt.Sprintf("%s%d %s\n", magic, version, Word(gaps))
}

// LineLen is how long it is, whatever it says.
var LineLen = len(Line(currentVersion, 0))

// Word is the line's last word, as long whatever it says: how many gaps a server
// that loads the file must leave. With one byte wrong it is none.
func Word(gaps int) string {
	switch gaps {
	case 0:
		return "clean"
	case 1:
		return "dirty"
	}
	return fmt.Sprintf("%02dx%02d", gaps, gaps)
}

// Head is what a file says of itself.
type Head struct {
	Gaps    int // StateGap's, 0: it was written at the end
	Written time.Time
	Secret  []byte // empty: it was configured
}

// Channel is a channel in a file. Its name has the mark of its dialect.
type Channel struct {
	Name    []byte
	Next    int32
	Lease   int64 // milliseconds of Unix time, 0: none
	N       uint32
	Epoch   uint32
	Dialect uint8
}

// Writer writes a file. The first error is kept, and nothing is written
// after it.
type Writer struct {
	out    *bufio.Writer
	sum    hash.Hash
	buf    []byte
	Err    error
	bodies map[*byte]uint32 // those that are in the file already
}

func NewWriter(out io.Writer, head Head) *Writer {
	w := &Writer{out: bufio.NewWriterSize(out, 64<<10), sum: sha256.New(), bodies: map[*byte]uint32{}}
	_, w.Err = w.out.WriteString(Line(currentVersion, head.Gaps))
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

// Shared writes a message whose content others share, which is written once.
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

// Finish writes the end, and returns what went wrong.
func (w *Writer) Finish() error {
	sum := w.sum.Sum(nil)
	w.begin(recordEnd)
	w.buf = append(w.buf, sum...)
	w.end()
	return errors.Join(w.Err, w.out.Flush())
}

// MaxGaps bounds those gaps: numbers must not wrap. Beyond it the last one is left
// again and again, each time in another epoch.
const MaxGaps = 99
