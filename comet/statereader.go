package comet

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"time"
)

// stateError is what is wrong with a file.
type stateError struct {
	at     int64
	reason string
}

func (e *stateError) Error() string { return fmt.Sprintf("at byte %d: %s", e.at, e.reason) }

// stateTaker is given what a file holds, in its order. Bytes are good until it
// returns, but for a content that is shared: that does not change. A message belongs to
// the last channel.
type stateTaker interface {
	channel(c *savedChannel)
	message(k kind, seq int32, content []byte)
	shared(k kind, seq int32, content []byte, body uint32)
}

// unread is nobody: for finding out whether a file is good.
type unread struct{}

func (unread) channel(*savedChannel)              {}
func (unread) message(kind, int32, []byte)        {}
func (unread) shared(kind, int32, []byte, uint32) {}

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
	bodies  [][]byte
	fresh   bool // the last record is a body, which the next message shares
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
	case kind == recordChannel && r.version > firstStateVersion && r.begun && r.left == 0 && len(content) >= channelLen:
		return r.takeChannel(content, binary.BigEndian.Uint32(content[firstChannelLen:]), content[channelLen:], take)
	case kind == recordFirstChannel && r.version == firstStateVersion && r.begun && r.left == 0 && len(content) >= firstChannelLen:
		return r.takeChannel(content, epochFirst, content[firstChannelLen:], take)
	case kind == recordFirstMessage && r.version == firstStateVersion && r.left > 0 && len(content) > messageLen,
		kind == recordMessage && r.version > firstStateVersion && r.left > 0 && len(content) >= messageLen,
		kind == recordShared && r.version > firstStateVersion && r.left > 0 && len(content) == messageLen+bodyLen:
		return r.takeMessage(kind, content, take)
	case kind == recordBody && r.version > firstStateVersion && r.left > 0 && !r.fresh && len(content) > bodyLen:
		return r.takeBody(content)
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
		name:    bytes.Clone(name),
	}
	unmarked, marked := bytes.CutPrefix(name, []byte{ccometMark})
	err := checkName(unmarked)
	if marked {
		err = checkCCometName("channel", unmarked, MaxCCometName)
	}
	if marked && len(unmarked) == 0 {
		err = errNoName
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

func (r *stateReader) takeMessage(record byte, content []byte, take stateTaker) string {
	k, seq := kind(content[0]), int32(binary.BigEndian.Uint32(content[1:]))
	if k != kindData && k != kindBroadcast {
		return fmt.Sprintf("a message of the kind %d", k)
	}
	if r.any && seq-r.last <= 0 || seq-r.channel.next >= 0 {
		return fmt.Sprintf("message %d, where %d is the next to be given", seq, r.channel.next)
	}
	if r.fresh && record != recordShared {
		return fmt.Sprintf("body %d without a message", len(r.bodies)-1)
	}
	r.last, r.any = seq, true
	r.left--
	switch content = content[messageLen:]; record {
	case recordFirstMessage:
		var ok bool
		if content, ok = firstContent(content, k, r.channel.name, seq); !ok {
			return fmt.Sprintf("message %d is not rendered as one", seq)
		}
		take.message(k, seq, content)
	case recordMessage:
		take.message(k, seq, content)
	default:
		body := binary.BigEndian.Uint32(content)
		if int64(body) >= int64(len(r.bodies)) || r.fresh && int(body) != len(r.bodies)-1 {
			return fmt.Sprintf("message %d shares body %d of %d", seq, body, len(r.bodies))
		}
		r.fresh = false
		take.shared(k, seq, r.bodies[body], body)
	}
	return ""
}

// takeBody keeps what messages share.
func (r *stateReader) takeBody(content []byte) string {
	if n := binary.BigEndian.Uint32(content); int64(n) != int64(len(r.bodies)) {
		return fmt.Sprintf("body %d, where %d is next", n, len(r.bodies))
	}
	r.bodies, r.fresh = append(r.bodies, exactCopy(content[bodyLen:])), true
	return ""
}

// firstContent takes the content out of a message of version 1, which is rendered
// for its channel's dialect.
func firstContent(json []byte, k kind, cname []byte, seq int32) ([]byte, bool) {
	head, tail := appendObjectHead(nil, k, cname, seq), []byte(objectTail)
	if cname[0] == ccometMark {
		head, tail = nil, appendCCometTail(nil, cname, seq)
	}
	rest, ok := bytes.CutPrefix(json, head)
	content, whole := bytes.CutSuffix(rest, tail)
	return content, ok && whole
}
