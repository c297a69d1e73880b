package comet

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"
)

// A state file is a line that people can read, and records behind it:
//
//	ccomet-state 2 clean    (or dirty: who wrote it had not ended; or 02x02: nor had one who loaded that)
//	length of what follows the checksum (4 bytes), CRC-32C of that and the length (4), kind (1), content
//
//	head     when it was written (8: milliseconds of Unix time), and the secret if it was random
//	channel  dialect (1), next number (4), when its lease ends (8: the same; 0: none), messages that follow (4), epoch (4), name
//	message  kind (1), number (4), JSON
//	end      SHA-256 of all records before this one
//
// Numbers are big-endian. The line stands outside the checksums, so that one word
// in it can be changed in place: it must be one of these lines, to the byte. A file of
// version 1, which is read still, has channels of another kind, without epochs.
const (
	stateVersion      = 2
	firstStateVersion = 1
	stateMagic        = "ccomet-state "
)

const (
	recordHead         = 'h'
	recordFirstChannel = 'c' // of version 1
	recordChannel      = 'C'
	recordMessage      = 'm'
	recordEnd          = 'e'
)

const (
	frameLen        = 8
	firstChannelLen = 1 + 4 + 8 + 4
	channelLen      = firstChannelLen + 4
	messageLen      = 1 + 4
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
	out *bufio.Writer
	sum hash.Hash
	buf []byte
	err error
}

func newStateWriter(out io.Writer, head stateHead) *stateWriter {
	w := &stateWriter{out: bufio.NewWriterSize(out, 64<<10), sum: sha256.New()}
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

func (w *stateWriter) message(k kind, seq int32, json []byte) {
	w.begin(recordMessage)
	w.buf = append(w.buf, byte(k))
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(seq))
	w.buf = append(w.buf, json...)
	w.end()
}

// finish writes the end, and returns what went wrong.
func (w *stateWriter) finish() error {
	sum := w.sum.Sum(nil)
	w.begin(recordEnd)
	w.buf = append(w.buf, sum...)
	w.end()
	return errors.Join(w.err, w.out.Flush())
}

// stateError is what is wrong with a file.
type stateError struct {
	at     int64
	reason string
}

func (e *stateError) Error() string { return fmt.Sprintf("at byte %d: %s", e.at, e.reason) }

// stateTaker is given what a file holds, in its order. Bytes are good until it
// returns. A message belongs to the last channel.
type stateTaker interface {
	channel(c *savedChannel)
	message(k kind, seq int32, json []byte)
}

// unread is nobody: for finding out whether a file is good.
type unread struct{}

func (unread) channel(*savedChannel)       {}
func (unread) message(kind, int32, []byte) {}

// stateReader reads a file, and takes nothing for granted.
type stateReader struct {
	in      *bufio.Reader
	at      int64 // where the record is that is read
	next    int64
	size    int64
	sum     hash.Hash
	frame   [frameLen]byte
	payload []byte
	head    stateHead
	version int

	begun   bool
	channel savedChannel
	left    uint32 // messages of the channel that are still to come
	last    int32  // the number of the last one
	any     bool
}

// readState reads a file of so many bytes to its end. What it gives to take
// before it returns an error is not to be used.
func readState(in io.Reader, size int64, take stateTaker) (stateHead, error) {
	r := &stateReader{in: bufio.NewReaderSize(in, 256<<10), size: size, sum: sha256.New()}
	if err := r.line(); err != nil {
		return r.head, err
	}
	for {
		if err := r.record(); err != nil {
			return r.head, err
		}
		kind, content := r.payload[0], r.payload[1:]
		if kind == recordEnd {
			return r.head, r.ended(content)
		}
		r.sum.Write(r.frame[:])
		r.sum.Write(r.payload)
		if reason := r.take(kind, content, take); reason != "" {
			return r.head, r.wrong("%s", reason)
		}
	}
}

func (r *stateReader) wrong(format string, args ...any) error {
	return &stateError{r.at, fmt.Sprintf(format, args...)}
}

// line reads the first line.
func (r *stateReader) line() error {
	line, err := r.in.Peek(int(min(r.size, int64(stateLineLen))))
	if err != nil {
		return r.wrong("%v", err)
	}
	for version := firstStateVersion; version <= stateVersion; version++ {
		for gaps := range maxGaps + 1 {
			if string(line) == stateLine(version, gaps) {
				r.version, r.head.gaps = version, gaps
				r.next = int64(len(line))
				_, err = r.in.Discard(len(line))
				return err
			}
		}
	}
	rest, ours := bytes.CutPrefix(line, []byte(stateMagic))
	version, _, whole := bytes.Cut(rest, []byte(" "))
	switch {
	case !ours:
		return r.wrong("this is no state file")
	case whole && string(version) != fmt.Sprint(firstStateVersion) && string(version) != fmt.Sprint(stateVersion):
		return r.wrong("it is of version %q, and this server reads versions %d to %d", version, firstStateVersion, stateVersion)
	}
	return r.wrong("its first line is damaged: %q", line)
}

// record reads the next record, of whatever kind, and holds it against its
// checksum.
func (r *stateReader) record() error {
	if r.at = r.next; r.size-r.at < frameLen {
		return r.wrong("the file is cut short")
	}
	if _, err := io.ReadFull(r.in, r.frame[:]); err != nil {
		return r.wrong("%v", err)
	}
	n := int64(binary.BigEndian.Uint32(r.frame[:]))
	if n < 1 || n > r.size-r.at-frameLen {
		return r.wrong("a record of %d bytes, where %d are left: the file is damaged or cut short", n, r.size-r.at-frameLen)
	}
	if int64(cap(r.payload)) < n {
		r.payload = make([]byte, n)
	}
	r.payload = r.payload[:n]
	if _, err := io.ReadFull(r.in, r.payload); err != nil {
		return r.wrong("%v", err)
	}
	if recordSum(r.frame[:4], r.payload) != binary.BigEndian.Uint32(r.frame[4:]) {
		return r.wrong("a record does not match its checksum")
	}
	r.next = r.at + frameLen + n
	return nil
}

// ended reads the last record's content.
func (r *stateReader) ended(content []byte) error {
	switch {
	case !r.begun || r.left > 0:
		return r.wrong("the end comes too early")
	case !bytes.Equal(content, r.sum.Sum(nil)):
		return r.wrong("the whole does not match its checksum")
	case r.next != r.size:
		return r.wrong("%d bytes behind the end", r.size-r.next)
	}
	return nil
}

// take reads any other record's content, and returns what is wrong with it.
func (r *stateReader) take(kind byte, content []byte, take stateTaker) string {
	switch {
	case kind == recordHead && !r.begun && len(content) >= 8:
		r.begun = true
		r.head.written = time.UnixMilli(int64(binary.BigEndian.Uint64(content)))
		r.head.secret = bytes.Clone(content[8:])
	case kind == recordChannel && r.version > firstStateVersion && r.begun && r.left == 0 && len(content) > channelLen:
		return r.takeChannel(content, binary.BigEndian.Uint32(content[firstChannelLen:]), content[channelLen:], take)
	case kind == recordFirstChannel && r.version == firstStateVersion && r.begun && r.left == 0 && len(content) > firstChannelLen:
		return r.takeChannel(content, epochFirst, content[firstChannelLen:], take)
	case kind == recordMessage && r.left > 0 && len(content) > messageLen:
		return r.takeMessage(content, take)
	default:
		return "a record that does not belong there"
	}
	return ""
}

func (r *stateReader) takeChannel(content []byte, epoch uint32, name []byte, take stateTaker) string {
	r.channel = savedChannel{
		dialect: content[0],
		next:    int32(binary.BigEndian.Uint32(content[1:])),
		lease:   int64(binary.BigEndian.Uint64(content[5:])),
		n:       binary.BigEndian.Uint32(content[13:]),
		epoch:   epoch,
		name:    name,
	}
	unmarked, marked := bytes.CutPrefix(name, []byte{ccometMark})
	err := checkName(unmarked)
	if marked && len(unmarked) > 0 {
		err = checkCCometName("channel", unmarked, MaxCCometName)
	}
	if err != nil {
		return fmt.Sprintf("a channel of the name %.300q", unmarked)
	}
	if r.channel.dialect > dialectCComet || marked != (r.channel.dialect != dialectOurs) {
		return fmt.Sprintf("a channel of the kind %d", r.channel.dialect)
	}
	if epoch < epochLeast && epoch != epochFirst {
		return fmt.Sprintf("a channel of the epoch %d", epoch)
	}
	r.left, r.any = r.channel.n, false
	take.channel(&r.channel)
	return ""
}

func (r *stateReader) takeMessage(content []byte, take stateTaker) string {
	k, seq := kind(content[0]), int32(binary.BigEndian.Uint32(content[1:]))
	if k != kindData && k != kindBroadcast {
		return fmt.Sprintf("a message of the kind %d", k)
	}
	if r.any && seq-r.last <= 0 || seq-r.channel.next >= 0 {
		return fmt.Sprintf("message %d, where %d is the next to be given", seq, r.channel.next)
	}
	r.last, r.any = seq, true
	r.left--
	take.message(k, seq, content[messageLen:])
	return ""
}
