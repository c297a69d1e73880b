package mail

import (
	"encoding/binary"
	"slices"

	"ccomet/comet/internal/pool"
)

// A batch of messages goes to each home in mails that contain many. The buffer of such a
// mail has consecutive entries, that of its answer as many results.

// Bounds of one mail of a batch; its last entry may exceed BatchBytes.
const (
	BatchEntries = 1024
	BatchBytes   = pool.KeepBuffer - 4<<10 // so that most buffers need not grow
)

// Entry is a message in a batch.
type Entry struct {
	Place              uint32 // position of the message in its batch
	Hash               uint32 // of the name, for the home's index
	Name, Key, Content []byte // Key: empty if there is none
}

const entryHead = 4 + 4 + 4 + 1 + 1

// AppendEntry appends an entry.
func AppendEntry(dst []byte, e *Entry) []byte {
	at := len(dst)
	end := at + entryHead + len(e.Name) + len(e.Key) + len(e.Content)
	if end > cap(dst) {
		dst = slices.Grow(dst, end-at)
	}
	entry := dst[at:end]
	binary.NativeEndian.PutUint32(entry, e.Place)
	binary.NativeEndian.PutUint32(entry[4:], e.Hash)
	binary.NativeEndian.PutUint32(entry[8:], uint32(len(e.Content)))
	entry[entryHead-2], entry[entryHead-1] = uint8(len(e.Name)), uint8(len(e.Key))
	entry = entry[entryHead:]
	entry = entry[copy(entry, e.Name):]
	if len(e.Key) > 0 {
		entry = entry[copy(entry, e.Key):]
	}
	copy(entry, e.Content)
	return dst[:end]
}

// Next parses the first entry of a buffer, and returns the rest.
func (e *Entry) Next(buf []byte) (rest []byte) {
	head := (*[entryHead]byte)(buf)
	e.Place, e.Hash = binary.NativeEndian.Uint32(head[:]), binary.NativeEndian.Uint32(head[4:])
	content := int(binary.NativeEndian.Uint32(head[8:]))
	name, key := int(head[entryHead-2]), int(head[entryHead-1])
	buf = buf[entryHead:]
	e.Name, e.Key, e.Content = buf[:name], buf[name:name+key], buf[name+key:name+key+content]
	return buf[name+key+content:]
}

// Result is the result of an entry.
type Result struct {
	Place   uint32
	Seq     int32
	Code    Code
	Seconds uint16 // until it is worth trying again
}

const resultSize = 4 + 4 + 1 + 2

// AppendResult appends a result.
func AppendResult(dst []byte, r Result) []byte {
	dst = append(dst, make([]byte, resultSize)...)
	result := dst[len(dst)-resultSize:]
	binary.NativeEndian.PutUint32(result, r.Place)
	binary.NativeEndian.PutUint32(result[4:], uint32(r.Seq))
	binary.NativeEndian.PutUint16(result[8:], r.Seconds)
	result[resultSize-1] = uint8(r.Code)
	return dst
}

// NextResult parses the first result of a buffer, and returns the rest.
func NextResult(buf []byte) (r Result, rest []byte) {
	result := (*[resultSize]byte)(buf)
	r.Place, r.Seq = binary.NativeEndian.Uint32(result[:]), int32(binary.NativeEndian.Uint32(result[4:]))
	r.Seconds, r.Code = binary.NativeEndian.Uint16(result[8:]), Code(result[resultSize-1])
	return r, buf[resultSize:]
}
