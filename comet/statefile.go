package comet

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
)

// A state file is a line that people can read, and records behind it:
//
//	ccomet-state 2 clean    (or dirty: who wrote it had not ended; or 02x02: nor had one who loaded that)
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
	stateVersion      = 2
	firstStateVersion = 1
	stateMagic        = "ccomet-state "
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

// stateLine is the first line of a file.
func stateLine(version, gaps int) string {
	return fmt.Sprintf("%s%d %s\n", stateMagic, version, stateWord(gaps))
}

// stateLineLen is how long it is, whatever it says.
var stateLineLen = len(stateLine(stateVersion, 0))

// stateWord is the line's last word, as long whatever it says: how many gaps whoever
// loads the file must leave. With one byte wrong it is none.
func stateWord(gaps int) string {
	switch gaps {
	case 0:
		return "clean"
	case 1:
		return "dirty"
	}
	return fmt.Sprintf("%02dx%02d", gaps, gaps)
}

// stateHead is what a file says of itself.
type stateHead struct {
	gaps    int // StateGap's, 0: it was written at the end
	written time.Time
	secret  []byte // empty: it was configured
}

// savedChannel is a channel in a file. Its name has the mark of its dialect.
type savedChannel struct {
	name    []byte
	next    int32
	lease   int64 // milliseconds of Unix time, 0: none
	n       uint32
	epoch   uint32
	dialect uint8
}

// stateWriter writes a file. The first error is kept, and nothing is written
// after it.
type stateWriter struct {
	out    *bufio.Writer
	sum    hash.Hash
	buf    []byte
	err    error
	bodies map[*byte]uint32 // those that are in the file already
}

func newStateWriter(out io.Writer, head stateHead) *stateWriter {
	w := &stateWriter{out: bufio.NewWriterSize(out, 64<<10), sum: sha256.New(), bodies: map[*byte]uint32{}}
	_, w.err = w.out.WriteString(stateLine(stateVersion, head.gaps))
	w.begin(recordHead)
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(head.written.UnixMilli()))
	w.buf = append(w.buf, head.secret...)
	w.end()
	return w
}

func (w *stateWriter) begin(kind byte) {
	w.buf = append(append(w.buf[:0], "        "[:frameLen]...), kind)
}

func (w *stateWriter) end() {
	binary.BigEndian.PutUint32(w.buf, uint32(len(w.buf)-frameLen))
	binary.BigEndian.PutUint32(w.buf[4:], recordSum(w.buf[:4], w.buf[frameLen:]))
	w.sum.Write(w.buf)
	if w.err == nil {
		_, w.err = w.out.Write(w.buf)
	}
}

func recordSum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, length), castagnoli, payload)
}

func (w *stateWriter) channel(c *savedChannel) {
	w.begin(recordChannel)
	w.buf = append(w.buf, c.dialect)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(c.next))
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(c.lease))
	w.buf = binary.BigEndian.AppendUint32(w.buf, c.n)
	w.buf = binary.BigEndian.AppendUint32(w.buf, c.epoch)
	w.buf = append(w.buf, c.name...)
	w.end()
}

func (w *stateWriter) message(k kind, seq int32, content []byte) {
	w.beginMessage(recordMessage, k, seq)
	w.buf = append(w.buf, content...)
	w.end()
}

// shared writes a message whose content others share, which is written once.
func (w *stateWriter) shared(k kind, seq int32, content []byte) {
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

func (w *stateWriter) beginMessage(record byte, k kind, seq int32) {
	w.begin(record)
	w.buf = append(w.buf, byte(k))
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(seq))
}

// finish writes the end, and returns what went wrong.
func (w *stateWriter) finish() error {
	sum := w.sum.Sum(nil)
	w.begin(recordEnd)
	w.buf = append(w.buf, sum...)
	w.end()
	return errors.Join(w.err, w.out.Flush())
}

// maxGaps bounds those gaps: numbers must not wrap. Beyond it the last one is left
// again and again, each time in another epoch.
const maxGaps = 99
