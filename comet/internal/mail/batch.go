package mail

import (
	"encoding/binary"

	"ccomet/comet/internal/pool"
)

// A batch of messages goes to each home in mails of many: a batch's buffer has entries one
// behind the other, and its answer's as many results.

// Bounds of one mail of a batch, beside one entry that is longer.
const (
	BatchEntries = 1024
	BatchBytes   = pool.KeepBuffer - 4<<10 // so that most do not outgrow their buffer
)

// Entry is a message of a batch.
type Entry struct {
	Place              uint32 // of the message in its batch
	Hash               uint32 // of the name, as the home's index has it
	Name, Key, Content []byte // Key: empty where there is none
}

const entryHead = 4 + 4 + 4 + 1 + 1

// AppendEntryHead appends an entry but for its content, whose length EndEntry sets.
func AppendEntryHead(dst []byte, place, hash uint32, name, key []byte) []byte {
	dst = append(dst, make([]byte, entryHead)...)
	head := dst[len(dst)-entryHead:] // written where it stands: what is read at once in other pieces is waited for
	binary.NativeEndian.PutUint32(head, place)
	binary.NativeEndian.PutUint32(head[4:], hash)
	head[entryHead-2], head[entryHead-1] = uint8(len(name)), uint8(len(key))
	return append(append(dst, name...), key...)
}

// EndEntry sets the length of the content of the entry that begins at that place of a buffer,
// and ends with it.
func EndEntry(buf []byte, at int) {
	entry := buf[at:]
	content := len(entry) - entryHead - int(entry[entryHead-2]) - int(entry[entryHead-1])
	binary.NativeEndian.PutUint32(entry[8:], uint32(content))
}

// Next takes the first entry off a buffer, and returns the rest.
func (e *Entry) Next(buf []byte) (rest []byte) {
	head := (*[entryHead]byte)(buf)
	e.Place, e.Hash = binary.NativeEndian.Uint32(head[:]), binary.NativeEndian.Uint32(head[4:])
	content := int(binary.NativeEndian.Uint32(head[8:]))
	name, key := int(head[entryHead-2]), int(head[entryHead-1])
	buf = buf[entryHead:]
	e.Name, e.Key, e.Content = buf[:name], buf[name:name+key], buf[name+key:name+key+content]
	return buf[name+key+content:]
}

// Result is what has become of an entry.
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

// NextResult takes the first result off a buffer.
func NextResult(buf []byte) (r Result, rest []byte) {
	r.Place, r.Seq = binary.NativeEndian.Uint32(buf), int32(binary.NativeEndian.Uint32(buf[4:]))
	r.Seconds, r.Code = binary.NativeEndian.Uint16(buf[8:]), Code(buf[10])
	return r, buf[resultSize:]
}
