package statefile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"time"

	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// Error is an error in a file.
type Error struct {
	at     int64
	reason string
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %s", e.at, e.reason) }

// Taker gets the content of a file, in its order. Bytes are valid until it returns,
// except shared content, which does not change. A message belongs to the last channel.
type Taker interface {
	Channel(c *Channel)
	Message(k msg.Kind, seq int32, content []byte)
	Shared(k msg.Kind, seq int32, content []byte, body uint32)
}

// Nobody is a Taker that ignores everything: for checking a file.
type Nobody struct{}

func (Nobody) Channel(*Channel)                       {}
func (Nobody) Message(msg.Kind, int32, []byte)        {}
func (Nobody) Shared(msg.Kind, int32, []byte, uint32) {}

// reader reads a file, and trusts nothing in it.
type reader struct {
	in      *bufio.Reader
	at      int64 // offset of the current record
	next    int64
	size    int64
	sum     hash.Hash
	frame   [frameLen]byte
	payload []byte
	head    Head
	version int

	begun   bool
	channel Channel
	left    uint32 // messages of the channel that must follow
	last    int32  // the number of the last one
	any     bool
	bodies  [][]byte
	fresh   bool // the last record is a body, which the next message must share
}

// Read reads a file of size bytes to its end. If it returns an error, what take has got
// must not be used.
func Read(in io.Reader, size int64, take Taker) (Head, error) {
	r := &reader{in: bufio.NewReaderSize(in, 256<<10), size: size, sum: sha256.New()}
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

func (r *reader) wrong(format string, args ...any) error {
	return &Error{r.at, fmt.Sprintf(format, args...)}
}

// line reads the first line.
func (r *reader) line() error {
	line, err := r.in.Peek(int(min(r.size, int64(LineLen))))
	if err != nil {
		return r.wrong("%v", err)
	}
	for version := firstVersion; version <= currentVersion; version++ {
		for gaps := range MaxGaps + 1 {
			if string(line) == firstLine(version, gaps) {
				r.version, r.head.Gaps = version, gaps
				r.next = int64(len(line))
				_, err = r.in.Discard(len(line))
				return err
			}
		}
	}
	rest, ours := bytes.CutPrefix(line, []byte(magic))
	version, _, whole := bytes.Cut(rest, []byte(" "))
	switch {
	case !ours:
		return r.wrong("this is no state file")
	case whole && string(version) != fmt.Sprint(firstVersion) && string(version) != fmt.Sprint(currentVersion):
		return r.wrong("it is of version %q, and this server reads versions %d to %d", version, firstVersion, currentVersion)
	}
	return r.wrong("its first line is damaged: %q", line)
}

// record reads the next record of any kind, and checks its checksum.
func (r *reader) record() error {
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

// ended checks the content of the last record.
func (r *reader) ended(content []byte) error {
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

// take handles the content of any other record, and returns what is wrong with it.
func (r *reader) take(kind byte, content []byte, take Taker) string {
	switch {
	case kind == recordHead && !r.begun && len(content) >= 8:
		r.begun = true
		r.head.Written = time.UnixMilli(int64(binary.BigEndian.Uint64(content)))
		r.head.Secret = bytes.Clone(content[8:])
	case kind == recordChannel && r.version > firstVersion && r.begun && r.left == 0 && len(content) >= channelLen:
		return r.takeChannel(content, binary.BigEndian.Uint32(content[firstChannelLen:]), content[channelLen:], take)
	case kind == recordFirstChannel && r.version == firstVersion && r.begun && r.left == 0 && len(content) >= firstChannelLen:
		return r.takeChannel(content, record.EpochFirst, content[firstChannelLen:], take)
	case kind == recordFirstMessage && r.version == firstVersion && r.left > 0 && len(content) > messageLen,
		kind == recordMessage && r.version > firstVersion && r.left > 0 && len(content) >= messageLen,
		kind == recordShared && r.version > firstVersion && r.left > 0 && len(content) == messageLen+bodyLen:
		return r.takeMessage(kind, content, take)
	case kind == recordBody && r.version > firstVersion && r.left > 0 && !r.fresh && len(content) > bodyLen:
		return r.takeBody(content)
	default:
		return "a record that does not belong there"
	}
	return ""
}

func (r *reader) takeChannel(content []byte, epoch uint32, name []byte, take Taker) string {
	r.channel = Channel{
		Dialect: content[0],
		Next:    int32(binary.BigEndian.Uint32(content[1:])),
		Lease:   int64(binary.BigEndian.Uint64(content[5:])),
		N:       binary.BigEndian.Uint32(content[13:]),
		Epoch:   epoch,
		Name:    bytes.Clone(name),
	}
	unmarked, marked := bytes.CutPrefix(name, []byte{record.CCometMark})
	err := record.CheckName(unmarked)
	if marked {
		err = record.CheckCCometName("channel", unmarked, record.MaxCCometName)
	}
	if marked && len(unmarked) == 0 {
		err = record.ErrNoName
	}
	if err != nil {
		return fmt.Sprintf("a channel of the name %.300q", unmarked)
	}
	if r.channel.Dialect > record.DialectCComet || marked != (r.channel.Dialect != record.DialectOurs) {
		return fmt.Sprintf("a channel of the kind %d", r.channel.Dialect)
	}
	if epoch < record.EpochLeast && epoch != record.EpochFirst {
		return fmt.Sprintf("a channel of the epoch %d", epoch)
	}
	r.left, r.any = r.channel.N, false
	take.Channel(&r.channel)
	return ""
}

func (r *reader) takeMessage(rec byte, content []byte, take Taker) string {
	k, seq := msg.Kind(content[0]), int32(binary.BigEndian.Uint32(content[1:]))
	if k != msg.Data && k != msg.Broadcast {
		return fmt.Sprintf("a message of the kind %d", k)
	}
	if r.any && seq-r.last <= 0 || seq-r.channel.Next >= 0 {
		return fmt.Sprintf("message %d, where %d is the next to be given", seq, r.channel.Next)
	}
	if r.fresh && rec != recordShared {
		return fmt.Sprintf("body %d without a message", len(r.bodies)-1)
	}
	r.last, r.any = seq, true
	r.left--
	switch content = content[messageLen:]; rec {
	case recordFirstMessage:
		var ok bool
		if content, ok = firstContent(content, k, r.channel.Name, seq); !ok {
			return fmt.Sprintf("message %d is not rendered as one", seq)
		}
		take.Message(k, seq, content)
	case recordMessage:
		take.Message(k, seq, content)
	default:
		body := binary.BigEndian.Uint32(content)
		if int64(body) >= int64(len(r.bodies)) || r.fresh && int(body) != len(r.bodies)-1 {
			return fmt.Sprintf("message %d shares body %d of %d", seq, body, len(r.bodies))
		}
		r.fresh = false
		take.Shared(k, seq, r.bodies[body], body)
	}
	return ""
}

// takeBody stores content that messages share.
func (r *reader) takeBody(content []byte) string {
	if n := binary.BigEndian.Uint32(content); int64(n) != int64(len(r.bodies)) {
		return fmt.Sprintf("body %d, where %d is next", n, len(r.bodies))
	}
	r.bodies, r.fresh = append(r.bodies, msg.ExactCopy(content[bodyLen:])), true
	return ""
}

// firstContent returns the content of a message of version 1, which is rendered in its
// channel's dialect.
func firstContent(json []byte, k msg.Kind, cname []byte, seq int32) ([]byte, bool) {
	head, tail := msg.AppendObjectHead(nil, k, cname, seq), []byte(msg.ObjectTail)
	if cname[0] == record.CCometMark {
		head, tail = nil, ccomet.AppendMessageTail(nil, cname, seq)
	}
	rest, ok := bytes.CutPrefix(json, head)
	content, whole := bytes.CutSuffix(rest, tail)
	return content, ok && whole
}
